"""What our keys are, read without torch: from the table of settings, from judges, and else from our YAML files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from recbole_dtlns.config.declared import declared_keys, sampler_names
from recbole_dtlns.config.settings import table_lines
from recbole_dtlns.files.shipped import PROPERTIES

_OF_RECBOLE = ("topk", "valid_metric")  # in overall.yaml with a start value of ours
_LINE = re.compile(r"^(?P<key>\w+): *(?P<value>.*?) *# \(\w+\) (?P<meaning>.*)$")


def key_lines() -> list[tuple[str, Any, str]]:
    """Name, start value and meaning of each of our keys: of all runs, of judges, of candidate sources, of samplers."""
    lines = table_lines()
    judges = declared_keys("judges", "other judges").items()
    lines += [(name, key.default, key.meaning) for name, key in judges]
    ours = {key for key, _, _ in lines}
    lines += [line for line in _yaml_lines("overall") if line[0] not in ours and line[0] not in _OF_RECBOLE]
    for name in sampler_names():
        own = [line for line in _yaml_lines(f"sampler/{name}") if line[0] not in ours]
        lines += [(key, value, f"{name}: {about}") for key, value, about in own]
    return lines


def keys_text() -> str:
    """What `--help_keys` prints: a line for each key."""
    return "\n".join(f"{key:<22} {start!s:<12} {meaning.rstrip('.')}." for key, start, meaning in key_lines())


def _yaml_lines(name: str) -> Iterator[tuple[str, Any, str]]:
    for line in (PROPERTIES / f"{name}.yaml").read_text(encoding="utf-8").splitlines():
        match = _LINE.match(line)
        if match is not None and match["key"] != "search":
            yield match["key"], yaml.safe_load(match["value"]), match["meaning"]
