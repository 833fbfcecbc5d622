"""What only the user may allow: a file that is read never allows itself, or another file, to run code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recbole_dtlns.config.parsers import flag
from recbole_dtlns.errors import UserError

PERMISSIONS = ("allow_plugins", "trust_checkpoint")
"""Keys that count on the command line and in Python's `config_dict` alone; no file that we write holds them."""


def is_allowed(key: str, *given: Mapping[str, Any] | None) -> bool:
    """Whether the user allows it, by flags or keys from Python, the first that has the key.

    Raises:
        UserError: the value is neither true nor false.
    """
    for keys in given:
        if keys and key in keys:
            try:
                return flag(keys[key])
            except ValueError as error:
                raise UserError(f"{key}={keys[key]!r}: expected {error}.") from None
    return False


def permissions_for(values: Mapping[str, Any]) -> list[str]:
    """Flags that a command needs which reads a file with these keys; a user who copies it allows their plugins."""
    return ["--allow_plugins=true"] if values.get("plugins") else []


def refuse_in_files(file_keys: Mapping[str, Any]) -> None:
    """Raise UserError where a configuration file would allow something."""
    for key in PERMISSIONS:
        if is_allowed(key, file_keys):
            raise UserError(
                f"{key} stands in a configuration file, and only you may allow it: leave it out there and give "
                f"--{key}=true on the command line (in Python: config_dict)."
            )
