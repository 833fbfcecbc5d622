"""Reading YAML as plain values: text keys, no objects, no aliases without end, no key twice."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from recbole_dtlns.errors import UserError

_MOST_VALUES, _DEEPEST, _LONGEST = 200_000, 50, 16 * 2**20
_FLOAT = re.compile(
    r"^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+|[-+]?\.[0-9_]+(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)
_WHOLE = re.compile(r"^[-+]?(?:0[0-7]?|[1-9][0-9_]*|0x[0-9a-fA-F_]+|0b[01_]+)$")
_PLAIN = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "seq", "map")}


class _Loader(yaml.SafeLoader):
    """Safe YAML that reads 1e-5 as a number, as RecBole does, and dates as text.

    So are 010 and 12:30, which YAML 1.1 takes for 8 (base 8) and 750 (base 60), and nobody who writes them does.
    """


_REPLACED = (":int", ":float", ":timestamp", ":merge", ":value")
_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in resolvers if not tag.endswith(_REPLACED)]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", _WHOLE, list("-+0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))


def read_yaml_file(path: Path, what: str = "") -> Any:
    """The content of a YAML file; None for an empty one.

    Args:
        path: the file.
        what: the key that named it, for messages.

    Raises:
        UserError: the file cannot be read, or is not plain YAML.
    """
    name = f"{what}: {path}" if what else str(path)
    try:
        if path.stat().st_size > _LONGEST:
            raise UserError(f"{name} has more than {_LONGEST >> 20} MiB; expected a short file of `key: value` lines.")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{name} is not valid YAML: {error}. Save it as UTF-8.") from error
    except OSError as error:
        raise UserError(f"{name} cannot be read ({error.strerror}). Give a YAML file.") from error
    return parse_yaml(text, name)


def parse_yaml(text: str, name: str) -> Any:
    """Text as plain values: mappings with text keys, lists, text, numbers, true, false and null.

    Raises:
        UserError: it is no YAML, holds anything else, or a key twice with two values.
    """
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _check(node, name)
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        raise UserError(f"{name} is not valid YAML: {' '.join(str(error).split())}") from error
    except RecursionError:
        raise UserError(f"{name} is nested too deeply; at most {_DEEPEST} levels are read.") from None
    except (ValueError, LookupError, AttributeError, TypeError, OverflowError) as error:  # `!!int x`, `!!bool x`
        raise UserError(f"{name} holds a value that cannot be read ({error}). Correct it.") from error
    finally:
        if loader is not None:
            loader.dispose()


def _check(root: yaml.Node, name: str) -> None:
    """Walk the nodes as often as they are meant, so that aliases of aliases are found before they are built."""
    count = 0
    pending: list[tuple[yaml.Node, int]] = [(root, 1)]
    while pending:
        node, depth = pending.pop()
        count += 1
        if depth > _DEEPEST:
            raise UserError(f"{_at(name, node)}: nested more than {_DEEPEST} levels deep, or an alias of itself.")
        if count > _MOST_VALUES:
            raise UserError(f"{name} holds more than {_MOST_VALUES} values, aliases counted. Give fewer.")
        if node.tag not in _PLAIN:
            tag = node.tag.removeprefix("tag:yaml.org,2002:")
            raise UserError(f"{_at(name, node)}: found a value of type {tag}; expected text, numbers, lists, mappings.")
        if isinstance(node, yaml.MappingNode):
            _check_keys(node, name)
            pending += [(value, depth + 1) for _, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            pending += [(value, depth + 1) for value in node.value]


def _check_keys(node: yaml.MappingNode, name: str) -> None:
    seen: dict[str, yaml.Node] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
            shown = key.value if isinstance(key, yaml.ScalarNode) else "a list or a mapping"
            raise UserError(f"{_at(name, key)}: found the key {shown}; expected text. Put it in quotes.")
        if key.value in seen:
            first = seen[key.value].start_mark.line + 1
            raise UserError(f"{_at(name, key)}: {key.value} is given twice, first in line {first}. Give it once.")
        seen[key.value] = key


def _at(name: str, node: yaml.Node) -> str:
    return f"{name}, line {node.start_mark.line + 1}"
