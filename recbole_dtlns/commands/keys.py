"""What our keys are, read without torch: the table of settings, and the YAML file of each sampler."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from recbole_dtlns.config.settings import table_lines
from recbole_dtlns.files.shipped import PROPERTIES

_LINE = re.compile(r"^(?P<key>\w+): *(?P<value>.*?) *# \(\w+\) (?P<meaning>.*)$")


def key_lines() -> list[tuple[str, Any, str]]:
    """Name, start value and meaning of each of our keys, those of the samplers last."""
    lines = table_lines()
    known = {key for key, _, _ in lines}
    return lines + [line for line in _sampler_lines() if line[0] not in known]


def keys_text() -> str:
    """What `--help_keys` prints: a line for each key."""
    return "\n".join(f"{key:<22} {start!s:<12} {meaning.rstrip('.')}." for key, start, meaning in key_lines())


def sampler_names() -> list[str]:
    """Names of our samplers."""
    return sorted(path.stem for path in (PROPERTIES / "sampler").glob("*.yaml"))


def _sampler_lines() -> Iterator[tuple[str, Any, str]]:
    for name in sampler_names():
        for line in (PROPERTIES / "sampler" / f"{name}.yaml").read_text(encoding="utf-8").splitlines():
            match = _LINE.match(line)
            if match is not None and match["key"] != "search":
                yield match["key"], yaml.safe_load(match["value"]), f"{name}: {match['meaning']}"
