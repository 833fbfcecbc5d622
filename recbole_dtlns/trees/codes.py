"""Item codes, the paths from the root of an index tree to its leaves, in memory and in text files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from recbole_dtlns.config.choices import MAX_DIGIT
from recbole_dtlns.data.tokens import positions
from recbole_dtlns.data.train_split import PAD
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.cache import write_atomically
from recbole_dtlns.files.item_lines import read_lines, refuse_duplicates, refuse_unknown
from recbole_dtlns.files.text_lines import quote_line


@dataclass(frozen=True)
class CodeTable:
    """The code of every item. Items of one leaf share one code.

    Attributes:
        tokens: tokens of the items, str [I + 1]; index 0 is padding.
        codes: int16 [I + 1, D]; -1 = padding after the end of a code; row 0, and that of an item without a code, is
            -1 throughout.
    """

    tokens: np.ndarray
    codes: np.ndarray

    @cached_property
    def lengths(self) -> np.ndarray:
        """Number of digits of each code, int64 [I + 1]; 0 = no code."""
        return (self.codes >= 0).sum(axis=1, dtype=np.int64)

    @cached_property
    def _leaves(self) -> np.ndarray:
        leaves = np.zeros(len(self.codes), dtype=np.int64)
        coded = self.lengths > 0
        leaves[coded] = np.unique(self.codes[coded], axis=0, return_inverse=True)[1].reshape(-1) + 1
        return leaves

    def leaves(self) -> np.ndarray:
        """Leaf of each item, int64 [I + 1]: 1, 2, ... in the order of the codes; 0 = no code. O(I log I), once."""
        return self._leaves

    @property
    def n_leaves(self) -> int:
        """Number of different codes."""
        return int(self._leaves.max(initial=0))

    @property
    def depth(self) -> int:
        """Digits of the longest code that the table has room for: the depth D of the tree."""
        return self.codes.shape[1]

    def for_tokens(self, tokens: np.ndarray) -> CodeTable:
        """The same codes in another numbering.

        Args:
            tokens: str [J + 1], padding at 0; tokens without a code here get none.

        Returns:
            Table of J + 1 rows and the same depth. O(I log I + J log I).
        """
        return CodeTable(np.asarray(tokens, dtype=str), self.codes[positions(self.tokens, tokens)])

    def shuffled(self, rng: np.random.Generator) -> CodeTable:
        """The same tree with its items exchanged at random: a control that keeps leaves and sizes, but no meaning.

        Items without a code keep none.
        """
        coded = np.flatnonzero(self.lengths)
        codes = self.codes.copy()
        codes[coded] = codes[rng.permutation(coded)]
        return CodeTable(self.tokens, codes)


@dataclass(frozen=True)
class ReadCodes:
    """Codes from a file.

    Attributes:
        table: rows in the order of the known tokens.
        dropped: lines of items that are not known.
        missing: known items without a code.
    """

    table: CodeTable
    dropped: int
    missing: int


def read_codes(path: Path, items: np.ndarray, drop_unknown: bool = False) -> ReadCodes:
    """Read a file of `item: 0-1-2` lines, the format of the authors' `*_paths.txt`. O(bytes + I log I).

    The code is what follows the last colon, so tokens may hold colons. Empty lines are skipped.

    Args:
        path: UTF-8 text.
        items: their tokens, str [I + 1], padding at 0; rows of the result are in this order.
        drop_unknown: leave out items that are not known instead of refusing the file.

    Raises:
        UserError: unreadable; a malformed line or an item twice (with line number and content); unknown items;
            no code for any known item.
    """
    path = Path(path)
    tokens, paths, numbers = _parse(path)
    refuse_duplicates(path, tokens, numbers)
    at = positions(items, tokens)
    refuse_unknown(path, tokens[at == 0], drop_unknown)
    kept = np.flatnonzero(at)
    if not len(kept):
        raise UserError(f"{path} holds no code of any of the {len(items) - 1} items of the training split.")
    table = _table(items, at[kept], [paths[row] for row in kept])
    return ReadCodes(table, len(tokens) - len(kept), len(items) - 1 - len(kept))


def read_all_codes(path: Path) -> CodeTable:
    """Read every code of a file of `item: 0-1-2` lines, whatever the items are.

    Returns:
        Table of all its items, sorted by token, padding at row 0. O(bytes + I log I).

    Raises:
        UserError: unreadable; a malformed line or an item twice, with line number and content.
    """
    path = Path(path)
    tokens, paths, numbers = _parse(path)
    refuse_duplicates(path, tokens, numbers)
    order = np.argsort(tokens)
    items = np.concatenate([[PAD], tokens[order]])
    return _table(items, np.arange(1, len(items)), [paths[row] for row in order])


def _table(items: np.ndarray, rows: np.ndarray, paths: list[list[int]]) -> CodeTable:
    """Table of the `items`, str [I + 1], in which the items `rows`, int64 [n], have the codes `paths`."""
    lengths = np.array([len(digits) for digits in paths])
    codes = np.full((len(items), lengths.max()), -1, dtype=np.int16)
    columns = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    codes[np.repeat(rows, lengths), columns] = [digit for digits in paths for digit in digits]
    return CodeTable(np.asarray(items, dtype=str), codes)


def write_codes(path: Path, table: CodeTable) -> None:
    """Write `item: 0-1-2` lines, sorted by code digit by digit, then by token; items without a code are left out."""
    coded = np.flatnonzero(table.lengths)
    order = coded[np.lexsort((table.tokens[coded], *table.codes[coded].T[::-1]))]
    names, codes, lengths = table.tokens[order].tolist(), table.codes[order].tolist(), table.lengths[order].tolist()
    lines = (
        f"{name}: {'-'.join(map(str, code[:length]))}\n"
        for name, code, length in zip(names, codes, lengths, strict=True)
    )
    write_atomically(Path(path), "".join(lines).encode())


def _parse(path: Path) -> tuple[np.ndarray, list[list[int]], np.ndarray]:
    """Tokens str [n], digits of each code, and line numbers int64 [n]."""
    tokens, paths, numbers = [], [], []
    for number, line in enumerate(read_lines(path, "`item: 0-1-2` lines"), start=1):
        if not line.strip():
            continue
        token, colon, text = line.rpartition(":")
        digits = text.strip().split("-")
        whole = all(digit.isascii() and digit.isdigit() and len(digit) <= 5 for digit in digits)
        path_of_item = [int(digit) for digit in digits] if whole else []
        if not (token and colon and path_of_item) or max(path_of_item) > MAX_DIGIT:
            raise UserError(
                f"{quote_line(path, number, line)} should read `item: 0-1-2`: a token, a colon, and whole numbers from "
                f"0 to {MAX_DIGIT} joined by `-`. Correct the line."
            )
        tokens.append(token)
        paths.append(path_of_item)
        numbers.append(number)
    if not tokens:
        raise UserError(f"{path} is empty. Expected `item: 0-1-2` lines.")
    return np.array(tokens, dtype=str), paths, np.array(numbers)
