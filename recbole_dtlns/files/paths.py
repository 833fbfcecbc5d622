"""Paths as users write them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from recbole_dtlns.errors import UserError


def user_path(name: str) -> Path:
    """The path with `~` replaced by the home folder; `Path.expanduser` raises where `~name` is no user."""
    return Path(os.path.expanduser(name))


def refuse_blanks(key: str, given: str, names: Sequence[str]) -> None:
    """Raise UserError for a list of files that is one file with a blank in its path; `names` is how it is read."""
    if len(names) > 1 and user_path(given.strip()).is_file() and not all(user_path(name).is_file() for name in names):
        raise UserError(
            f'{key}="{given}": blanks separate files, so this names {len(names)} of them: {", ".join(names)}. Rename '
            "the file or its folder, or copy it to a path without blanks."
        )
