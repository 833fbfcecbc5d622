"""Columns of an atomic file: ids that are there, numbers that are numbers, labels that are counted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from recbole_dtlns.data.train_split import PAD
from recbole_dtlns.errors import UserError

# What pandas, and so RecBole, reads as a missing value.
MISSING = frozenset(
    {
        *("", "#N/A", "#N/A N/A", "#NA", "<NA>", "N/A", "n/a", "NA", "NULL", "null", "None"),
        *("NaN", "nan", "-NaN", "-nan", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
    }
)
_MISSING = frozenset(word.encode() for word in MISSING)
_NUMBER_CURE = (
    ", as the header says with float. Correct the line, change the type to token, or leave the column out of load_col."
)
_LONG = 16  # characters; whole numbers above 2^53 have as many
Quote = Callable[[int], str]  # place in a column -> file, line number and content, for a message


def check_ids(column: list[bytes], quote: Quote, name: str, head: str | None, empty: bool) -> None:
    """Check tokens of users or items [n]. O(n).

    Args:
        column: the tokens.
        quote: a line of the file, by its place in the column.
        name: the field's name, for messages.
        head: what the header has in this column, which is no token; None: there is no header.
        empty: nothing at all may stand for a token.

    Raises:
        UserError: pandas reads a token as missing, or RecBole as padding, or it is the field of the header, as in
            files that were put together.
    """
    if head is not None and head.encode() in column:
        raise UserError(
            f"{quote(column.index(head.encode()))} is the header once more; expected a row. Delete the line."
        )
    refused = {PAD.encode(), *_MISSING} - ({b""} if empty else set())
    if refused.isdisjoint(column):
        return
    bad = next(place for place, token in enumerate(column) if token in refused)
    raise UserError(
        f"{quote(bad)} has {column[bad].decode()!r} as {name}, which RecBole reads as "
        f"{'padding' if column[bad] == PAD.encode() else 'missing'}. Expected a token that is none of "
        f"{PAD}, {', '.join(sorted(MISSING - {''}))}, or nothing at all. Rename it (a letter in front of every token "
        "will do), or delete the line."
    )


def check_numbers(column: list[bytes], quote: Quote, name: str, cure: str = _NUMBER_CURE) -> int:
    """Check a column of numbers [n]; returns how many are missing. O(n).

    Raises:
        UserError: a value is no finite number; the message ends in `cure`.
    """
    numbers = _present(column)
    if _all_numbers(numbers):
        return len(column) - len(numbers)
    bad = next(place for place, value in enumerate(column) if value not in _MISSING and not _all_numbers([value]))
    raise _no_number(column[bad], quote(bad), name, "a finite number", cure)


def any_long_whole_number(column: list[bytes]) -> bool:
    """Whether a number of a column [n] is whole and has 16 characters or more: nanoseconds, say. O(n)."""
    if max(map(len, column), default=0) < _LONG:
        return False
    return any(len(value) >= _LONG and value.strip().lstrip(b"+-").isdigit() for value in column)


def check_sequences(column: list[bytes], quote: Quote, name: str, separator: bytes) -> None:
    """Check a column of sequences of numbers [n]. O(bytes).

    Raises:
        UserError: a value in one of them is no finite number.
    """
    sequences = _present(column)
    if _all_numbers(_values(b" ".join(sequences), separator)):
        return
    bad = next(
        place
        for place, value in enumerate(column)
        if value not in _MISSING and not _all_numbers(_values(value, separator))
    )
    raise _no_number(column[bad], quote(bad), name, "finite numbers", _NUMBER_CURE)


def count_below(column: list[bytes], bound: float) -> int:
    """How many labels or ratings [n] are below a bound; what is no number is not. O(n)."""
    numbers = _present(column)
    return int((np.array(numbers).astype(np.float64) < bound).sum()) if numbers and _all_numbers(numbers) else 0


def _present(column: list[bytes]) -> list[bytes]:
    return column if _MISSING.isdisjoint(column) else [value for value in column if value not in _MISSING]


def _values(sequences: bytes, separator: bytes) -> list[bytes]:
    return sequences.replace(separator, b" ").split()


def _all_numbers(values: list[bytes]) -> bool:
    if not values:
        return True
    if b"_" in b" ".join(values):  # Python reads 1_0 as ten
        return False
    try:
        return bool(np.isfinite(np.array(values).astype(np.float64)).all())
    except ValueError:
        return False


def _no_number(value: bytes, where: str, name: str, expected: str, cure: str) -> UserError:
    return UserError(f"{where} has {value[:40].decode(errors='replace')!r} as {name}; expected {expected}{cure}")
