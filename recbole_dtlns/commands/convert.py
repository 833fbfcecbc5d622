"""Plain text files to RecBole's atomic files."""

from __future__ import annotations

from pathlib import Path

from recbole_dtlns.arguments import flags
from recbole_dtlns.errors import UserError

_KNOWN = {"name", "text_layout", "seed"}


def main(arguments: list[str]) -> int:
    """Run `convert SOURCE_FOLDER TARGET [--name=NAME] [--text_layout=auto] [--seed=2020]`."""
    from recbole_dtlns.data.convert import convert

    folders = []
    while arguments and not arguments[0].startswith("-"):
        folders.append(Path(arguments.pop(0)))
    options = flags(arguments)
    if len(folders) != 2 or set(options) - _KNOWN:
        raise UserError("Usage: convert SOURCE_FOLDER TARGET [--name=NAME] [--text_layout=pairs] [--seed=2020]")
    seed = options.get("seed", "2020")
    if not seed.isdigit():
        raise UserError(f"--seed={seed}: expected a whole number.")
    folder = convert(folders[0], folders[1], options.get("name"), options.get("text_layout", "auto"), int(seed))
    print(f"Wrote {folder}; use it with --data_path={folders[1]} --dataset={folder.name}")
    return 0
