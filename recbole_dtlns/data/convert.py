"""Plain text to RecBole's atomic files, for us and for stock RecBole."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from recbole_dtlns.config.locate import PARTS
from recbole_dtlns.config.reading_keys import HEADER
from recbole_dtlns.data.atomic_columns import MISSING
from recbole_dtlns.data.split_files import SplitPairs, read_split
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.cache import write_atomically

logger = logging.getLogger(__name__)

_YAML = """\
# How stock RecBole reads these files. Their folder is called {name}; DATA is the folder above it:
#   python run_recbole.py --model=BPR --dataset={name} --data_path=DATA --config_files=DATA/{name}/{name}.yaml
field_separator: "\\t"                           # (str) Separator of different columns in atomic files.
USER_ID_FIELD: user_id                          # (str) Field name of user ID feature.
ITEM_ID_FIELD: item_id                          # (str) Field name of item ID feature.
load_col:                                       # (dict) The suffix of atomic files: (list) field names to be loaded.
    inter: [user_id, item_id]
unused_col: ~                                   # (dict) Fields which are loaded but not used.
benchmark_filename: [train, valid, test]        # (list) List of pre-split user-item interaction suffix.
"""


def convert(source: Path, target: Path, name: str | None, layout: str, seed: int) -> Path:
    """Convert the text files of the folder `source` to atomic files in `target/name` and return that folder.

    Args:
        source: folder of `train.txt`, `test.txt` and, as a rule, `valid.txt`.
        target: the folder to give as `data_path` afterwards.
        name: the data set's name; None = the name of the source folder.
        layout: `auto`, `pairs` or `lists`.
        seed: of the tenth that becomes valid where there is no `valid.txt`.

    Raises:
        UserError: what `read_split` and `write_atomic` raise, or a name that is no folder name.
    """
    name = folder_name(source.resolve().name if name is None else name)
    folder = target / name
    write_atomic(read_split(source, layout, seed), folder, name)
    say_written(folder, name)
    return folder


def say_written(folder: Path, name: str) -> None:
    """Log where the files of `write_atomic` are, once they are there to stay."""
    logger.info("Wrote %s.{train,valid,test}.inter and %s.yaml into %s.", name, name, folder)


def folder_name(name: str) -> str:
    """The name of a data set; raises UserError if no folder can be called so."""
    if name in {"", ".", ".."} or "/" in name or "\\" in name:
        raise UserError(f"The name {name!r} is no folder name. Expected a name such as `yelp`, given with --name=NAME.")
    return name


def write_atomic(split: SplitPairs, folder: Path, name: str) -> None:
    """Write `name.train.inter`, `name.valid.inter`, `name.test.inter` and `name.yaml` into a folder, whole or not.

    Stock RecBole finds them where the folder is called `name`.

    Raises:
        UserError: a token that RecBole's reader would change, or a `name.inter` in the folder, which hides the split.
    """
    _refuse_unreadable(split)
    whole = folder / f"{name}.inter"
    if whole.exists():
        raise UserError(
            f"{whole} exists and would be read in place of the split. Expected a folder without it: choose another "
            "target or name, or move the file."
        )
    (folder / f"{name}.train.inter").unlink(missing_ok=True)  # no old train beside a new test, should we stop half-way
    for part in reversed(PARTS):
        users, items = split.parts[part]
        rows = map("\t".join, zip(users.tolist(), items.tolist(), strict=True))
        content = "\n".join([HEADER, *rows, ""])
        write_atomically(folder / f"{name}.{part}.inter", content.encode())
    write_atomically(folder / f"{name}.yaml", _YAML.format(name=name).encode())


def _refuse_unreadable(split: SplitPairs) -> None:
    """Raise UserError if pandas would read a token as missing or as the start of a quoted text."""
    columns = [column for pairs in split.parts.values() for column in pairs]
    tokens = np.unique(np.concatenate(columns))
    bad = tokens[np.isin(tokens, sorted(MISSING)) | np.char.startswith(tokens, '"')].tolist()
    if bad:
        raise UserError(
            f"{len(bad)} tokens would be read by RecBole as missing or quoted, for example {bad[:3]}. Expected other "
            "tokens: rename them in the text files, for example with a letter in front of every token."
        )
