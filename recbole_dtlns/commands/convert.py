"""Plain text files, or an ordinary CSV file, to RecBole's atomic files."""

from __future__ import annotations

from pathlib import Path

from recbole_dtlns.commands.arguments import flags, refuse_unknown
from recbole_dtlns.config.parsers import flag
from recbole_dtlns.errors import UserError

_FOLDER_KEYS = {"name", "text_layout", "seed"}
_FILE_KEYS = {"name", "columns", "separator", "header"}
_USAGE = """Usage:
convert SOURCE_FOLDER TARGET [--name=NAME] [--text_layout=pairs] [--seed=2020]
convert FILE.csv TARGET [--name=NAME] [--columns=user,item,rating,timestamp] [--separator=,] [--header=true]"""


def main(arguments: list[str]) -> int:
    """Run `convert SOURCE TARGET [--name=NAME] ...`: a folder of train.txt, valid.txt and test.txt, or a CSV file."""
    folders = []
    while arguments and not arguments[0].startswith("-"):
        folders.append(Path(arguments.pop(0)))
    options = flags(arguments)
    if folders and not folders[0].exists():
        raise UserError(f"There is no file or folder {folders[0]}. {_USAGE}")
    keys = _FILE_KEYS if folders and folders[0].is_file() else _FOLDER_KEYS
    refuse_unknown("convert of a file" if keys is _FILE_KEYS else "convert of a folder", options, keys)
    if len(folders) != 2:
        raise UserError(f"convert takes a source and a target; found {' '.join(map(str, folders)) or 'none'}. {_USAGE}")
    folder = (_from_file if keys is _FILE_KEYS else _from_folder)(folders[0], folders[1], options)
    names = ", ".join(sorted(path.name for path in folder.iterdir()))
    print(f"Wrote to {folder}: {names}. Use it with --data_path={folders[1]} --dataset={folder.name}.")
    return 0


def _from_folder(source: Path, target: Path, options: dict[str, str]) -> Path:
    from recbole_dtlns.data.convert import convert

    seed = options.get("seed", "2020")
    if not seed.isdigit():
        raise UserError(f"--seed={seed}: expected a whole number.")
    return convert(source, target, options.get("name"), options.get("text_layout", "auto"), int(seed))


def _from_file(source: Path, target: Path, options: dict[str, str]) -> Path:
    from recbole_dtlns.data.convert import folder_name
    from recbole_dtlns.data.csv_convert import convert_csv

    try:
        header = flag(options["header"]) if "header" in options else None
    except ValueError:
        raise UserError(f"--header={options['header']}: expected true or false.") from None
    separator = options.get("separator", "").replace("\\t", "\t") or None
    if separator is not None and len(separator) != 1:
        raise UserError(f"--separator={separator}: expected one character; write a tab as \\t.")
    name = folder_name(options.get("name", source.stem))
    return convert_csv(source, target, name, options.get("columns"), separator, header)
