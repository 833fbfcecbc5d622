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
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.cache import write_atomically
from recbole_dtlns.files.text_lines import quote_line, read_blocks, reads_as_number

logger = logging.getLogger(__name__)

SEPARATORS = (",", "\t", ";", "|", " ")
_FIELDS = {"user": "user_id", "item": "item_id"}
_NUMBERS = {"rating", "timestamp", "label"}
_SPELLINGS = {
    "user": {"user", "user_id", "userid", "uid", "users"},
    "item": {"item", "item_id", "itemid", "iid", "items"},
    "rating": {"rating", "ratings", "stars", "score"},
    "timestamp": {"timestamp", "time", "ts", "unixtime"},
    "label": {"label"},
}

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
        separator: between the columns; None: the one that the first line has most of.
        header: whether the first line names the columns; None: by its content.

    Returns:
        The folder.

    Raises:
        UserError: no user or item column, a malformed line, a token or number that RecBole would misread.
    """
    _, start = next(read_blocks(source), (1, b""))
    refuse_bytes(source, start, 1, _ENCODING_CURE)
    first = start.partition(b"\n")[0].decode()
    if not first.strip():
        raise UserError(f"{source} is empty. Expected a line for each interaction.")
    chosen = separator or max(SEPARATORS, key=first.count)
    block = AtomicBlock(source, start, 1, chosen.encode())
    cells = [cell.decode().strip() for cell in block.unquoted(0)]
    named, with_header = _named(source, first, cells, columns, header)
    if header is None and not with_header and _names_numbers(block, cells):
        logger.warning("%s is taken for a header. If it is a row, give --header=false.", quote_line(source, 1, first))
        with_header = True
    kept = _columns(source, first, named, cells, chosen, with_header)
    folder = target / name
    _refuse_other_data(folder, name)
    rows = _rows(source, chosen, kept, skip=with_header)
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


def _named(
    source: Path, first: str, cells: list[str], columns: str | None, header: bool | None
) -> tuple[list[str], bool]:
    """Names of the columns, and whether the first line is a header."""
    spelled = [next((name for name, words in _SPELLINGS.items() if cell.lower() in words), cell) for cell in cells]
    spelled = [name or "-" for name in spelled]  # the index that pandas writes in front has no name
    if columns is None:
        if header is False or not {"user", "item"} <= set(spelled):
            raise UserError(
                f"{quote_line(source, 1, first)} does not name a user and an item column. Say what the columns are, in "
                "order, with --columns=user,item,rating,timestamp (`-` leaves one out)."
            )
        return spelled, True
    named = [name.strip() for name in columns.split(",")]
    if header is None:
        header_words = {"user", "item"} & set(spelled)
        numbers = (cell for name, cell in zip(named, cells, strict=False) if name in _NUMBERS)
        header = bool(header_words) or not all(map(reads_as_number, numbers))
    for word, name in zip(spelled, named, strict=False):
        if header and {word, name} == {"user", "item"}:
            raise UserError(
                f"{quote_line(source, 1, first)} names a column of {word}s that --columns={columns} calls {name}. "
                "Correct --columns, or leave it out."
            )
    return named, header


def _names_numbers(block: AtomicBlock, cells: list[str]) -> bool:
    """Whether no cell of the first line is a number, and a column below it holds numbers alone (100 rows are read)."""
    if any(map(reads_as_number, cells)):
        return False
    rows, columns = block.columns(len(cells), "as the first line has", "--separator")
    below = [[value.decode() for value in np.array(column, dtype=object)[rows > 0][:100]] for column in columns]
    return any(column and all(map(reads_as_number, column)) for column in below)


def _columns(
    source: Path, first: str, named: list[str], cells: list[str], separator: str, with_header: bool
) -> _Columns:
    """Check the names given against the columns there are."""
    width = len(cells)
    if len(named) != width:
        raise UserError(
            f"{quote_line(source, 1, first)} has {width} columns separated by {separator!r}, and --columns names "
            f"{len(named)}: {','.join(named)}. Name each (`-` leaves one out), or give --separator."
        )
    places = [place for place, name in enumerate(named) if name != "-"]
    fields = [_FIELDS.get(named[place], named[place]) for place in places]
    bad = [name for name in fields if not name or set(name) & set(":\t\"',[]{} ")]
    if not {"user_id", "item_id"} <= set(fields) or len(set(fields)) < len(fields) or bad:
        raise UserError(
            f"--columns={','.join(named)}: expected user and item once each, and names without blanks or punctuation, "
            "such as user,item,rating,timestamp."
        )
    heads = [cells[place].encode() for place in places] if with_header else None
    return _Columns(places, fields, heads, width)


def _rows(source: Path, separator: str, kept: _Columns, skip: bool) -> Iterator[str]:
    """Lines of the atomic file, those of a block at once."""
    for number, piece in read_blocks(source):
        refuse_bytes(source, piece, number, _ENCODING_CURE)
        if number == 1 and skip:
            number, piece = 2, piece.partition(b"\n")[2]
        if piece:
            yield from _block_rows(AtomicBlock(source, piece, number, separator.encode()), kept)


def _block_rows(block: AtomicBlock, kept: _Columns) -> Iterator[str]:
    rows, values = block.columns(kept.width, "as the first line has", "--separator")
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
    return "float" if name in _NUMBERS else "token"
