"""What the first lines of a CSV file tell: the separator, what the columns are, and whether line 1 names them."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recbole_dtlns.data.atomic_block import AtomicBlock
from recbole_dtlns.data.atomic_columns import MISSING
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.text_lines import quote_line, reads_as_number

NUMBERS = frozenset({"rating", "timestamp", "label"})
_STRONG = (",", "\t", ";", "|")  # a blank is part of many names
_LOOKED_AT = 100  # lines
_SPELLINGS = {
    "user": {"user", "user_id", "userid", "uid", "users"},
    "item": {"item", "item_id", "itemid", "iid", "items"},
    "rating": {"rating", "ratings", "stars", "score"},
    "timestamp": {"timestamp", "time", "ts", "unixtime"},
    "label": {"label"},
}
_ATOMIC = re.compile(r"(.+):(token|float)(_seq)?")
_NAME_OF_IDS = re.compile(r"\w+[_ -][iI][dD]|\w*[a-z]I[dD]")  # customer_id, movieId; not David
_ASKED = "Say what the columns are, in order, with --columns=user,item,rating,timestamp (`-` leaves one out)."


@dataclass(frozen=True)
class FirstLine:
    """The first line of a file, cut into cells.

    Attributes:
        path: the file.
        text: the line.
        separator: between its columns.
        cells: without quotation marks and blanks around them.
    """

    path: Path
    text: str
    separator: str
    cells: list[str]

    def quote(self) -> str:
        """File, number and content of the line, for a message."""
        return quote_line(self.path, 1, self.text)

    @property
    def spelled(self) -> list[str]:
        """What a header with these cells calls the columns: our names where a word is known, `-` for no word."""
        return [_spelled(cell) for cell in self.cells]

    @property
    def is_atomic_header(self) -> bool:
        """Whether a cell is `name:type`, as in a header of RecBole's own files."""
        return any(_ATOMIC.fullmatch(cell) for cell in self.cells)


def guess_separator(start: bytes, columns: str | None) -> str:
    """The character between the columns, by the first lines of a file.

    It gives most lines as many fields as the first one. A blank is it where nothing else does so; or where it alone
    gives as many fields as there are columns, and more than the others give, or the names of a user and an item.

    Args:
        start: whole lines; the first 100 are looked at.
        columns: names given for the columns; None: the first line must name a user and an item.
    """
    lines = [line for line in start.decode().split("\n", _LOOKED_AT)[:_LOOKED_AT] if line.strip()]
    widths = {mark: _width(lines, mark) for mark in (*_STRONG, " ")}
    best = max(_STRONG, key=lambda mark: (widths[mark], lines[0].count(mark)))
    if widths[best] == 1 and (widths[" "] > 1 or best not in lines[0]):
        return " " if " " in lines[0] else best
    if columns is None:
        return " " if _names_both(lines[0], " ") and not _names_both(lines[0], best) else best
    count = columns.count(",") + 1
    return " " if widths[" "] == count and count > widths[best] else best


def names_of_columns(
    first: FirstLine, block: AtomicBlock, columns: str | None, header: bool | None
) -> tuple[list[str], bool, bool]:
    """Names of the columns; whether the first line is a header; whether that is a guess.

    Raises:
        UserError: no user or item is named, the header and `columns` contradict each other, or nothing tells whether
            the first line is a header.
    """
    if columns is None:
        if first.is_atomic_header and header is not False:
            raise UserError(
                f"{first.quote()} is the header of an atomic file, which needs no conversion: RecBole reads "
                "DATA/NAME/NAME.inter as it is. To make another one of it, name its columns with "
                "--columns=user,item,rating,timestamp (`-` leaves one out)."
            )
        if header is False or not {"user", "item"} <= set(first.spelled):
            raise UserError(
                f"{first.quote()} does not name a user and an item column (read with {first.separator!r} between "
                f"columns). {_ASKED}"
            )
        return first.spelled, True, False
    named, guessed = [name.strip() for name in columns.split(",")], False
    if header is None:
        header = _is_header(first, named, block)
    if header is None:
        header, guessed = True, True
    for word, name in zip(first.spelled, named, strict=False):
        if header and {word, name} == {"user", "item"}:
            raise UserError(
                f"{first.quote()} names a column of {word}s that --columns={columns} calls {name}. "
                "Correct --columns, or leave it out."
            )
    return named, header, guessed


def _is_header(first: FirstLine, named: Sequence[str], block: AtomicBlock) -> bool | None:
    """Whether the first line is a header; None: it seems to be one.

    A line with a number is a row, as is one with a user or an item that a later line has in the same column. A line
    with words above numbers, or with names such as `customer_id`, seems to be a header.

    Raises:
        UserError: nothing tells.
    """
    if {"user", "item"} & set(first.spelled) or first.is_atomic_header:
        return True
    if any(reads_as_number(cell) and cell not in MISSING for cell in first.cells):
        return False
    if len(named) != len(first.cells):
        return False  # refused for that
    rows, columns = block.columns(len(first.cells), width_reason(first.separator), "--separator")
    ids = [place for place, name in enumerate(named) if name in {"user", "item", "user_id", "item_id"}]
    if _comes_again(columns, rows, ids, first.cells):
        return False
    below = [np.array(column, dtype=object)[rows > 0][:_LOOKED_AT].tolist() for column in columns]
    if any(map(_are_numbers, below)) or any(map(_is_name_of_ids, first.cells)):
        return None
    if any(name in NUMBERS and cell not in MISSING for name, cell in zip(named, first.cells, strict=True)):
        return True  # what stands below is no number, and refused for that
    raise UserError(
        f"{first.quote()} may name the columns, or be a row: nothing in the file tells. Expected --header=true if it "
        "names them, --header=false if it is a row; repeat the command with one of these."
    )


def _are_numbers(column: Sequence[bytes]) -> bool:
    """Whether a column holds numbers, and beside them missing values at most."""
    present = [value for value in (cell.decode().strip() for cell in column) if value not in MISSING]
    return bool(present) and all(map(reads_as_number, present))


def _comes_again(columns: Sequence[list[bytes]], rows: np.ndarray, ids: Sequence[int], cells: Sequence[str]) -> bool:
    """Whether a user or an item of the first line (`ids` are their places) comes again, in a line that is another."""
    first = [cell.encode() for cell in cells]
    lines = (
        [value.strip() for value in values] for row, *values in zip(rows.tolist(), *columns, strict=True) if row > 0
    )
    return any(line != first and any(line[place] == first[place] != b"" for place in ids) for line in lines)


def width_reason(separator: str) -> str:
    """Why a line must have so many fields, for a message."""
    return f"as the first line has, with {separator!r} between columns"


def _spelled(cell: str) -> str:
    """Our name for a word of a header; the word where we have none, `-` for the index that pandas writes in front."""
    atomic = _ATOMIC.fullmatch(cell)
    word = (atomic[1] if atomic else cell).lower()
    return next((name for name, words in _SPELLINGS.items() if word in words), cell) or "-"


def _is_name_of_ids(cell: str) -> bool:
    return _NAME_OF_IDS.fullmatch(cell) is not None


def _cells(line: str, mark: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=mark), [])
    except csv.Error:  # a cell of 128 KiB
        return line.split(mark)


def _names_both(line: str, mark: str) -> bool:
    return {"user", "item"} <= {_spelled(cell.strip()) for cell in _cells(line, mark)}


def _width(lines: Sequence[str], mark: str) -> int:
    """Fields of the first line where most lines have as many; else 1."""
    widths = np.array([len(_cells(line, mark)) for line in lines])
    return int(widths[0]) if np.mean(widths == widths[0]) > 0.5 else 1
