"""The k best entries of each row of a score matrix, dense or sparse, with a fixed order among ties."""

from __future__ import annotations

import numpy as np
from scipy import sparse


def position_in_run(sorted_values: np.ndarray) -> np.ndarray:
    """Position of each entry within its run of equal values: [3, 3, 5] -> [0, 1, 0]; int64 [n]. O(n)."""
    count = len(sorted_values)
    new = np.ones(count, dtype=bool)
    new[1:] = sorted_values[1:] != sorted_values[:-1]
    starts = np.flatnonzero(new)
    return np.arange(count, dtype=np.int64) - np.repeat(starts, np.diff(np.append(starts, count)))


def best_of_rows(
    rows: np.ndarray, values: np.ndarray, k: np.ndarray, columns: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Pick the k[row] largest values of each row; ties go to the smaller column, or to the entry that comes first.

    Args:
        rows: row of each entry, int64 [n], sorted.
        values: its score, float [n], compared as float32; a NaN stands first or last.
        k: how many each row may keep, int64 [R].
        columns: column of each entry, int64 [n]; None: its place.

    Returns:
        (entry numbers, ranks), both int64 [m], ordered by row and rank (0 = best). O(n log n), and O(n + m log m) where
        rows are much longer than k and in no order. Columns that rise within each row save a second sort.
    """
    values = values.astype(np.float32, copy=False)
    near = _near_the_best(rows, values, int(k.max(initial=0)))
    keys = (rows[near].astype(np.int64) << 32) | _descending_bits(values[near])
    if columns is None or _rise(rows[near], columns[near]):
        order = near[np.argsort(keys, kind="stable")]
    else:
        order = near[np.lexsort((columns[near], keys))]
    ranks = position_in_run(rows[order])
    kept = ranks < k[rows[order]]
    return order[kept], ranks[kept]


def _near_the_best(rows: np.ndarray, values: np.ndarray, most: int) -> np.ndarray:
    """Entries that may be among the `most` largest of their row, int64 [m] in rising order. O(n).

    A long row is cut into 2 `most` pieces. As many of its values as `most` are at least the most-th largest of the
    pieces' largest values, so what is below that bound is left out.
    """
    starts = np.flatnonzero(np.diff(rows, prepend=-1))
    ends = np.append(starts[1:], len(rows))
    long = ends - starts > 4 * most
    if most == 0 or not long.any():
        return np.arange(len(rows))
    first, length = starts[long, None], (ends - starts)[long, None]
    cuts = first + length * np.arange(2 * most + 1) // (2 * most)  # the last one of a row is its end
    largest = np.maximum.reduceat(np.append(values, np.float32(-np.inf)), cuts.ravel()).reshape(cuts.shape)[:, :-1]
    bounds = np.full(len(starts), -np.inf, dtype=np.float32)
    bounds[long] = np.partition(largest, most, axis=1)[:, most]
    return np.flatnonzero(~(values < np.repeat(bounds, ends - starts)))  # a bound of NaN leaves out nothing


def _rise(rows: np.ndarray, columns: np.ndarray) -> bool:
    """Whether columns int64 [n] do not fall within any row, for sorted rows int64 [n]."""
    return bool(((np.diff(columns) >= 0) | (np.diff(rows) > 0)).all())


def _descending_bits(values: np.ndarray) -> np.ndarray:
    """Numbers 0 .. 2^32 - 1 that grow as float32 [n] fall, so that one sort of int64 keys orders rows and values."""
    bits = (values + np.float32(0)).view(np.int32)  # + 0: -0.0 equals 0.0
    rising = bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))  # IEEE 754: order of the integers = order of the floats
    return (~rising).view(np.uint32).astype(np.int64) ^ np.int64(0x80000000)


def dense_entries(scores: np.ndarray, k: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Entries of a dense block that can be among the k best of their row, by one partition instead of a sort.

    Args:
        scores: float32 [R, C]; -inf marks what must not be picked.
        k: int64 [R].

    Returns:
        (rows, columns, values) by row and column; all entries tied with the last place are in it. O(R C).
    """
    width = scores.shape[1]
    most = min(int(k.max(initial=0)), width)
    if most == 0:
        nothing = np.zeros(0, dtype=np.int64)
        return nothing, nothing, np.zeros(0, dtype=scores.dtype)
    last = np.partition(scores, width - most, axis=1)[:, width - most]  # [R]: the most-th largest
    rows, columns = np.nonzero((scores >= last[:, None]) & (scores > -np.inf))
    return rows, columns, scores[rows, columns]


def sparse_entries(scores: sparse.csr_matrix) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Entries of a sparse block [R, C] that are finite and not 0, by row: (rows, columns, values). O(nnz)."""
    rows = np.repeat(np.arange(scores.shape[0]), np.diff(scores.indptr))
    kept = np.isfinite(scores.data) & (scores.data != 0)
    return rows[kept], scores.indices[kept].astype(np.int64), scores.data[kept]
