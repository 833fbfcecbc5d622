"""RecBole's keys that hold mappings, checked as top-level keys are: names, words and numbers inside them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from recbole_dtlns.config.nearest import nearest
from recbole_dtlns.config.stock_kinds import is_number, is_whole
from recbole_dtlns.errors import UserError

_EVAL_ARGS = ("split", "order", "group_by", "mode")
_LEAVE_OUT = ("valid_and_test", "valid_only", "test_only")
_NEGATIVES = ("distribution", "sample_num", "alpha", "dynamic", "candidate_num")
_ENDINGS = ("inter", "user", "item", "kg", "link", "net", "ent")
_COUNT_INTERVALS = (
    *("user_inter_num_interval", "item_inter_num_interval"),
    *("entity_kg_num_interval", "relation_kg_num_interval"),
)
_INTERVAL = re.compile(r"\s*[\[(]([^,\[\]()]+),([^,\[\]()]+)[\])]\s*")


def check_nested_keys(given: Mapping[str, Any], presplit: bool) -> None:
    """Check what the user gave.

    Args:
        given: keys of the command line, the dict and the files, those of RecBole among them.
        presplit: train, valid and test are files of their own, so that nothing is split.

    Raises:
        UserError: names the key, the value inside it and what is expected.
    """
    for key, check in _CHECKS.items():
        if given.get(key) is not None:
            check(key, given[key])
    if "eval_args" in given:
        _check_eval_args(given["eval_args"], presplit)
    if given.get("train_neg_sample_args") not in (None, "None"):
        _check_negatives(given["train_neg_sample_args"])
    endings = {*_ENDINGS, *(given.get("additional_feat_suffix") or ())}
    for key in ("load_col", "unload_col", "unused_col"):
        if given.get(key) is not None:
            _refuse_unknown(key, given[key], sorted(endings))
    for key in _COUNT_INTERVALS:
        if given.get(key) is not None:
            _check_interval(key, given[key])


def _check_eval_args(value: Any, presplit: bool) -> None:
    arguments = _mapping("eval_args", value, "{split: {RS: [0.8, 0.1, 0.1]}, order: RO, group_by: user, mode: full}")
    _refuse_unknown("eval_args", arguments, _EVAL_ARGS)
    if not presplit or arguments.get("split") is not None:
        _check_split(arguments.get("split", {"RS": [8, 1, 1]}))
    _require_word("eval_args.order", arguments.get("order", "RO"), ("RO", "TO"))
    group_by = arguments.get("group_by")
    if group_by is not None and str(group_by).lower() != "none":
        _require_word("eval_args.group_by", group_by, ("user", "none"))
    mode = arguments.get("mode", "full")
    if isinstance(mode, Mapping):
        _refuse_unknown("eval_args.mode", mode, ("valid", "test"))
    for name, word in mode.items() if isinstance(mode, Mapping) else [("", mode)]:
        if not re.fullmatch(r"full|labeled|(uni|pop)[1-9]\d{0,8}", str(word), re.ASCII):
            raise UserError(
                f"eval_args.mode{'.' * bool(name)}{name}={word!r}: expected full, labeled, uniN or popN (such as "
                "uni100)."
            )


def _check_split(value: Any) -> None:
    split = _mapping("eval_args.split", value, "{RS: [0.8, 0.1, 0.1]} or {LS: valid_and_test}")
    _refuse_unknown("eval_args.split", split, ("RS", "LS"))
    if len(split) != 1:
        raise UserError(f"eval_args.split={split!r}: expected one of RS (ratios) and LS (leave the last ones out).")
    if "LS" in split:
        _require_word("eval_args.split.LS", split["LS"], _LEAVE_OUT)
        return
    ratios = split["RS"]
    if not (isinstance(ratios, list) and len(ratios) == 3 and all(is_number(ratio) for ratio in ratios)) or not (
        ratios[0] > 0 and min(ratios) >= 0
    ):
        raise UserError(
            f"eval_args.split.RS={ratios!r}: expected three ratios from 0, of train, valid and test, such as "
            "[0.8, 0.1, 0.1]."
        )


def _check_negatives(value: Any) -> None:
    example = "{distribution: uniform, sample_num: 1}"
    arguments = _mapping("train_neg_sample_args", value, f"{example}, or None")
    _refuse_unknown("train_neg_sample_args", arguments, _NEGATIVES)
    distribution = arguments.get("distribution", "uniform")
    if distribution in (None, "None", "none"):
        return
    _require_word("train_neg_sample_args.distribution", distribution, ("uniform", "popularity", "none"))
    for name, low in (("sample_num", 1), ("candidate_num", 0)):
        if name in arguments and not (is_whole(arguments[name]) and arguments[name] >= low):
            raise UserError(f"train_neg_sample_args.{name}={arguments[name]!r}: expected a whole number from {low}.")
    if not (is_number(arguments.get("alpha", 1.0)) and arguments.get("alpha", 1.0) >= 0):
        raise UserError(f"train_neg_sample_args.alpha={arguments['alpha']!r}: expected a number from 0.")
    dynamic = arguments.get("dynamic", False)
    if not isinstance(dynamic, bool):
        raise UserError(f"train_neg_sample_args.dynamic={dynamic!r}: expected true or false.")
    if dynamic and not arguments.get("candidate_num"):
        raise UserError("train_neg_sample_args.dynamic=true chooses among candidates: set candidate_num from 1 too.")


def _check_columns(key: str, value: Any) -> None:
    for ending, names in _mapping(key, value, "{inter: [user_id, item_id]}").items():
        listed = names == "*" or (isinstance(names, list) and all(isinstance(name, str) and name for name in names))
        if not listed:
            raise UserError(f"{key}.{ending}={names!r}: expected a list of names of fields, or '*' for all.")
        if key == "load_col" and ending == "inter" and not names:
            raise UserError("load_col.inter=[]: expected the fields of users and items at least.")
    if key == "load_col" and "inter" not in value:
        raise UserError(f"load_col={value!r} names no fields of interactions; expected inter: [user_id, item_id, ...].")


def _check_values(key: str, value: Any) -> None:
    for field, interval in _mapping(key, value, "{rating: '[4,inf)'}").items():
        if not (isinstance(interval, list) and interval):  # tokens to keep, or the two ends of a closed interval
            _check_interval(f"{key}.{field}", interval)


def _check_interval(key: str, value: Any) -> None:
    """Raise UserError unless RecBole reads intervals in a value: it leaves out what it cannot read."""
    for part in str(value).split(";"):
        ends = _INTERVAL.fullmatch(part)
        numbers = [_number(end) for end in ends.groups()] if ends else [None]
        low, high = numbers[0], numbers[-1]
        if low is None or high is None or math.isnan(low + high) or low > high:
            raise UserError(
                f"{key}={value!r}: {part.strip()!r} is no interval. Expected such as '[5,inf)' or '(0,1];[3,4)', with "
                "the lower end first."
            )


def _check_threshold(key: str, value: Any) -> None:
    threshold = _mapping(key, value, "{rating: 4}")
    if len(threshold) != 1 or not all(is_number(value) for value in threshold.values()):
        raise UserError(f"threshold={threshold!r}: expected one field and a number, such as {{rating: 4}}.")


def _check_lengths(key: str, value: Any) -> None:
    for field, length in _mapping(key, value, "{title: 20}").items():
        if not (is_whole(length) and length >= 1):
            raise UserError(f"{key}.{field}={length!r}: expected a whole number from 1.")


def _check_metrics(key: str, value: Any) -> None:
    from recbole.evaluator.register import metric_types

    if value == []:
        raise UserError("metrics=[]: expected one or more metrics, such as [Recall, NDCG].")
    for name in [value] if isinstance(value, str) else value if isinstance(value, list) else [None]:
        if not isinstance(name, str) or name.lower() not in metric_types:
            raise UserError(
                f"metrics={value!r}: RecBole has no metric {name!r}{nearest(str(name).lower(), metric_types) or '.'} "
                f"Expected one name or a list such as ['Recall', 'NDCG']. Known: {', '.join(sorted(metric_types))}."
            )


_CHECKS: Mapping[str, Callable[[str, Any], None]] = {
    **dict.fromkeys(("load_col", "unload_col", "unused_col"), _check_columns),
    "val_interval": _check_values,
    "threshold": _check_threshold,
    "seq_len": _check_lengths,
    "metrics": _check_metrics,
}


def _mapping(key: str, value: Any, example: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UserError(f"{key}={value!r}: expected a mapping such as {example}.")
    return value


def _refuse_unknown(key: str, value: Mapping[str, Any], names: Collection[str]) -> None:
    for name in value:
        if name not in names:
            raise UserError(
                f"Unknown key {key}.{name}{nearest(str(name), names) or '.'} Expected {', '.join(names)} inside {key}."
            )


def _require_word(key: str, value: Any, words: Collection[str]) -> None:
    if value not in words:
        raise UserError(f"{key}={value!r}: expected one of {', '.join(words)}.")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
