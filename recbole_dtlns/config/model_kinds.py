"""What a RecBole model can be given: negatives of ours, inferred positives, noise in train."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, NamedTuple

from recbole.data.dataloader import UserDataLoader
from recbole.data.utils import get_dataloader
from recbole.utils import InputType, ModelType

from recbole_dtlns.config.choices import JUDGED_ORDER
from recbole_dtlns.config.declared import declared
from recbole_dtlns.config.settings import Settings
from recbole_dtlns.errors import UserError


class UnreadNegatives(NamedTuple):
    """A model whose loss reads no negative that RecBole draws for it.

    Attributes:
        when: the values of its keys with which that is so; no key: always.
        why: what the user should be told, after the model's name.
    """

    when: Mapping[str, tuple[str, ...]]
    why: str


_POSITIVES_ALONE = "Give --train_neg_sample_args=None, and it trains on positives alone."
UNREAD_NEGATIVES: Mapping[str, UnreadNegatives] = {
    "NCEPLRec": UnreadNegatives({}, "is computed from all of train at once and reads no batch."),
    "RepeatNet": UnreadNegatives({}, f"takes every negative that RecBole draws for a positive. {_POSITIVES_ALONE}"),
    "SINE": UnreadNegatives(
        {"loss_type": ("CE", "NLL")}, "compares the positive with all items under loss_type=CE and NLL."
    ),
    "S3Rec": UnreadNegatives({"train_stage": ("pretrain",)}, "draws negatives itself under train_stage=pretrain."),
    "BERT4Rec": UnreadNegatives({"loss_type": ("BPR",)}, "draws the negatives of the items that it masks itself."),
}
"""Found by noting which fields of a batch each model's loss reads, and by its code where it could not be run."""


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

    Pairwise models do: general and knowledge-aware ones, and sequential ones with loss_type=BPR, but for those whose
    loss reads no such negative, and those that mask items of the sequence.
    """
    return (
        config["MODEL_INPUT_TYPE"] == InputType.PAIRWISE
        and config["MODEL_TYPE"] in {ModelType.GENERAL, ModelType.SEQUENTIAL, ModelType.KNOWLEDGE}
        and config["transform"] != "mask_itemseq"
        and draws_negatives(config)
        and why_negatives_are_unread(config) is None
    )


def draws_negatives(config: Any) -> bool:
    """Whether RecBole's loader gives this model negatives: not for auto-encoders, nor for closed-form models."""
    return (
        config["train_neg_sample_args"]["distribution"] != "none"
        and config["MODEL_TYPE"] != ModelType.TRADITIONAL
        and get_dataloader(config, "train") is not UserDataLoader
    )


def reads_whole_histories(config: Any) -> bool:
    """Whether the loss is that of the data set which the model was built with: auto-encoders, ENMF and NCEPLRec."""
    return get_dataloader(config, "train") is UserDataLoader or config["model"] == "NCEPLRec"


def why_negatives_are_unread(config: Any) -> str | None:
    """Why the model's loss reads no negative of its batch, a sentence; None where it does."""
    unread = UNREAD_NEGATIVES.get(config["model"])
    if unread is None or any(config[key] not in values for key, values in unread.when.items()):
        return None
    return f"{config['model']} {unread.why}"


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
