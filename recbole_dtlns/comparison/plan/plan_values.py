"""Reading one entry of a plan, from raw text (`a,b`) or from YAML."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from recbole_dtlns.config.parsers import Parser, whole
from recbole_dtlns.errors import UserError

LARGEST_SEED = 2**32 - 1
_MOST_SEEDS = 1000


def words(name: str, value: Any) -> list[str]:
    """One name or several: a YAML list, or `a,b`; repeated ones count once.

    Raises:
        UserError: it is empty, or holds something else than names.
    """
    names = _split(value)
    if names in ([], [""], None):
        raise UserError(f"{name} is empty; expected one or more names, such as {name}=a,b.")
    if not isinstance(names, list) or not all(isinstance(word, str) and word.strip() for word in names):
        raise UserError(f"{name}={value!r}: expected one or more names, such as a,b.")
    return list(dict.fromkeys(word.strip() for word in names))


def _split(value: Any) -> Any:
    return re.split(r"\s*,\s*", value.strip().strip(",")) if isinstance(value, str) else value


def is_list(value: Any) -> bool:
    """Whether an entry lists its values: in YAML, or with a comma."""
    return isinstance(value, list) or (isinstance(value, str) and "," in value)


def numbers(name: str, value: Any, parse: Parser) -> list[Any]:
    """One number or several: a YAML list, or `1,2`.

    Raises:
        UserError: it is empty, a value is not of its type, or one stands there twice.
    """
    entries = _split(value)
    entries = entries if isinstance(entries, list) else [entries]
    if entries in ([], [""], [None]):
        raise UserError(f"{name} is empty; expected one or more numbers, such as {name}=1,2.")
    values = [one_value(name, each, parse) for each in entries]
    if len(values) != len(set(values)):
        raise UserError(f"{name}={value!r}: the same number stands there twice.")
    return values


def one_value(name: str, value: Any, parse: Callable[[Any], Any]) -> Any:
    """One value.

    Raises:
        UserError: it is not of its type.
    """
    try:
        return parse(value)
    except ValueError as error:
        raise UserError(f"{name}={value!r}: expected {error}.") from None


def seeds(value: Any, first: Any) -> tuple[int, ...]:
    """The seeds of `seeds: 5` (`first`, or 2020, and the four after it) or of a list, which is taken as given.

    Raises:
        UserError: no list of seeds, or a list and a first seed too.
    """
    if is_list(value):
        if first is not None:
            raise UserError(f"seeds={value!r} is a list, so seed={first!r} means nothing. Give one of them.")
        return tuple(numbers("seeds", value, whole(0, LARGEST_SEED)))
    count = one_value("seeds", value, whole(1))
    if count > _MOST_SEEDS:
        raise UserError(
            f"seeds={count} means {count} runs of everything. For the one seed {count} write seeds={count}, (with a "
            f"comma), or seed={count}."
        )
    start = one_value("seed", 2020 if first is None else first, whole(0, LARGEST_SEED + 1 - count))
    return tuple(range(start, start + count))


def mapping(name: str, value: Any) -> dict[str, Any]:
    """A YAML mapping with text keys; nothing is an empty one.

    Raises:
        UserError: it is something else.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise UserError(f"{name}: expected `key: value` lines, found {value!r}.")
    return dict(value)
