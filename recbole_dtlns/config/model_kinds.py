"""What a RecBole model can be given: negatives of ours, inferred positives, noise in train."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from recbole.data.dataloader import UserDataLoader
from recbole.data.utils import get_dataloader
from recbole.utils import InputType, ModelType

from recbole_dtlns.config.choices import JUDGED_ORDER
from recbole_dtlns.config.declared import declared
from recbole_dtlns.config.settings import Settings
from recbole_dtlns.errors import UserError


def check_packages(model: str) -> None:
    """Raise UserError, before any work, where a RecBole model needs a package that is not installed.

    No part of reading a configuration: a finished run can be read without.
    """
    if model == "NCL" and find_spec("faiss") is None:
        raise UserError(
            "NCL clusters users and items with faiss, which is not installed. Install it with "
            "pip install 'recbole-dtlns[peers]', or choose another model."
        )


def is_recommendable(config: Any) -> bool:
    """Whether a trained model ranks items for a user alone, so that `recommend` can list them."""
    return config["MODEL_TYPE"] in {ModelType.GENERAL, ModelType.TRADITIONAL}


def takes_negatives(config: Any) -> bool:
    """Whether the model is given one negative beside each positive, so that our samplers can draw it.

    Pairwise models do: general and knowledge-aware ones, and sequential ones with loss_type=BPR, but for those that
    mask items of the sequence and draw negatives for these themselves (BERT4Rec).
    """
    return (
        config["MODEL_INPUT_TYPE"] == InputType.PAIRWISE
        and config["MODEL_TYPE"] in {ModelType.GENERAL, ModelType.SEQUENTIAL, ModelType.KNOWLEDGE}
        and config["transform"] != "mask_itemseq"
        and draws_negatives(config)
    )


def draws_negatives(config: Any) -> bool:
    """Whether RecBole's loader gives this model negatives: not for auto-encoders, nor for closed-form models."""
    return (
        config["train_neg_sample_args"]["distribution"] != "none"
        and config["MODEL_TYPE"] != ModelType.TRADITIONAL
        and get_dataloader(config, "train") is not UserDataLoader
    )


def check_judged_model(settings: Settings, config: Any, judge: str) -> None:
    """Refuse inferred positives for a model that cannot be given them, and a judge's own order without a judge.

    Raises:
        UserError: says what the model and the judge do not go together for.
    """
    if config["model"] == JUDGED_ORDER:
        _check_judged_order(settings, judge)
        return
    kind = config["MODEL_TYPE"]
    if declared(judge).way == "none" or kind == ModelType.GENERAL:
        return
    if not takes_negatives(config):
        raise UserError(
            f"judge={judge}: inferred positives need a general recommender, a knowledge-aware one that is pairwise, or "
            f"a sequential one with loss_type=BPR, and {config['model']} is none of them."
        )
    if settings.judge_refresh is not None:
        raise UserError(
            f"judge_refresh={settings.judge_refresh} judges candidates of the model itself, which must be a general "
            f"recommender; {config['model']} is not one. Leave judge_refresh out."
        )
    if settings.protocol == "reference" and kind == ModelType.SEQUENTIAL:
        raise UserError(
            "protocol=reference masks the inferred positives in the ranking, but RecBole masks nothing for sequential "
            f"models such as {config['model']}. Use protocol=honest."
        )


def check_noise(settings: Settings, config: Any) -> None:
    """Raise UserError for noise in the train of a model that is not trained on plain pairs."""
    if settings.noise_rate > 0 and config["MODEL_TYPE"] not in {ModelType.GENERAL, ModelType.TRADITIONAL}:
        raise UserError(
            f"noise_rate={settings.noise_rate} adds pairs to train or hides some, which general recommenders can be "
            f"trained on; {config['model']} is not one. Leave noise_rate at 0, or choose another model."
        )


def _check_judged_order(settings: Settings, judge: str) -> None:
    """Refuse what a ranking by the judge itself cannot have.

    Raises:
        UserError: no judge, or keys that would change nothing or say something else.
    """
    if declared(judge).way == "none":
        raise UserError(f"model={JUDGED_ORDER} ranks items as a judge does, and there is no judge. Add --judge=NAME.")
    if settings.protocol == "reference":
        raise UserError(
            f"protocol=reference leaves the inferred positives out of the ranking, which are the best of what "
            f"model={JUDGED_ORDER} recommends. Use protocol=honest."
        )
    if settings.random_positives:
        raise UserError(
            f"random_positives=true replaces inferred positives of the loss, and model={JUDGED_ORDER} has no loss. "
            "Leave it out."
        )
