"""A finished run loaded by a command, with what its flags allow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from recbole_dtlns.config.permissions import PERMISSIONS, is_allowed

if TYPE_CHECKING:
    from recbole_dtlns.evaluation.loading import LoadedRun

LOADING = ("plugins", *PERMISSIONS)
"""Flags that say what may be loaded with a run."""


def load_allowed(folder: Path, options: Mapping[str, str]) -> LoadedRun:
    """The run of a folder; plugins that it names are loaded only with `--plugins` or `--allow_plugins`.

    Raises:
        UserError: no finished run with a checkpoint, or something that is not allowed; see `load_run`.
    """
    from recbole_dtlns.evaluation.loading import load_run

    return load_run(
        folder,
        plugins=options.get("plugins"),
        allow_plugins=is_allowed("allow_plugins", options),
        trust_checkpoint=is_allowed("trust_checkpoint", options),
    )
