"""Work cut into blocks of bounded memory, some of them done at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

import numpy as np
from threadpoolctl import threadpool_info

CELLS = 1 << 22
"""Cells that a block may hold: 16 MiB of float32, ten to twenty times that with everything a block needs."""
AT_ONCE = 4
"""Blocks that are worked on at once, at most; each takes its own memory."""

Result = TypeVar("Result")


def blocks(cost: np.ndarray, limit: int = CELLS) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) over rows of the given cost, int [n] >= 0; a block costs at most limit + the largest row.

    Every row is in exactly one block, in order. O(n).
    """
    if len(cost) == 0:
        return
    before = np.cumsum(cost, dtype=np.int64) - cost
    inner = np.flatnonzero(np.diff(before // max(1, limit))) + 1
    yield from pairwise([0, *inner.tolist(), len(cost)])


def each_block(
    work: Callable[[int, int], Result],
    cost: np.ndarray,
    limit: int = CELLS,
    *,
    at_once: int = AT_ONCE,
    done: Callable[[int, int], object] | None = None,
) -> list[Result]:
    """Call work(start, stop) for each of the `blocks`, several at once, and return what it gives, in their order.

    numpy and scipy let other threads run while they compute. How rows are cut does not depend on the threads.

    Args:
        work: called by several threads at once; what it writes for its rows must be no other block's. Settings of
            the calling thread, as `numpy.errstate` and `torch.no_grad`, do not reach it.
        cost: of each row, int [n].
        limit: cost of a block.
        at_once: blocks at once, at most; there are never more than OpenMP has threads. 1: this thread does all.
        done: called with (start, stop) after each block, in order, by this thread.
    """
    bounds = list(blocks(cost, limit))
    workers = min(at_once, len(bounds))
    workers = min(workers, openmp_threads()) if workers > 1 else workers
    results = []
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        every = pool.map if workers > 1 else map
        for bound, result in zip(bounds, every(lambda bound: work(*bound), bounds), strict=True):
            results.append(result)
            if done is not None:
                done(*bound)
    return results


def openmp_threads() -> int:
    """Threads that OpenMP gives the calling thread: as many as cores, or as `OMP_NUM_THREADS` says."""
    return max((library["num_threads"] for library in threadpool_info() if library["user_api"] == "openmp"), default=1)
