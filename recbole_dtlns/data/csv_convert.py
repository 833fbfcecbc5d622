"""An ordinary CSV file, with or without header, to RecBole's atomic file."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recbole_dtlns.data.atomic_block import AtomicBlock, refuse_bytes
from recbole_dtlns.data.atomic_columns import check_ids, check_numbers
from recbole_dtlns.data.csv_first_line import NUMBERS, FirstLine, guess_separator, names_of_columns, width_reason
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.cache import write_atomically
from recbole_dtlns.files.text_lines import read_blocks
from recbole_dtlns.wording import counted

logger = logging.getLogger(__name__)

_FIELDS = {"user": "user_id", "item": "item_id"}
_ENCODING_CURE = "Save the file as UTF-8."
_NUMBER_CURE = (
    ". Correct the line, write times as seconds since 1970, or leave the column out (`-` in its place in --columns)."
)
_YAML = """\
# How RecBole reads this file. Its folder is called {name}; DATA is the folder above it:
#   python run_recbole.py --model=BPR --dataset={name} --data_path=DATA --config_files=DATA/{name}/{name}.yaml
field_separator: "\\t"                           # (str) Separator of different columns in atomic files.
USER_ID_FIELD: user_id                          # (str) Field name of user ID feature.
ITEM_ID_FIELD: item_id                          # (str) Field name of item ID feature.
load_col:                                       # (dict) The suffix of atomic files: (list) field names to be loaded.
    inter: [{fields}]
"""


@dataclass(frozen=True)
class _Columns:
    """What is kept of a file: places of its columns, the names of their fields, and their cells in a header."""

    places: list[int]
    fields: list[str]
    heads: list[bytes] | None
    width: int
    separator: str

    @property
    def header(self) -> str:
        """The header line of the atomic file, `name:type` fields with tabs between."""
        return "\t".join(f"{name}:{_type(name)}" for name in self.fields)


def convert_csv(
    source: Path, target: Path, name: str, columns: str | None, separator: str | None, header: bool | None
) -> Path:
    """Write `target/name/name.inter` and `name.yaml` from a file with a row for each interaction. O(bytes).

    Args:
        source: the file, UTF-8; fields may stand in quotation marks.
        target: the folder to give as `data_path` afterwards.
        name: the data set's name.
        columns: what the columns are, in order: `user,item,rating,timestamp`; `-` leaves one out. None: by the header.
        separator: between the columns; None: by the first lines, see `guess_separator`.
        header: whether the first line names the columns; None: by its content, see `names_of_columns`.

    Returns:
        The folder.

    Raises:
        UserError: no user or item column, nothing that tells whether line 1 is a header, a malformed line, a token or
            number that RecBole would misread.
    """
    _, start = next(read_blocks(source), (1, b""))
    refuse_bytes(source, start, 1, _ENCODING_CURE)
    line = start.partition(b"\n")[0].decode()
    if not line.strip():
        raise UserError(f"{source} is empty. Expected a line for each interaction.")
    chosen = separator or guess_separator(start, columns)
    block = AtomicBlock(source, start, 1, chosen.encode())
    first = FirstLine(source, line, chosen, [cell.decode().strip() for cell in block.unquoted(0)])
    named, with_header, guessed = names_of_columns(first, block, columns, header)
    if guessed:
        logger.warning("%s is taken for a header. If it is a row, give --header=false.", first.quote())
    kept = _columns(first, named, columns, with_header)
    folder = target / name
    _refuse_other_data(folder, name)
    rows = _rows(source, kept, skip=with_header)
    first_rows = next(rows, None)
    if first_rows is None:
        raise UserError(f"{source} has a header and no rows. Expected a line for each interaction.")
    lines = itertools.chain([kept.header + "\n", first_rows], rows)
    write_atomically(folder / f"{name}.inter", (line.encode() for line in lines))
    write_atomically(folder / f"{name}.yaml", _YAML.format(name=name, fields=", ".join(kept.fields)).encode())
    return folder


def _refuse_other_data(folder: Path, name: str) -> None:
    """Raise UserError where a folder holds data of this name that `convert` has not written from a CSV file."""
    whole = folder / f"{name}.inter"
    other = whole if whole.exists() and not (folder / f"{name}.yaml").exists() else folder / f"{name}.train.inter"
    if other.exists():
        raise UserError(
            f"{other} is there already, and convert has not written it from a CSV file. Choose another target or "
            "--name, or move the file."
        )


def _columns(first: FirstLine, named: list[str], given: str | None, with_header: bool) -> _Columns:
    """Check the names of the columns, `given` by the user or by the header, against the columns there are."""
    width = len(first.cells)
    if len(named) != width:
        raise UserError(
            f"{first.quote()} has {counted(width, 'column')} separated by {first.separator!r}, and --columns names "
            f"{len(named)}: {','.join(named)}. Name each (`-` leaves one out), or give --separator."
        )
    places = [place for place, name in enumerate(named) if name != "-"]
    fields = [_FIELDS.get(named[place], named[place]) for place in places]
    bad = [name for name in fields if not name or set(name) & set(":\t\"',[]{} ")]
    if given is None and (bad or len(set(fields)) < len(fields)):
        raise _unusable_header(first, named, bad)
    if not {"user_id", "item_id"} <= set(fields) or len(set(fields)) < len(fields) or bad:
        raise UserError(
            f"--columns={given}: expected user and item once each, and names without blanks or punctuation, "
            "such as user,item,rating,timestamp."
        )
    heads = [first.cells[place].encode() for place in places] if with_header else None
    return _Columns(places, fields, heads, width, first.separator)


def _unusable_header(first: FirstLine, named: list[str], bad: list[str]) -> UserError:
    """The error for a header that names a column twice, or with a name that no field can have."""
    once = [name if name not in {*bad, *named[:place]} else "-" for place, name in enumerate(named)]
    twice = next((name for name in named if name != "-" and named.count(name) > 1), None)
    if twice is None:
        found = f"names the column {bad[0]!r}, and a field has no blanks or punctuation in its name"
    else:
        cells = [cell for cell, name in zip(first.cells, named, strict=True) if name == twice]
        found = f"names {len(cells)} columns that would be {twice}: {', '.join(cells)}"
    return UserError(
        f"{first.quote()} {found}. Say what the columns are, in order, with --columns (`-` leaves one out), such as "
        f"--columns={','.join(once)}"
    )


def _rows(source: Path, kept: _Columns, skip: bool) -> Iterator[str]:
    """Lines of the atomic file, those of a block at once."""
    for number, piece in read_blocks(source):
        refuse_bytes(source, piece, number, _ENCODING_CURE)
        if number == 1 and skip:
            number, piece = 2, piece.partition(b"\n")[2]
        if piece:
            yield from _block_rows(AtomicBlock(source, piece, number, kept.separator.encode()), kept)


def _block_rows(block: AtomicBlock, kept: _Columns) -> Iterator[str]:
    rows, values = block.columns(kept.width, width_reason(kept.separator), "--separator")
    columns = [[value.strip() for value in values[place]] for place in kept.places]
    quote, lines = _Quote(block, rows), np.array(list(map(b"\t".join, zip(*columns, strict=True))), dtype=object)
    again = np.flatnonzero(lines == b"\t".join(kept.heads)) if kept.heads is not None else np.zeros(0, dtype=np.int64)
    if len(again):
        raise UserError(f"{quote(int(again[0]))} is the header once more; expected a row. Delete the line.")
    for name, column in zip(kept.fields, columns, strict=True):
        if name in {"user_id", "item_id"}:
            check_ids(column, quote, name, None, empty=False)
        elif _type(name) == "float":
            check_numbers(column, quote, name, _NUMBER_CURE)
        bad = next((place for place, value in enumerate(column) if b"\t" in value or value[:1] == b'"'), None)
        if bad is not None:
            raise UserError(
                f"{quote(bad)} has {column[bad].decode()!r}, in which RecBole would read a tab or a quotation mark as "
                "its own. Rename it."
            )
    if len(lines):
        yield b"\n".join(lines[np.argsort(rows, kind="stable")]).decode() + "\n"


@dataclass(frozen=True)
class _Quote:
    block: AtomicBlock
    rows: np.ndarray

    def __call__(self, place: int) -> str:
        return self.block.quote(int(self.rows[place]))


def _type(name: str) -> str:
    return "float" if name in NUMBERS else "token"
