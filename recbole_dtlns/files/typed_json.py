"""Whether a value that was read from JSON is of a type: TypedDict, dict, list, int, float, str, bool, None, unions."""

from __future__ import annotations

import json
import types
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints, is_typeddict

_WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false", list: "a list"}
_LONGEST = 40  # characters of a value in a message


def completed(value: Any, kind: Any, place: str, problems: list[str]) -> Any:
    """The value, with None for each missing key of a TypedDict whose type allows None.

    Keys that a TypedDict does not name are kept. Whole numbers are numbers too; true and false are not.

    Args:
        value: as `json` reads it.
        kind: the type, which may be annotated.
        place: name of the value for messages, `data.users`; empty for the whole.
        problems: gets a line for each value that is of another type.
    """
    options = options_of(kind)
    for option in options:
        if _matches(value, option):
            return _completed_parts(value, option, place, problems)
    shown = json.dumps(value, ensure_ascii=False)
    shown = shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 3]}..."
    problems.append(f"{place or 'the content'} is {shown}, expected {' or '.join(map(_word, options))}")
    return value


@cache
def fields_of(kind: type) -> dict[str, Any]:
    """The fields of a TypedDict with their annotated types."""
    return get_type_hints(kind, include_extras=True)


def options_of(kind: Any) -> tuple[Any, ...]:
    """The members of a union, without annotations; any other type alone."""
    kind = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)


def _base(option: Any) -> Any:
    return dict if is_typeddict(option) else get_origin(option) or option


def _matches(value: Any, option: Any) -> bool:
    base = _base(option)
    if base is Any:
        return True
    if isinstance(value, bool):
        return base is bool
    return isinstance(value, (int, float) if base is float else base)


def _completed_parts(value: Any, option: Any, place: str, problems: list[str]) -> Any:
    base, parts = _base(option), get_args(option)
    if is_typeddict(option):
        return _completed_fields(value, option, place, problems)
    if base is dict and parts:
        return {key: completed(inner, parts[1], _join(place, str(key)), problems) for key, inner in value.items()}
    if base is list and parts:
        return [completed(inner, parts[0], f"{place}[{at}]", problems) for at, inner in enumerate(value)]
    return value


def _completed_fields(value: dict[str, Any], kind: type, place: str, problems: list[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, inner in fields_of(kind).items():
        if name in value:
            fields[name] = completed(value[name], inner, _join(place, name), problems)
        elif type(None) in options_of(inner):
            fields[name] = None
        else:
            problems.append(f"{_join(place, name)} is missing, expected {' or '.join(map(_word, options_of(inner)))}")
    return fields | {name: inner for name, inner in value.items() if name not in fields}


def _join(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _word(option: Any) -> str:
    base = _base(option)
    return "null" if base is type(None) else "an object" if base is dict else _WORDS.get(base, str(base))
