"""Text files with one item a line, and the complaints that their readers share."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recbole_dtlns.errors import UserError
from recbole_dtlns.files.text_lines import unix_lines
from recbole_dtlns.wording import counted


def read_lines(path: Path, expected: str) -> list[str]:
    """Lines of a UTF-8 file, without their ends and without empty lines at the end of the file.

    Args:
        path: the file; a byte-order mark and every kind of line end are accepted.
        expected: what the file should hold, for the message.

    Raises:
        UserError: the file is missing, unreadable or no UTF-8 text.
    """
    try:
        text = unix_lines(path.read_bytes()).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read ({error}). Expected a UTF-8 text file of {expected}.") from error
    text = text.rstrip("\n")
    return text.split("\n") if text else []  # str.splitlines would also cut tokens at rare separators


def refuse_duplicates(path: Path, tokens: np.ndarray, numbers: np.ndarray) -> None:
    """Raise UserError at the first token, str [n], that comes again; `numbers` int [n] are the lines. O(n log n)."""
    _, first, inverse = np.unique(tokens, return_index=True, return_inverse=True)
    again = np.flatnonzero(first[inverse] != np.arange(len(tokens)))
    if len(again):
        row = again[0]
        raise UserError(
            f"{path}, line {numbers[row]}: item {str(tokens[row])!r} is already in line "
            f"{numbers[first[inverse[row]]]}. Keep one line for each item."
        )


def refuse_unknown(path: Path, unknown: np.ndarray, drop_unknown: bool) -> None:
    """Raise UserError if there are tokens, str [n], of items that the training split does not have."""
    if len(unknown) and not drop_unknown:
        named = ", ".join(unknown[:5].tolist()) + (", ..." if len(unknown) > 5 else "")
        raise UserError(
            f"{path}: {counted(len(unknown), 'item')} not in the training split: {named}. Expected items of this split "
            "alone. Make the file from this split, or set allow_foreign=true to drop them."
        )
