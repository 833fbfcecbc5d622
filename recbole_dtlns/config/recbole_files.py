"""Where RecBole lies. Its files say much of what it can do without being imported, which takes seconds."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from recbole_dtlns.errors import UserError


def recbole_folder() -> Path:
    """The folder of the package `recbole`, with `properties/` and `model/` in it.

    Raises:
        UserError: RecBole is not installed.
    """
    spec = importlib.util.find_spec("recbole")
    if spec is None or not spec.submodule_search_locations:
        raise UserError("RecBole is not installed where Python looks for it.")
    return Path(spec.submodule_search_locations[0])
