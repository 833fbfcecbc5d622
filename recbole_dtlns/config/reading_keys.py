"""How RecBole must read the files that lie somewhere."""

from __future__ import annotations

import copy
from pathlib import Path
from types import MappingProxyType
from typing import Any

from recbole_dtlns.config.locate import PARTS, DataLocation

HEADER = "user_id:token\titem_id:token"

# RecBole's keys for files written here, over whatever the YAML of a data set of the same name says.
ATOMIC_KEYS = MappingProxyType(
    {
        "field_separator": "\t",
        "USER_ID_FIELD": "user_id",
        "ITEM_ID_FIELD": "item_id",
        "load_col": {"inter": ["user_id", "item_id"]},
        "unused_col": None,
        "benchmark_filename": list(PARTS),
    }
)


def reading_keys(location: DataLocation) -> dict[str, Any]:
    """RecBole's keys that a location calls for: weaker than what the user sets, stronger than a data set's YAML.

    Text, and atomic files as written here, have columns of our own; other pre-split files only say that they are.
    """
    if not location.presplit:
        return {}
    if location.kind == "text" or _has_our_header(location.folder / f"{location.name}.train.inter"):
        return copy.deepcopy(dict(ATOMIC_KEYS))
    return {"benchmark_filename": list(PARTS)}


def _has_our_header(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.readline().strip() == HEADER.encode()
