"""What kind of value each of RecBole's keys takes, those of its models by their start values."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from recbole_dtlns.errors import UserError

LARGEST = 2**31 - 1
_FLAGS = (
    *("use_gpu", "reproducibility", "show_progress", "save_dataset", "log_wandb", "shuffle", "require_pow"),
    *("enable_amp", "enable_scaler", "repeatable", "normalize_all", "kg_reverse_r", "filter_inter_by_user_or_item"),
)
_WHOLE: Mapping[str, tuple[int, int]] = {
    **dict.fromkeys(("train_batch_size", "eval_batch_size", "MAX_ITEM_LIST_LENGTH"), (1, LARGEST)),
    "eval_step": (-LARGEST, LARGEST),  # below 1: valid is never looked at
    **dict.fromkeys(("epochs", "stopping_step", "n_layers"), (0, LARGEST)),
    **dict.fromkeys(("loss_decimal_place", "metric_decimal_place"), (0, 15)),
    "embedding_size": (1, 2**16),
    "worker": (0, 256),
}
_FIELDS = ("USER_ID_FIELD", "ITEM_ID_FIELD", "RATING_FIELD", "TIME_FIELD", "LABEL_FIELD")
_TEXTS = (*_FIELDS, "NEG_PREFIX", "LIST_SUFFIX", "ITEM_LIST_LENGTH_FIELD", "POSITION_FIELD", "seq_separator")
_STATES = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_COUNTS = re.compile(r"(^|_)(size|sizes|dim|dims|num|heads|layers|k|hops?|factors|clusters|length|len|rank)($|_)")


def check_stock_kinds(values: Mapping[str, Any], given: Mapping[str, Any], starts: Mapping[str, Any]) -> None:
    """Check what the user gave for RecBole's keys.

    Args:
        values: the whole configuration, given values and start values.
        given: what the user set, without keys of ours.
        starts: RecBole's start values; a key of a model takes a value of the same kind.

    Raises:
        UserError: names key, value and what is expected.
    """
    for key, value in given.items():
        if value is None:
            _refuse_none(key, starts.get(key))
            continue
        _refuse_huge(key, value)
        check = _CHECKS.get(key)
        if check is not None:
            check(key, value)
        elif key in starts:
            _check_like(key, value, starts[key])
    _check_fields(values)


def _refuse_none(key: str, start: Any) -> None:
    """Nothing cannot stand for a number, for a list that is not empty, or for the metric that training stops by."""
    if key not in {"gpu_id", "loss_decimal_place"} and (
        key == "valid_metric" or _is_numeric(start) or (isinstance(start, list) and start)
    ):
        raise UserError(f"{key}=None: expected a value such as {start}. Leave the key out to have that one.")


def _check_fields(values: Mapping[str, Any]) -> None:
    """Two fields of one name would be one column, and without a prefix negatives would replace the positives."""
    names: dict[str, str] = {}
    for key in _FIELDS:
        if key == "RATING_FIELD":  # a rating may be the label
            continue
        name = values.get(key)
        if isinstance(name, str) and names.setdefault(name, key) != key:
            raise UserError(f"{names[name]} and {key} are both {name!r}. Give each field a name of its own.")


def _flag(key: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise UserError(f"{key}={value!r}: expected true or false.")


def _whole(key: str, value: Any) -> None:
    low, high = _WHOLE[key]
    if not (is_whole(value) and low <= value <= high):
        upper = f" to {high}" if high < LARGEST or (is_whole(value) and value > high) else ""
        raise UserError(f"{key}={_short(value)}: expected a whole number from {low}{upper}.")


def _text(key: str, value: Any) -> None:
    if not isinstance(value, str) or not value:
        raise UserError(f"{key}={value!r}: expected a text that is not empty.")


def _state(key: str, value: Any) -> None:
    if str(value).upper() not in _STATES:
        raise UserError(f"{key}={value!r}: expected one of {', '.join(_STATES)}.")


def _gpu(key: str, value: Any) -> None:
    if not re.fullmatch(r"(\d{1,4}(,\d{1,4})*)?", str(value).replace(" ", ""), re.ASCII):
        raise UserError(f"{key}={value!r}: expected the number of a GPU, such as 0, or several as in 0,1.")


def _clip(key: str, value: Any) -> None:
    example = "{max_norm: 5, norm_type: 2}"
    if not isinstance(value, Mapping) or "max_norm" not in value:
        raise UserError(f"{key}={value!r}: expected a mapping such as {example}.")
    for name, number in value.items():
        if name not in {"max_norm", "norm_type", "error_if_nonfinite", "foreach"}:
            raise UserError(f"Unknown key {key}.{name}. Expected a mapping such as {example}.")
        if name in {"max_norm", "norm_type"} and not (is_number(number) and number > 0):
            raise UserError(f"{key}.{name}={number!r}: expected a number above 0.")


def _topk(key: str, value: Any) -> None:
    listed = value if isinstance(value, list) else [value]  # RecBole takes no tuple
    if not listed or not all(is_whole(k) and 1 <= k <= LARGEST for k in listed):
        raise UserError(f"{key}={value!r}: expected one or more whole numbers from 1, such as [10, 20].")


def _duplicates(key: str, value: Any) -> None:
    if value not in ("first", "last"):
        raise UserError(f"{key}={value!r}: expected first or last.")


def _path(key: str, value: Any) -> None:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise UserError(f"{key}={value!r}: expected the path of a folder.")


def _list_of_names(key: str, value: Any) -> None:
    if not isinstance(value, (list, tuple)) or not all(isinstance(name, str) and name for name in value):
        raise UserError(f"{key}={value!r}: expected a list of names, such as ['a', 'b'].")


def _name(key: str, value: Any) -> None:
    """RecBole evaluates the value as Python."""
    if not isinstance(value, str) or not value.isidentifier():
        raise UserError(f"{key}={value!r}: expected the name of a class, such as CrossNet.")


def _parts(key: str, value: Any) -> None:
    _list_of_names(key, value)
    if len(value) != 3:
        raise UserError(f"{key}={value!r}: expected three names, of train, valid and test.")


_CHECKS: Mapping[str, Callable[[str, Any], None]] = {
    **dict.fromkeys(_FLAGS, _flag),
    **dict.fromkeys(_WHOLE, _whole),
    **dict.fromkeys(_TEXTS, _text),
    **dict.fromkeys(("numerical_features", "additional_feat_suffix", "normalize_field"), _list_of_names),
    "benchmark_filename": _parts,
    "teacher": _name,
    "state": _state,
    "gpu_id": _gpu,
    "clip_grad_norm": _clip,
    "topk": _topk,
    "rm_dup_inter": _duplicates,
    "data_path": _path,
}
"""Keys with a rule of their own; what is None here is checked elsewhere or takes anything."""
_OTHERWISE = frozenset({"eval_args", "train_neg_sample_args", "load_col", "metrics", "seed", "learner", "valid_metric"})


def _check_like(key: str, value: Any, start: Any) -> None:
    """Check a value against the start value of its key."""
    if key in _OTHERWISE or start is None:
        return
    if isinstance(start, bool):
        if key != "std":
            _flag(key, value)
    elif _is_numeric(start):
        number = float(value) if isinstance(value, str) and _spelled_number(value) else value
        counts = is_whole(start) and start >= 1 and _COUNTS.search(key)
        if counts and not (is_whole(number) and 0 <= number <= LARGEST):
            raise UserError(f"{key}={_short(value)}: expected a whole number from 0, such as {start}.")
        if not is_number(number):
            raise UserError(f"{key}={_short(value)}: expected a number, such as {start}.")
    elif isinstance(start, list):
        if not isinstance(value, (list, tuple)):
            raise UserError(f"{key}={_short(value)}: expected a list, such as {start}.")
        for entry in value if start and is_number(start[0]) else ():
            if not is_number(entry):
                raise UserError(f"{key}={_short(value)}: {entry!r} is no number; expected a list such as {start}.")
    elif isinstance(start, str) and not isinstance(value, str) and not is_number(value):
        raise UserError(f"{key}={_short(value)}: expected a word, such as {start!r}.")


def _refuse_huge(key: str, value: Any, depth: int = 0) -> None:
    """Whole numbers that no array or counter holds, wherever they stand."""
    if depth > 50:
        raise UserError(f"{key}: nested more than 50 levels deep, or holding itself.")
    inner: Iterable[Any] = ()
    if isinstance(value, Mapping):
        inner = value.values()
    elif isinstance(value, (list, tuple)):
        inner = value
    elif is_whole(value) and abs(value) >= 2**63:
        raise UserError(f"{key}={_short(value)}: this number is too large. Give one below 2**63.")
    for entry in inner:
        _refuse_huge(key, entry, depth + 1)


def _is_numeric(start: Any) -> bool:
    """Whether a start value is a number, or the text of one; DMF's `01` is a word."""
    return is_number(start) or (isinstance(start, str) and start != "01" and _spelled_number(start))


def _spelled_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _short(value: Any) -> str:
    if is_whole(value) and abs(value) >= 10**30:
        return "a number of more than 30 digits"
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number, and not true or false."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether a value is a finite number, and not true or false."""
    if is_whole(value):
        return bool(abs(value) < 10**300)
    return isinstance(value, float) and math.isfinite(value)
