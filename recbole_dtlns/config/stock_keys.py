"""RecBole's own keys that end in a traceback, or in silence, when their value is wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from recbole.data.dataloader import UserDataLoader
from recbole.data.utils import get_dataloader
from recbole.utils import InputType, ModelType

from recbole_dtlns.errors import UserError

_WHOLE_FROM = {
    **dict.fromkeys(("train_batch_size", "eval_batch_size", "embedding_size"), 1),
    **dict.fromkeys(("epochs", "stopping_step", "eval_step", "n_layers", "worker"), 0),
}
_NUMBERS = ("learning_rate", "weight_decay", "reg_weight")
_LEARNERS = ("adam", "adamw", "sgd", "adagrad", "rmsprop", "sparse_adam")
_LARGEST_SEED = 2**32 - 1


def check_stock_values(values: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Check the values in force of RecBole's common keys.

    Args:
        values: the whole configuration.
        given: what the user set; only these keys are checked one by one.

    Raises:
        UserError: names key, value and what is expected.
    """
    for key, low in _WHOLE_FROM.items():
        if key in given and not (_is_whole(given[key]) and given[key] >= low):
            raise UserError(f"{key}={given[key]!r}: expected a whole number from {low}.")
    for key in _NUMBERS:
        if key in given and not (_is_number(given[key]) and given[key] >= 0):
            raise UserError(f"{key}={given[key]!r}: expected a number from 0.")
    seed = values["seed"]
    if not (_is_whole(seed) and 0 <= seed <= _LARGEST_SEED):
        raise UserError(f"seed={seed!r}: expected a whole number from 0 to {_LARGEST_SEED}.")
    if str(values["learner"]).lower() not in _LEARNERS:
        raise UserError(f"learner={values['learner']!r}: expected one of {', '.join(_LEARNERS)}.")
    if "full" in values["eval_args"]["mode"].values():
        _check_valid_metric(values)


def fitting_valid_metric(values: Mapping[str, Any]) -> str:
    """Our valid_metric, or one that the user's `topk` and `metrics` compute where they rule ours out.

    RecBole's own MRR@10 comes first, so that a stock configuration stops as it did; then NDCG, or the first metric, at
    the largest k.
    """
    chosen = str(values["valid_metric"])
    metrics = [values["metrics"]] if isinstance(values["metrics"], str) else list(values["metrics"])
    topk = [values["topk"]] if _is_whole(values["topk"]) else values["topk"]
    if "@" not in chosen or not metrics or not topk or not all(_is_whole(k) for k in topk):
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
    if not topk or not all(_is_whole(k) for k in topk):
        raise UserError(f"topk={topk!r}: expected one or more whole numbers from 1.")
    found = str(values["valid_metric"]).lower()
    computed = {str(metric).lower() for metric in values["metrics"]}
    ranked = {f"{metric}@{k}" for metric in computed for k in topk}
    if found not in ranked | computed:
        raise UserError(
            f"valid_metric={values['valid_metric']}: it is not computed. Expected one of {', '.join(sorted(ranked))} "
            "(metrics and topk decide)."
        )


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
