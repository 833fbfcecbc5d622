"""Paths as users write them."""

from __future__ import annotations

import os
from pathlib import Path


def user_path(name: str) -> Path:
    """The path with `~` replaced by the home folder; `Path.expanduser` raises where `~name` is no user."""
    return Path(os.path.expanduser(name))
