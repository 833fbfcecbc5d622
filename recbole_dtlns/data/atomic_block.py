"""Whole lines of an atomic file, cut into rows as pandas cuts them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from recbole_dtlns.errors import UserError
from recbole_dtlns.files.text_lines import no_text, quote_line

_ENCODING_CURE = "Save the file as UTF-8, or set the key encoding to what it is saved in."
_SPACE = np.isin(np.arange(256), list(b" \t\n\v\f"))


def refuse_bytes(path: Path, piece: bytes, first_line: int, cure: str = _ENCODING_CURE) -> None:
    """Raise UserError, which ends in `cure`, for a block that is no UTF-8 text."""
    position = piece.find(b"\0")
    try:
        piece.decode("utf-8")
    except UnicodeDecodeError as error:
        position = error.start if position < 0 else min(position, error.start)
    if position >= 0:
        raise no_text(path, piece, position, first_line, cure)


class AtomicBlock:
    """Lines of one file. O(bytes), without a loop over lines unless they hold quotation marks.

    Attributes:
        fields: number of fields of each line, int32 [lines], quotation marks not regarded.
        blank: lines that pandas skips, bool [lines].
        quoted: lines in which a field begins with a quotation mark, bool [lines]; see `unquoted`.
        plain: no line is blank, quoted, or begins with a blank or a separator.
    """

    def __init__(self, path: Path, piece: bytes, first_line: int, separator: bytes) -> None:
        self.path, self.piece, self.first_line, self.separator = path, piece, first_line, separator
        text = np.frombuffer(piece, dtype=np.uint8)
        self.ends = np.flatnonzero(text == ord("\n"))  # [lines]
        self.starts = np.concatenate([[0], self.ends[:-1] + 1])
        if len(separator) == 1:
            self.fields = np.add.reduceat((text == separator[0]).astype(np.int32), self.starts) + 1  # [lines]
        else:
            lines = piece.split(b"\n")[:-1]
            self.fields = np.fromiter((line.count(separator) for line in lines), dtype=np.int32) + 1
        filled = np.logical_or.reduceat(~_SPACE[text], self.starts)
        self.blank = ~filled & (self.fields == 1)  # pandas skips these
        self.quoted = self._quoted_lines(text) if len(separator.decode()) == 1 else np.zeros(len(self.ends), dtype=bool)
        begins = text[self.starts]
        self.plain = not (self.quoted | _SPACE[begins] | (begins == separator[0])).any()  # blank lines begin with one

    def line(self, row: int) -> str:
        """One line without its end."""
        return self.piece[self.starts[row] : self.ends[row]].decode()

    def quote(self, row: int) -> str:
        """File, number and content of a line, for a message."""
        return quote_line(self.path, self.first_line + row, self.line(row))

    def columns(
        self, width: int, reason: str, separator_key: str = "field_separator"
    ) -> tuple[np.ndarray, list[list[bytes]]]:
        """Cut the block into columns. O(bytes).

        Args:
            width: number of columns that every line must have.
            reason: why, for the message.
            separator_key: what names the separator, for the message.

        Returns:
            The line, counted from 0, of each place in a column, int64 [n]; and `width` columns of n values. Lines with
            quotation marks come last.

        Raises:
            UserError: a line with more or fewer fields, or a quoted field that does not end on its line.
        """
        plain = ~self.quoted & ~self.blank
        quoted = {row: self.unquoted(row) for row in np.flatnonzero(self.quoted).tolist()}
        wrong = [row for row, values in quoted.items() if len(values) != width]
        wrong += np.flatnonzero(plain & (self.fields != width))[:1].tolist()
        if wrong:
            first = min(wrong)
            raise self._wrong_width(
                first, len(quoted.get(first, ())) or int(self.fields[first]), width, reason, separator_key
            )
        rows = np.concatenate([np.flatnonzero(plain), np.array(list(quoted), dtype=np.int64)])
        values = self._only(plain).replace(self.separator, b"\n").split(b"\n")[:-1]
        extra = list(quoted.values())
        return rows, [values[place::width] + [fields[place] for fields in extra] for place in range(width)]

    def _only(self, kept: np.ndarray) -> bytes:
        """The block with some lines alone, bool [lines]."""
        if kept.all():
            return self.piece
        text = np.frombuffer(self.piece, dtype=np.uint8)
        return text[np.repeat(kept, self.ends - self.starts + 1)].tobytes()

    def _wrong_width(self, row: int, count: int, width: int, reason: str, separator_key: str) -> UserError:
        trailing = count == width + 1 and self.line(row).encode().endswith(self.separator)
        cure = (
            "Delete the separator at the end of the lines."
            if trailing
            else f"Correct the line, or name the separator ({separator_key}) if it is another character."
        )
        return UserError(f"{self.quote(row)} has {count} field{'s' * (count != 1)}; expected {width}, {reason}. {cure}")

    def _quoted_lines(self, text: np.ndarray) -> np.ndarray:
        """Lines in which a field begins with a quotation mark, bool [lines]."""
        quoted = np.zeros(len(self.ends), dtype=bool)
        if b'"' in self.piece:
            at = np.flatnonzero(text == ord('"'))
            last = self.separator[-1]
            opening = at[(at == 0) | np.isin(text[at - 1], [last, ord("\n")])]
            quoted[np.searchsorted(self.ends, opening)] = True
        return quoted

    def unquoted(self, row: int) -> list[bytes]:
        """Fields of a line with quotation marks, as pandas reads it when it stands alone.

        Raises:
            UserError: a quoted field does not end on the line.
        """
        try:
            (values,) = csv.reader([self.line(row) + "\n"], delimiter=self.separator.decode(), strict=True)
        except csv.Error:
            raise UserError(
                f"{self.quote(row)} has a field that begins with a quotation mark and does not end with one: RecBole "
                "would read on to the next quotation mark, over any number of lines. Leave the mark out, or put one at "
                "the end of the field too and double those inside."
            ) from None
        return [value.encode() for value in values]
