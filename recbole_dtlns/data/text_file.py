"""One plain text file cut into words and lines, without a Python loop over its lines."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recbole_dtlns.data.train_split import PAD
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.text_lines import no_text, quote_line, unix_lines

LONGEST_WORD = 1000  # bytes; arrays of str are as wide as their longest word, so one run-away line would fill memory
_SPACE = np.isin(np.arange(256), list(b" \t\n\v\f"))
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
_ATOMIC = re.compile(r".+:(token|float)(_seq)?")
_NAMES = ({"user", "users", "user_id", "userid", "uid"}, {"item", "items", "item_id", "itemid", "iid"})


@dataclass(frozen=True)
class TextFile:
    """Words of a text file; blank lines are left out.

    Attributes:
        path: the file.
        data: its bytes, without byte-order mark, every line ended by one newline character.
        words: all words in order, str [W].
        counts: number of words of each line, int64 [L], at least 1.
        numbers: number of each line in the file, int64 [L], counted from 1.
    """

    path: Path
    data: bytes
    words: np.ndarray
    counts: np.ndarray
    numbers: np.ndarray

    @property
    def starts(self) -> np.ndarray:
        """Position in `words` of the first word of each line, int64 [L]."""
        return np.cumsum(self.counts) - self.counts

    @property
    def users(self) -> np.ndarray:
        """First word of each line, str [L]."""
        return self.words[self.starts]

    def quote(self, row: int) -> str:
        """File, line number and content of line `row` (0 .. L - 1) for a message."""
        return _quote_nth(self.path, self.data, int(self.numbers[row]))


def read_text(path: Path) -> TextFile:
    """Read a file of words separated by blanks or tabs. O(bytes).

    Raises:
        UserError: the file is missing, empty, no UTF-8 text, has a header, a word of white space alone, or no line with
            two columns.
    """
    data = _read_lines(path)
    octets = np.frombuffer(data, dtype=np.uint8)
    space = _SPACE[octets]
    before = np.concatenate([[True], space[:-1]])  # [bytes]: is there a space, or nothing, on the left
    begins = np.flatnonzero(~space & before)
    if len(begins) == 0:
        raise UserError(f"{path} is empty. Expected a line for each pair or user; leave a file out rather than empty.")
    ends = np.flatnonzero(space & ~before)  # every word is followed by a space: the last line ends in a newline
    newlines = np.flatnonzero(octets == ord("\n"))
    line_of_word = np.searchsorted(newlines, begins)
    _refuse_long_words(path, data, ends - begins, line_of_word)
    per_line = np.bincount(line_of_word)
    rows = np.flatnonzero(per_line)
    words = np.array(data.split())
    text = words.astype(str) if data.isascii() else np.char.decode(words, "utf-8")
    file = TextFile(path, data, text, per_line[rows].astype(np.int64), rows + 1)
    if not data.isascii():
        _refuse_invisible(file)
    _refuse_headers_and_reserved(file)
    return file


def _quote_nth(path: Path, data: bytes, number: int) -> str:
    """Name line `number` (from 1) of a file's bytes for a message. O(bytes)."""
    return quote_line(path, number, data.split(b"\n")[number - 1].decode("utf-8", errors="replace"))


def _read_lines(path: Path) -> bytes:
    """Bytes of a UTF-8 file with one kind of line end, the last line ended too.

    Raises:
        UserError: missing, a folder, unreadable, not UTF-8, or with control characters.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}). Expected a text file with `user item` or `user item item ...` "
            "a line."
        ) from error
    data = unix_lines(data.removeprefix(codecs.BOM_UTF8))
    if data[-1:] != b"\n":
        data += b"\n"
    control = _CONTROL.search(data)
    position = control.start() if control else None
    if position is None:
        try:
            data.decode("utf-8")
        except UnicodeDecodeError as error:
            position = error.start
    if position is not None:
        raise no_text(path, data, position, 1, "Save the file as plain UTF-8 text.")
    return data


def _refuse_long_words(path: Path, data: bytes, lengths: np.ndarray, line_of_word: np.ndarray) -> None:
    """Raise UserError at the first word above LONGEST_WORD bytes; `lengths` and `line_of_word` are int64 [W]."""
    if lengths.max() > LONGEST_WORD:
        first = int(np.argmax(lengths > LONGEST_WORD))
        raise UserError(
            f"{_quote_nth(path, data, int(line_of_word[first]) + 1)} holds a word of {lengths[first]} bytes; expected "
            f"user and item tokens of at most {LONGEST_WORD}. Is something other than white space the separator?"
        )


def _refuse_invisible(file: TextFile) -> None:
    """Raise UserError at the first word of rare white space alone, such as U+2028 or U+00A0: no user or item. O(W)."""
    invisible = np.flatnonzero(np.char.strip(file.words) == "")
    if len(invisible):
        row = int(np.searchsorted(file.starts, invisible[0], side="right")) - 1
        raise UserError(
            f"{file.quote(row)} holds {str(file.words[invisible[0]])!a}, white space that separates no columns; "
            "expected user and item tokens separated by blanks or tabs. Replace it by a blank, or delete it."
        )


def _refuse_headers_and_reserved(file: TextFile) -> None:
    """Raise UserError for a header line, a separator that is no blank, and the padding token."""
    first = file.words[: min(int(file.counts[0]), 3)].tolist()
    if any(_ATOMIC.fullmatch(word) for word in first):
        raise UserError(
            f"{file.quote(0)} is the header of a RecBole atomic file; expected plain text. Rename the files to "
            "NAME.train.inter, NAME.valid.inter and NAME.test.inter (NAME as the folder), or delete the header."
        )
    if len(first) == 2 and all(word.lower() in names for word, names in zip(first, _NAMES, strict=True)):
        raise UserError(f"{file.quote(0)} looks like a header; expected tokens from the first line on. Delete it.")
    if file.counts.max() < 2:
        raise UserError(
            f"{file.quote(0)} has one column, as every line of the file; expected a user and an item separated by "
            "blanks or a tab."
        )
    mark = str(file.users[0])[-1]
    if mark in ",;:|" and np.char.endswith(file.users, mark).all():
        raise UserError(
            f"{file.quote(0)} has {mark!r} behind the user, as every line of the file; expected blanks or a tab alone "
            f"between user and items. Replace every {mark!r} by a blank."
        )
    reserved = np.flatnonzero(file.words == PAD)
    if len(reserved):
        row = int(np.searchsorted(file.starts, reserved[0], side="right")) - 1
        raise UserError(f"{file.quote(row)} holds {PAD}, which RecBole keeps for padding. Rename that user or item.")
