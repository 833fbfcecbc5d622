"""Checks of RecBole's own keys: a wrong value would end in a traceback, or change nothing."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from recbole.data.dataloader import UserDataLoader
from recbole.data.utils import get_dataloader
from recbole.utils import InputType, ModelType

from recbole_dtlns.config.stock_kinds import is_number, is_whole
from recbole_dtlns.errors import UserError

logger = logging.getLogger(__name__)

_NUMBERS = ("learning_rate", "weight_decay", "reg_weight")
_LEARNERS = ("adam", "adamw", "sgd", "adagrad", "rmsprop")
_BY_RANK = frozenset({"recall", "mrr", "ndcg", "hit", "precision", "map", "itemcoverage", "averagepopularity"}) | {
    *("giniindex", "shannonentropy", "tailpercentage"),
}
_BY_VALUE = frozenset({"auc", "gauc", "logloss", "mae", "rmse"})
_TRANSFORMS: Mapping[str, tuple[str, ...]] = {
    "mask_itemseq": ("mask_ratio", "ft_ratio"),
    "inverse_itemseq": (),
    "crop_itemseq": ("eta",),
    "reorder_itemseq": ("beta",),
    "user_defined": (),
}
_NEEDED = {"mask_itemseq": ("mask_ratio",), "crop_itemseq": ("eta",), "reorder_itemseq": ("beta",)}
_UNREAD = {
    "save_dataset": "data sets are read from their files in every run",
    "save_dataloaders": "loaders are made from cache_dir's files in every run",
    "checkpoint_dir": "a run writes into run_dir",
}
_UNPICKLED = {
    "dataset_save_path": "data sets are read from their files, and never unpickled",
    "dataloaders_save_path": "loaders are made in every run, and never unpickled",
}
_OF_WHOLE_DATA = ("val_interval", "user_inter_num_interval", "item_inter_num_interval", "rm_dup_inter")
_LARGEST_SEED = 2**32 - 1
PAIRS_AT_ONCE = 4096
"""RecBole's own start value of `eval_batch_size`: pairs that are scored one by one, or rows of a sequential model."""
CELLS_AT_ONCE = 500_000
"""The one for a ranking of all items: 2 MB of scores."""


def check_stock_values(values: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Check the values in force of RecBole's common keys.

    Args:
        values: the whole configuration.
        given: what the user set; only these keys are checked one by one.

    Raises:
        UserError: names key, value and what is expected.
    """
    refuse_pickles(given)
    for key, why in _UNREAD.items():
        if given.get(key) not in (None, False, "", "saved", "saved/"):
            logger.warning("%s=%r is not read here: %s.", key, given[key], why)
    if given.get("log_wandb") and find_spec("wandb") is None:
        raise UserError("log_wandb=true needs the package wandb, which is not installed. Install it, or leave it out.")
    for key in _NUMBERS:
        if key in given and not (is_number(given[key]) and given[key] >= 0):
            raise UserError(f"{key}={given[key]!r}: expected a number from 0.")
    seed = values["seed"]
    if not (is_whole(seed) and 0 <= seed <= _LARGEST_SEED):
        raise UserError(f"seed={seed!r}: expected a whole number from 0 to {_LARGEST_SEED}.")
    if str(values["learner"]).lower() == "sparse_adam":
        raise UserError("learner=sparse_adam takes sparse gradients, and RecBole's models have dense ones. Use adam.")
    if str(values["learner"]).lower() not in _LEARNERS:
        raise UserError(f"learner={values['learner']!r}: expected one of {', '.join(_LEARNERS)}.")
    if "full" in values["eval_args"]["mode"].values():
        _check_valid_metric(values)


def refuse_pickles(given: Mapping[str, Any]) -> None:
    """Raise UserError for keys of RecBole that name files of Python objects: nothing here reads them."""
    for key, why in _UNPICKLED.items():
        if given.get(key) not in (None, ""):
            raise UserError(f"{key}={given[key]!r} is not read here: {why}. Leave it out.")


def tell_unread_of_parts(given: Mapping[str, Any], starts: Mapping[str, Any]) -> None:
    """Warn of keys that filter or split the data, where train, valid and test are files of their own.

    Args:
        given: what the user set.
        starts: RecBole's start values; a resolved configuration, given back, holds these too.
    """
    unread = [key for key in _OF_WHOLE_DATA if given.get(key) not in (None, "[0,inf)", starts.get(key))]
    split = (given.get("eval_args") or {}).get("split")
    if split not in (None, starts["eval_args"]["split"]):
        unread.append("eval_args.split")
    if unread:
        logger.warning(
            "%s: not read here. Train, valid and test are files of their own, which are neither filtered nor split.",
            ", ".join(unread),
        )


def all_by_value(metrics: str | Sequence[str]) -> bool:
    """Whether all metrics are those of values (AUC, LogLoss, ...), which have no k."""
    names = [metrics] if isinstance(metrics, str) else list(metrics)
    return bool(names) and all(str(name).lower() in _BY_VALUE for name in names)


def also_read(values: Mapping[str, Any]) -> frozenset[str]:
    """Keys without a start value that RecBole reads under the configuration in force."""
    read = {"encoding", *_TRANSFORMS.get(str(values.get("transform")), ())}
    metrics = values.get("metrics") or []
    if "tailpercentage" in {str(name).lower() for name in ([metrics] if isinstance(metrics, str) else metrics)}:
        read.add("tail_ratio")
    return frozenset(read)


def check_transform(config: Any) -> None:
    """Raise UserError for a transform that RecBole does not have, or that lacks its own keys."""
    name = config["transform"]
    if name is None:
        return
    if name not in _TRANSFORMS:
        raise UserError(f"transform={name!r}: expected one of {', '.join(_TRANSFORMS)}.")
    if config["MODEL_TYPE"] != ModelType.SEQUENTIAL:
        raise UserError(f"transform={name} changes sequences, and {config['model']} reads none. Leave it out.")
    for key in _NEEDED.get(name, ()):
        if not (is_number(config[key]) and 0 <= config[key] <= 1):
            raise UserError(f"transform={name} needs {key}, a number from 0 to 1; found {config[key]!r}.")


def fitting_eval_batch_size(values: Mapping[str, Any]) -> int:
    """The `eval_batch_size` where the user sets none.

    Where all items are ranked it counts cells, users x items, and RecBole's own is one user a batch on most catalogues:
    `CELLS_AT_ONCE`, or more where the data set's YAML says so. In three cases it is RecBole's own: where items are
    sampled or interactions are rated, as it counts pairs there; for sequential models, of which it counts the rows of
    a ranking; and for knowledge-aware ones, as some hold several vectors a cell (KGCN).

    Args:
        values: with `eval_args.mode` as RecBole completes it, a mode for valid and for test.
    """
    full = all(mode == "full" for mode in values["eval_args"]["mode"].values())
    if not full or values["MODEL_TYPE"] in {ModelType.SEQUENTIAL, ModelType.KNOWLEDGE}:
        return PAIRS_AT_ONCE
    return max(int(values["eval_batch_size"]), CELLS_AT_ONCE)


def fitting_valid_metric(values: Mapping[str, Any]) -> str:
    """Our valid_metric, or one that the user's `topk` and `metrics` compute where they rule ours out.

    RecBole's own MRR@10 comes first, so that a stock configuration stops as it did; then NDCG, or the first metric, at
    the largest k.
    """
    chosen, metrics = str(values["valid_metric"]), values["metrics"]
    metrics = [metrics] if isinstance(metrics, str) else metrics
    if not isinstance(metrics, (list, tuple)) or not all(isinstance(metric, str) for metric in metrics):
        return chosen  # refused later
    topk = [values["topk"]] if is_whole(values["topk"]) else values["topk"]
    if "@" in chosen and metrics and all_by_value(metrics):
        return str(metrics[0])
    if "@" not in chosen or not metrics or not topk or not all(is_whole(k) for k in topk):
        return chosen
    computed = {f"{metric}@{k}".lower() for metric in metrics for k in topk}
    if chosen.lower() in computed:
        return chosen
    if "mrr@10" in computed:
        return "MRR@10"
    named = next((metric for metric in metrics if metric.lower() == "ndcg"), metrics[0])
    return f"{named}@{max(topk)}"


def refuse_pairs_without_negatives(config: Any) -> None:
    """Raise UserError for a pairwise model whose training needs negatives that nobody draws."""
    if (
        config["MODEL_INPUT_TYPE"] == InputType.PAIRWISE
        and config["MODEL_TYPE"] != ModelType.TRADITIONAL
        and get_dataloader(config, "train") is not UserDataLoader
    ):
        raise UserError(
            f"{config['model']} compares positives with negatives, and train_neg_sample_args=None draws none. Leave "
            "the key out, or choose a model that is trained on labels or on all items."
        )


def _check_valid_metric(values: Mapping[str, Any]) -> None:
    topk = values["topk"]
    chosen = str(values["valid_metric"]).lower()
    computed = {str(metric).lower() for metric in values["metrics"]}
    ranked = {f"{metric}@{k}" for metric in computed for k in topk}
    if chosen not in ranked | (computed - _BY_RANK):
        raise UserError(
            f"valid_metric={values['valid_metric']}: it is not computed. Expected one of {', '.join(sorted(ranked))} "
            "(metrics and topk decide)."
        )
