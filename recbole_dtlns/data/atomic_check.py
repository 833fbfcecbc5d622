"""An atomic file checked line by line before RecBole reads it.

RecBole reads with pandas, which takes a row with one field too many for "the first column is an index", fills up short
rows, and lets a lone quotation mark swallow every line up to the next one, all without a word.
"""

from __future__ import annotations

import codecs
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from recbole_dtlns.data.atomic_block import AtomicBlock, refuse_bytes
from recbole_dtlns.data.atomic_columns import (
    Quote,
    any_long_whole_number,
    check_ids,
    check_numbers,
    check_sequences,
    count_below,
)
from recbole_dtlns.data.atomic_header import AtomicFormat, AtomicHeader
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.text_lines import read_blocks

logger = logging.getLogger(__name__)
_BLOCK_BYTES = 1 << 22


@dataclass(frozen=True)
class Wanted:
    """What a file is read for.

    Attributes:
        loaded: names of the fields that RecBole loads; None = all.
        ids: fields of users and items, whose tokens must not be missing.
        once: the field whose tokens should stand in one row each, in a file of users, items or links.
        empty_ids: rows with nothing as a token are left to RecBole, which drops them and says so.
        bounds: fields, loaded or not, and the value from which on a row of theirs is a positive one.
    """

    loaded: Collection[str] | None = None
    ids: Collection[str] = ()
    once: str | None = None
    empty_ids: bool = False
    bounds: Mapping[str, float] = field(default_factory=dict)

    def loads(self, name: str) -> bool:
        """Whether RecBole loads a field."""
        return self.loaded is None or name in self.loaded


@dataclass
class AtomicContents:
    """What a file holds.

    Attributes:
        header: its fields.
        rows: number of lines with content, the header not counted.
        plain: whether both parsers of pandas read the file alike. No line is blank or begins with a blank or a
            separator, no field with a quotation mark. No loaded float is a whole number of 16 characters or more. It is
            UTF-8 with a separator of one character, several fields, and no CR without an LF.
        tokens: tokens of `Wanted.once` so far.
        repeated: rows whose token of `Wanted.once` stands in an earlier row.
        missing: loaded fields of numbers, and how many values each lacks.
        below: fields of `Wanted.bounds`, and how many rows are below the bound.
    """

    header: AtomicHeader
    rows: int = 0
    plain: bool = True
    tokens: set[bytes] = field(default_factory=set)
    repeated: int = 0
    missing: dict[str, int] = field(default_factory=dict)
    below: dict[str, int] = field(default_factory=dict)


def check_atomic(
    path: Path, form: AtomicFormat, wanted: Wanted | None = None, block_bytes: int = _BLOCK_BYTES
) -> AtomicContents:
    """Read a whole file in blocks and check that RecBole will read what it says. O(bytes); memory: some blocks.

    Every line must have the fields of the header, in UTF-8 (or `encoding`); a quoted field must end on its line; ids
    must be there and numbers be numbers.

    Raises:
        UserError: with file, line and content.
    """
    wanted = wanted or Wanted()
    contents: AtomicContents | None = None
    for number, piece in read_blocks(path, block_bytes, form.encoding):
        refuse_bytes(path, piece, number)
        if contents is None:
            line, _, piece = piece.partition(b"\n")
            contents = AtomicContents(AtomicHeader.parse(path, line.decode(), form))
            number += 1
        if piece:
            _check_block(contents, AtomicBlock(path, piece, number, form.separator.encode()), form, wanted)
    if contents is None:
        raise UserError(f"{path} is empty. Expected a header of `name:type` fields and a line for each row.")
    if contents.rows == 0:
        raise UserError(f"{path} has a header but no rows. Add rows, or leave the file out.")
    contents.plain = contents.plain and _both_parsers_read(contents.header, form)
    if contents.repeated:
        logger.warning(
            "%s: %d of %d rows repeat the %s of an earlier row; RecBole keeps one row of each.",
            *(path, contents.repeated, contents.rows, wanted.once),
        )
    for name, count in contents.missing.items():
        if count:
            logger.warning(
                "%s: %d of %d values of %s are missing; RecBole fills in the mean.", path, count, contents.rows, name
            )
    return contents


def _both_parsers_read(header: AtomicHeader, form: AtomicFormat) -> bool:
    """Whether both parsers of pandas read a file of plain lines alike. O(bytes)."""
    if len(header.types) == 1:  # its lines may be a rare blank, which one parser skips
        return False
    if len(form.separator) > 1 or codecs.lookup(form.encoding).name not in {"utf-8", "utf-8-sig", "ascii"}:
        return False
    last = b""
    with header.path.open("rb") as file:
        while piece := file.read(_BLOCK_BYTES):
            piece = last + piece
            last = b"\r" if piece.endswith(b"\r") else b""  # its LF may be the next byte
            if piece.count(b"\r") - len(last) != piece.count(b"\r\n"):
                return False
    return not last


def _check_block(contents: AtomicContents, block: AtomicBlock, form: AtomicFormat, wanted: Wanted) -> None:
    types = contents.header.types
    described = ", ".join(f"{name}:{kind}" for name, kind in types.items())
    rows, columns = block.columns(len(types), f"as the header has: {described}")
    contents.rows += len(rows)
    contents.plain &= block.plain
    for (name, kind), column in zip(types.items(), columns, strict=True):
        if wanted.loads(name) or name in wanted.bounds:
            _check_column(contents, column, lambda place: block.quote(int(rows[place])), name, kind, form, wanted)


def _check_column(
    contents: AtomicContents,
    column: list[bytes],
    quote: Quote,
    name: str,
    kind: str,
    form: AtomicFormat,
    wanted: Wanted,
) -> None:
    if name in wanted.ids:
        check_ids(column, quote, name, f"{name}:{kind}", wanted.empty_ids)
        if name == wanted.once:
            present = [token for token in column if token]
            before = len(contents.tokens)
            contents.tokens.update(present)
            contents.repeated += len(present) - (len(contents.tokens) - before)
    elif kind == "float" and wanted.loads(name):
        contents.missing[name] = contents.missing.get(name, 0) + check_numbers(column, quote, name)
        contents.plain &= not any_long_whole_number(column)
    elif kind == "float_seq" and wanted.loads(name):
        check_sequences(column, quote, name, form.seq_separator.encode())
    if name in wanted.bounds and not kind.endswith("_seq"):
        contents.below[name] = contents.below.get(name, 0) + count_below(column, wanted.bounds[name])
