"""Random items that users have not seen, each at most once for a user."""

from __future__ import annotations

import numpy as np
from scipy import sparse


def random_unseen(seen: sparse.csr_matrix, counts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw unseen items of each user, uniformly and without repetition.

    A draw is a rank among the user's unseen items, so none is rejected because it was seen.

    Args:
        seen: CSR [U, I]; a stored entry (u, i) bars item i for user u. Item 0 is padding, is never drawn, and has no
            entries.
        counts: how many items each user gets, int64 [U].
        rng: source of all randomness.

    Returns:
        int64 [counts.sum()]: the items of user 0, then those of user 1, ..., each user's in random order.
        O(E + n log n) for E entries and n drawn items.

    Raises:
        ValueError: a user has fewer unseen items than asked for.
    """
    free = seen.shape[1] - 1 - np.diff(seen.indptr).astype(np.int64)
    if (counts > free).any():
        raise ValueError(f"{int((counts > free).sum())} users have fewer unseen items than they should get")
    owners = np.repeat(np.arange(len(counts)), counts)
    many = 2 * counts > free  # repeats would be frequent
    ranks = np.empty(len(owners), dtype=np.int64)
    ranks[many[owners]] = _some_of_all(np.where(many, free, 0), np.where(many, counts, 0), rng)
    ranks[~many[owners]] = _distinct(owners[~many[owners]], free, rng)
    return _items_at(seen, owners, ranks)


def _distinct(owners: np.ndarray, free: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A rank below free[owner] for each owner int64 [n], no rank twice for an owner; repeats are drawn again."""
    span = int(free.max(initial=1))
    ranks = rng.integers(0, free[owners])
    while True:
        again = np.ones(len(owners), dtype=bool)
        again[np.unique(owners * span + ranks, return_index=True)[1]] = False
        if not again.any():
            return ranks
        ranks[again] = rng.integers(0, free[owners[again]])


def _some_of_all(free: np.ndarray, counts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The first counts[u] of a random order of the ranks below free[u], for each user."""
    owners, starts = np.repeat(np.arange(len(free)), free), np.cumsum(free) - free
    order = np.lexsort((rng.random(len(owners)), owners))
    places = np.arange(len(owners)) - starts[owners]  # sorted by owner, so these are places in the random order
    return (order - starts[owners])[places < counts[owners]]


def _items_at(seen: sparse.csr_matrix, owners: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """The unseen item of each rank: the rank, and one more for each seen item that lies before it."""
    seen, span = seen.sorted_indices(), seen.shape[1]
    starts = seen.indptr.astype(np.int64)
    rows = np.repeat(np.arange(seen.shape[0]), np.diff(starts))
    unseen_before = seen.indices - 1 - (np.arange(len(rows)) - starts[rows])
    passed = np.searchsorted(rows * span + unseen_before, owners * span + ranks, side="right")
    return ranks + 1 + passed - starts[owners]
