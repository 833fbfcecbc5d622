"""Work cut into blocks of bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

CELLS = 1 << 22
"""Cells that a block may hold: 16 MiB of float32, about ten times that with everything a block needs."""


def blocks(cost: np.ndarray, limit: int = CELLS) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) over rows of the given cost, int [n] >= 0; a block costs at most limit + the largest row.

    Every row is in exactly one block, in order. O(n).
    """
    if len(cost) == 0:
        return
    before = np.cumsum(cost, dtype=np.int64) - cost
    inner = np.flatnonzero(np.diff(before // max(1, limit))) + 1
    yield from pairwise([0, *inner.tolist(), len(cost)])
