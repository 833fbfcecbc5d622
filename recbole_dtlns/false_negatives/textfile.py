"""Text files of tokens read in blocks with line numbers; result files written whole with their `.json`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recbole_dtlns.errors import UserError
from recbole_dtlns.files.cache import write_atomically
from recbole_dtlns.files.origin import sidecar
from recbole_dtlns.files.text_lines import BLOCK_BYTES, read_blocks, reads_as_number

_WHITESPACE = b" \t\n\x0b\x0c"
_TABS = b"\t\n"


@dataclass(frozen=True)
class Lines:
    """A run of non-empty lines, split into fields.

    Attributes:
        kind: the key that named the file, for messages.
        path: the file.
        numbers: line numbers in the file from 1, int64 [L].
        starts: where each line's fields start in `fields`, int64 [L].
        counts: fields of each line, int64 [L], at least 1.
        fields: bytes objects, object array [T].
    """

    kind: str
    path: Path
    numbers: np.ndarray
    starts: np.ndarray
    counts: np.ndarray
    fields: np.ndarray

    def column(self, number: int) -> np.ndarray:
        """One field of every line, object array [L] of bytes; every line must have it."""
        return self.fields[self.starts + number]

    def error(self, row: int, expected: str) -> UserError:
        """The error for one of these lines: where it is, what it holds and what it should hold."""
        start = self.starts[row]
        text = b" ".join(self.fields[start : start + self.counts[row]]).decode()
        text = text if len(text) <= 80 else text[:77] + "..."
        return UserError(f"{self.kind}: {self.path}, line {self.numbers[row]}: found {text!r}; expected {expected}.")

    def without_first(self) -> Lines:
        """All lines but the first, such as a header."""
        return Lines(self.kind, self.path, self.numbers[1:], self.starts[1:], self.counts[1:], self.fields)


def read_lines(kind: str, path: Path, tabs: bool, block_bytes: int = BLOCK_BYTES) -> Iterator[Lines]:
    """Yield the non-empty lines of a UTF-8 file in blocks; the first block may be the only one, none may be there.

    Args:
        kind: the key that named the file, for messages.
        path: the file.
        tabs: fields are separated by tabs alone, so that tokens may hold spaces; otherwise by any white space. Several
            separators in a row count as one.
        block_bytes: bytes read at a time.

    Raises:
        UserError: the file cannot be read or is not UTF-8.
    """
    for first_line, piece in read_blocks(path, block_bytes):
        _check_utf8(kind, path, piece, first_line)
        lines = _split(kind, path, piece, first_line, _TABS if tabs else _WHITESPACE)
        if len(lines.numbers):
            yield lines


def floats(lines: Lines, column: int, expected: str) -> np.ndarray:
    """One column as float64 [L] (`nan` and `inf` are numbers here).

    Raises:
        UserError: a field is no number, with its line.
    """
    fields = lines.column(column)
    try:
        return fields.astype(np.float64)
    except ValueError:
        row = next(row for row, field in enumerate(fields) if not reads_as_number(field))
        raise lines.error(row, expected) from None


def write_described(path: Path, content: bytes, about: Mapping[str, Any]) -> None:
    """Write a result and its `.json`, which says what it was made from; a crash never leaves one beside another's."""
    sidecar(path).unlink(missing_ok=True)
    write_atomically(path, content)
    write_atomically(sidecar(path), json.dumps(dict(about), indent=1, default=str).encode())


def _check_utf8(kind: str, path: Path, piece: bytes, first_line: int) -> None:
    try:
        piece.decode("utf-8")
    except UnicodeDecodeError as error:
        line = first_line + piece[: error.start].count(b"\n")
        wrong = piece[error.start : error.start + 8]
        raise UserError(f"{kind}: {path}, line {line}: found the bytes {wrong!r}; expected UTF-8 text.") from error


def _split(kind: str, path: Path, piece: bytes, first_line: int, separators: bytes) -> Lines:
    text = np.frombuffer(piece, dtype=np.uint8)
    blank = np.zeros(256, dtype=bool)
    blank[list(separators)] = True
    inside = ~blank[text]  # [bytes]
    starts = np.flatnonzero(inside & ~np.concatenate([[False], inside[:-1]]))  # [T] first byte of each field
    line_of = np.searchsorted(np.flatnonzero(text == ord("\n")), starts)  # [T]
    numbers, first, counts = np.unique(line_of, return_index=True, return_counts=True)
    fields = np.empty(len(starts), dtype=object)
    fields[:] = _fields(piece, separators)
    return Lines(kind, path, numbers.astype(np.int64) + first_line, first, counts, fields)


def _fields(piece: bytes, separators: bytes) -> list[bytes]:
    if separators == _WHITESPACE:
        return piece.split()
    parts = piece.translate(bytes.maketrans(separators, b"\n" * len(separators))).split(b"\n")
    return [part for part in parts if part]
