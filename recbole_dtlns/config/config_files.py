"""Keys as files and flags hold them: which file is meant, what is in it, and what a raw text spells."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recbole_dtlns.config.nearest import near_names
from recbole_dtlns.config.settings import our_keys
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.shipped import PROPERTIES
from recbole_dtlns.files.yaml_text import parse_yaml, read_yaml_file


def typed(key: str, value: Any) -> Any:
    """Raw text of RecBole's keys as the literal it spells; ours stay text and are typed by their table."""
    return value if not isinstance(value, str) or key in our_keys() else literal(value)


def literal(value: Any) -> Any:
    """What a raw text spells: a Python literal, `true` or `false`, a mapping as YAML writes it, or else itself.

    Other values stay as they are.
    """
    if not isinstance(value, str):
        return value
    if value.lower() in {"true", "false"}:
        return value.lower() == "true"
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return _mapping_in_yaml(value)


def _mapping_in_yaml(text: str) -> Any:
    """`{inter: [user_id, item_id]}`, as files and messages have it, or the text itself."""
    if not text.lstrip().startswith("{"):
        return text
    try:
        return parse_yaml(text, "a flag")
    except UserError:
        return text


def names_of_files(files: Any) -> list[str] | None:
    """A list of configuration files as Python gives it, with paths as text.

    Raises:
        UserError: it is one name, which would be read letter by letter.
    """
    if files is None:
        return None
    if isinstance(files, (str, Path)):
        raise UserError(f"config_file_list={str(files)!r}: expected a list of files, such as [{str(files)!r}].")
    return [str(name) for name in files]


def python_keys(keys: Any) -> dict[str, Any] | None:
    """Keys as Python gives them, with the values that a YAML file would hold: numpy's numbers become Python's.

    Raises:
        UserError: it is no mapping with text keys.
    """
    if keys is None:
        return None
    if not isinstance(keys, Mapping) or not all(isinstance(key, str) for key in keys):
        raise UserError(f"config_dict={keys!r}: expected a mapping of keys to values, such as {{'epochs': 5}}.")
    return {key: _yaml_value(value) for key, value in keys.items()}


def _yaml_value(value: Any) -> Any:
    return [_plain(entry) for entry in value] if type(value) in {list, tuple} else _plain(value)


def _plain(value: Any) -> Any:
    if type(value).__module__ == "numpy":  # numbers and arrays; HyperOpt draws such
        return value.tolist()
    return str(value) if isinstance(value, Path) else value


def raw_value(key: str, *sources: Any) -> Any:
    """The first value of a key in command line, dict and files (a list of names), before anything is checked."""
    for source in sources:
        if isinstance(source, Mapping):
            if key in source:
                return source[key]
            continue
        for name in reversed(list(source or [])):
            keys = read_yaml(find_config_file(name))
            if key in keys:
                return keys[key]
    return None


def find_config_file(name: str) -> Path:
    """The file itself, or the one of that name in the shipped `properties/`.

    Raises:
        UserError: neither exists; the message names the nearest shipped ones.
    """
    for path in (Path(name), PROPERTIES / name):
        if path.is_file():
            return path
    shipped = sorted(path.relative_to(PROPERTIES).as_posix() for path in PROPERTIES.rglob("*.yaml"))
    same_name = [path for path in shipped if Path(path).stem == Path(name).stem]
    near = same_name or near_names(name, shipped)
    listed = ", ".join(near or [path for path in shipped if path.startswith("preset/")])
    raise UserError(
        f"There is no configuration file {name!r}, neither here nor among the shipped ones; nearest: {listed}. "
        f"Those lie in {PROPERTIES}."
    )


def read_yaml(path: Path) -> dict[str, Any]:
    """Keys of a YAML file; an empty file has none.

    Raises:
        UserError: the file is not YAML, or not a mapping.
    """
    content = read_yaml_file(path)
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UserError(f"{path} should hold `key: value` lines, but holds a {type(content).__name__}.")
    return content
