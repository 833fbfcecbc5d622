"""Flags of the command line as raw text."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from recbole_dtlns.config.nearest import nearest
from recbole_dtlns.config.permissions import PERMISSIONS
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.paths import refuse_blanks

T = TypeVar("T")
SWITCHES = ("dry_run", *PERMISSIONS)


def flags(arguments: Sequence[str], aliases: Mapping[str, str] | None = None) -> dict[str, str]:
    """`--key=value` and `--key value` flags as raw text; the value may hold `=`. A switch alone means true.

    Raises:
        UserError: a word that is no flag, a flag without a value, or the same flag twice.
    """
    given: dict[str, str] = {}
    words = list(arguments)
    while words:
        word = words.pop(0)
        word = (aliases or {}).get(word, word)
        if not word.startswith("--"):
            raise UserError(f"{word!r} is not a flag; flags look like --key=value.")
        key, equals, value = word[2:].partition("=")
        if not equals and key in SWITCHES:
            value = "true"
        elif not equals:
            if not words or words[0].startswith("--"):
                raise UserError(f"--{key} has no value; write --{key}=VALUE.")
            value = words.pop(0)
        if key in given and given[key] != value:
            raise UserError(f"--{key} is given twice, as {given[key]} and as {value}. Give it once.")
        given[key] = value
    return given


def refuse_unknown(command: str, given: Mapping[str, str], known: Collection[str]) -> None:
    """Raise UserError for flags that a subcommand does not take; it names those that it takes, and the nearest."""
    unknown = sorted(set(given) - set(known))
    if unknown:
        near = nearest(unknown[0], known) or "."
        found = ", ".join(f"--{key}" for key in unknown)
        raise UserError(f"{command} takes --{', --'.join(sorted(known))}; found {found}{near}")


def taken(given: dict[str, str], key: str, parse: Callable[[str], T], start: str) -> T:
    """Take one flag off the others, typed; `start` where it is not given.

    Raises:
        UserError: its value is not of its type.
    """
    value = given.pop(key, start)
    try:
        return parse(value)
    except ValueError as error:
        raise UserError(f"--{key}={value}: expected {error}.") from None


def config_files(flags: dict[str, str]) -> list[str]:
    """Take `config_files` out of the flags: file names separated by spaces.

    Raises:
        UserError: they are separated by commas or semicolons, or it is one file with a blank in its path.
    """
    given = flags.pop("config_files", "")
    names = given.split()
    refuse_blanks("--config_files", given, names)
    parts = [part for part in re.split(r"[,;\s]+", given.strip(" []()")) if part]
    if parts != names and not all(Path(name).is_file() for name in names):
        raise UserError(
            f'--config_files="{given}": files are separated by spaces. Write --config_files="{" ".join(parts)}".'
        )
    return names


def folder_argument(arguments: list[str], command: str) -> Path:
    """Take the run folder, the first word, off the arguments of a subcommand."""
    if not arguments or arguments[0].startswith("-"):
        raise UserError(f"{command} needs the folder of a run: {command} RUN_DIR [--key=value ...].")
    return Path(arguments.pop(0))
