"""Reading one value of a key, from raw text or from YAML; a ValueError says what was expected."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from recbole_dtlns.errors import UserError
from recbole_dtlns.files.yaml_text import parse_yaml

Parser = Callable[[Any], Any]


class Key(NamedTuple):
    """A configuration key: its start value, how it is read, and what it means in one line."""

    default: Any
    parse: Parser
    meaning: str


LARGEST = 2**31 - 1
_NOTHING = {"", "none", "null", "~"}


def text(value: Any) -> str:
    """Text as it is."""
    if isinstance(value, (dict, list, bool)):
        raise ValueError("text")
    return str(value)


def flag(value: Any) -> bool:
    """true or false."""
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in {"true", "yes", "1"}:
        return True
    if text in {"false", "no", "0"}:
        return False
    raise ValueError("true or false")


def percent(value: Any) -> str:
    """A share such as 5%, from 0% to 100%, as text without blanks."""
    text = "".join(str(value).split())
    if not re.fullmatch(r"\d{1,3}(\.\d{1,6})?%", text, re.ASCII) or float(text[:-1]) > 100:
        raise ValueError("a share from 0% to 100%, such as 5%")
    return text


def whole(low: int, high: int = LARGEST) -> Parser:
    """A whole number from `low` to `high`."""

    def parse(value: Any) -> int:
        expected = f"a whole number from {low} to {high}" if high < LARGEST else f"a whole number from {low}"
        if isinstance(value, bool):
            raise ValueError(expected)
        try:
            parsed = int(str(value))
        except ValueError:
            raise ValueError(expected) from None
        if parsed > high:
            raise ValueError(f"a whole number from {low} to {high}")
        if parsed < low:
            raise ValueError(expected)
        return parsed

    return parse


def number(low: float, high: float = float("inf")) -> Parser:
    """A finite number from `low` to `high`."""

    def parse(value: Any) -> float:
        expected = f"a number from {low:g}" + (f" to {high:g}" if high < float("inf") else "")
        if isinstance(value, bool):
            raise ValueError(expected)
        try:
            parsed = float(value)
        except (TypeError, ValueError, OverflowError):
            raise ValueError(expected) from None
        if not (low <= parsed <= high and math.isfinite(parsed)):
            raise ValueError(expected)
        return parsed

    return parse


def one_of(*choices: str) -> Parser:
    """One of some words."""

    def parse(value: Any) -> str:
        if str(value) not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return str(value)

    return parse


def mapping_or_path(value: Any) -> Mapping[str, Any] | str:
    """A mapping (in YAML, or as `{a: 1}` on the command line), or the path of a YAML file."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = parse_yaml(value, "the value")
        except UserError:
            raise ValueError("a mapping such as {epochs: 50}, or the path of a YAML file") from None
    return dict(value) if isinstance(value, Mapping) else text(value)


def unless_empty(parse: Parser) -> Parser:
    """`parse`, or None for an empty value, for keys to which `none` is a value like any other."""
    return lambda value: None if value is None or value == "" else parse(value)


def or_none(parse: Parser) -> Parser:
    """`parse`, or None for an empty value and for `none`, `null`, `~`."""
    return lambda value: None if value is None or str(value).strip().lower() in _NOTHING else parse(value)


def shard(value: Any) -> str:
    """`2/4`: the second of four parts."""
    match = re.fullmatch(r"(\d{1,4})/(\d{1,4})", str(value).strip(), re.ASCII)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise ValueError("i/n, the part and the number of parts, such as 1/4")
    return f"{int(match[1])}/{int(match[2])}"
