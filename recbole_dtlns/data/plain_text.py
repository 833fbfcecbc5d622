"""Pairs from plain text: `user item` a line (`pairs`) or `user item item ...` a line (`lists`)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from recbole_dtlns.data.pair_codes import pair_codes
from recbole_dtlns.data.text_file import TextFile, read_text
from recbole_dtlns.errors import UserError

LAYOUTS = ("auto", "pairs", "lists")
logger = logging.getLogger(__name__)


def read_pairs(path: Path, layout: str = "auto") -> tuple[np.ndarray, np.ndarray]:
    """Read one file; a repeated pair is kept once and logged. Returns user and item tokens, str [E] each.

    Raises:
        UserError: missing, empty or malformed file (with line number and content), or a layout that cannot be told.
    """
    file = read_text(path)
    users, items, _ = to_pairs(file, choose_layout([file], layout))
    return users, items


def choose_layout(files: Sequence[TextFile], layout: str) -> str:
    """Decide the one layout of all files of a folder: `pairs` or `lists`.

    In `lists` a user has one line in a file and any number of columns; in `pairs` every line has two columns. Where
    neither reading fits, the nearer one is returned, so that `to_pairs` names the line that breaks it.

    Raises:
        UserError: unknown `layout`, or `auto` and both readings fit.
    """
    if layout not in LAYOUTS:
        raise UserError(f"text_layout is {layout!r}; expected one of {', '.join(LAYOUTS)}.")
    if layout != "auto":
        return layout
    counts = np.concatenate([file.counts for file in files])
    wide = bool((counts > 2).any())
    if any(_repeated_user(file) is not None for file in files):
        return "lists" if wide and np.mean(counts == 2) < 0.5 else "pairs"
    if wide:
        return "lists"
    raise UserError(_ambiguous(files))


def to_pairs(file: TextFile, layout: str) -> tuple[np.ndarray, np.ndarray, int]:
    """Turn a file into pairs by the given layout (`pairs` or `lists`).

    Returns:
        user tokens and item tokens, str [E] each, in file order without repeated pairs, and how many were repeated.

    Raises:
        UserError: a line breaks the layout.
    """
    users, items = _split_pairs(file) if layout == "pairs" else _split_lists(file)
    (codes,) = pair_codes([(users, items)])
    kept = np.sort(np.unique(codes, return_index=True)[1])
    repeated = len(codes) - len(kept)
    if repeated:
        logger.warning("%s: %d repeated pairs, each is kept once.", file.path, repeated)
    return users[kept], items[kept], repeated


def _split_pairs(file: TextFile) -> tuple[np.ndarray, np.ndarray]:
    """User and item of each line, str [L]; UserError for a line that has not two columns."""
    bad = np.flatnonzero(file.counts != 2)
    if len(bad):
        more = f" {len(bad)} lines are like this." if len(bad) > 1 else ""
        raise UserError(
            f"{file.quote(bad[0])} has {_columns(file.counts[bad[0]])}; expected two, `user item` (read as "
            f"text_layout=pairs).{more} Mend the line, or set text_layout=lists if all files of the folder hold "
            "`user item item ...` lines."
        )
    return file.words[0::2], file.words[1::2]


def _split_lists(file: TextFile) -> tuple[np.ndarray, np.ndarray]:
    """User and item of each pair, str [W - L]; UserError for a user with a second line."""
    second = _repeated_user(file)
    if second is not None:
        first = file.numbers[np.flatnonzero(file.users == file.users[second])[0]]
        raise UserError(
            f"{file.quote(second)} is a second line of user {str(file.users[second])!r} (the first is line {first}); "
            "expected one line a user, `user item item ...` (read as text_layout=lists). Join the lines; if a third "
            "column is a rating or a time, keep the first two columns only."
        )
    is_item = np.ones(len(file.words), dtype=bool)
    is_item[file.starts] = False
    return np.repeat(file.users, file.counts - 1), file.words[is_item]


def _repeated_user(file: TextFile) -> int | None:
    """Row of the first line whose user had a line before, or None. O(L log L)."""
    users, first = np.unique(file.users, return_index=True)
    if len(users) == len(file.counts):
        return None
    seen = np.ones(len(file.counts), dtype=bool)
    seen[first] = False
    return int(np.argmax(seen))


def _ambiguous(files: Sequence[TextFile]) -> str:
    """Message for files without any line that would tell the layouts apart."""
    names = ", ".join(str(file.path) for file in files)
    singles = [file.quote(int(np.argmax(file.counts == 1))) for file in files if (file.counts == 1).any()]
    single = f" One column only: {singles[0]}; an error in pairs, a user without items in lists." if singles else ""
    return (
        f"The layout of {names} cannot be told: no line has more than two columns and no user has two lines in a "
        f"file.{single} Set text_layout=pairs (`user item` a line) or text_layout=lists (`user item item ...` a line)."
    )


def _columns(count: int) -> str:
    return "one column" if count == 1 else f"{count} columns"
