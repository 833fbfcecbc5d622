"""Many binary searches in the sorted numbers of many users, with a table that says where to begin each."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from recbole_dtlns.data.blocks import blocks

_NUMBERS = 1 << 16  # whose cells are counted at once


class GuidedSearch:
    """How many sorted numbers lie at or below a given one, for the numbers of many users in one array.

    The range of each user is cut into cells of a power of two, one to four for each of its numbers, and a table holds
    how many numbers lie before each cell (a guide table: Chen and Asau 1974; Devroye 1986, III.2.4). On a CPU a search
    begins there and takes one step; a binary search answers only where a cell holds more numbers. A GPU searches
    without the table. A search costs O(1) where numbers are spread, O(log E) at most. Memory is 8 bytes a number and 4
    to 16 for its cells, and no more while it is made.

    Args:
        numbers: of all users, one after the other, each user's in order, int64 [E].
        starts: where each user's begin, and E at the end, int64 [U + 1].
        ranges: what is asked of user u lies in [0, ranges[u]), int64 [U].
        span: above all numbers and ranges; U * span is below 2^63.
        device: where questions are.
    """

    def __init__(
        self, numbers: np.ndarray, starts: np.ndarray, ranges: np.ndarray, span: int, device: torch.device | str = "cpu"
    ) -> None:
        self._span = span
        counts = np.diff(starts)
        keys = np.empty(len(numbers) + 1, dtype=np.int64)
        keys[:-1] = np.repeat(np.arange(len(counts), dtype=np.int64) * span, counts)
        keys[:-1] += numbers
        keys[-1] = np.iinfo(np.int64).max  # above every key, so that a step never goes beyond the last one
        self._keys = torch.as_tensor(keys, device=device)
        self._guided = self._keys.device.type == "cpu"
        if self._guided:
            self._make_table(numbers, starts, counts, np.maximum(ranges - 1, 0))

    def _make_table(self, numbers: np.ndarray, starts: np.ndarray, counts: np.ndarray, largest: np.ndarray) -> None:
        """The cells of users whose largest questions are given, int64 [U]. O(E + U), some users at a time."""
        wanted = np.where(counts > 0, _bit_lengths(counts) + 1, 0)
        shifts = np.maximum(_bit_lengths(largest) - wanted, 0)
        n_cells = (largest >> shifts) + 1
        first_cells = np.cumsum(n_cells) - n_cells
        small = len(numbers) <= np.iinfo(np.int32).max
        before = np.empty(int(n_cells.sum()), dtype=np.int32 if small else np.int64)
        for start, stop in blocks(counts + 1, _NUMBERS):
            users, first = slice(start, stop), first_cells[start]
            rows = np.repeat(np.arange(start, stop), counts[users])
            cells = np.minimum(numbers[starts[start] : starts[stop]] >> shifts[rows], n_cells[rows] - 1)
            cells += first_cells[rows] - first
            inside = np.bincount(cells, minlength=int(n_cells[users].sum()))
            before[first : first + len(inside)] = np.cumsum(inside) - inside + starts[start]
        self._first_cell, self._shifts = torch.as_tensor(first_cells), torch.as_tensor(shifts)
        self._before = torch.as_tensor(before)

    def __call__(self, users: Tensor, asked: Tensor) -> Tensor:
        """Numbers at or below what is asked, with all numbers of earlier users: int64 [R], [R, n] -> int64 [R, n]."""
        keys = users.unsqueeze(1) * self._span + asked
        if not self._guided:
            return torch.searchsorted(self._keys, keys, right=True)
        cells = asked.bitwise_right_shift(self._shifts.take(users).unsqueeze(1))
        found = self._before.take(cells.add_(self._first_cell.take(users).unsqueeze(1))).long()
        found += self._keys.take(found) <= keys
        further = (self._keys.take(found) <= keys).flatten().nonzero().squeeze(1)
        found.view(-1)[further] = torch.searchsorted(self._keys, keys.flatten()[further], right=True)
        return found


def _bit_lengths(numbers: np.ndarray) -> np.ndarray:
    """Bits of each number, int64 [n] -> int64 [n]; 0 for 0. One more where a number above 2^53 is rounded up."""
    return np.frexp(numbers.astype(np.float64))[1].astype(np.int64)
