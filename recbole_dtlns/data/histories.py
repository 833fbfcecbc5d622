"""Histories cut to a bounded length, so that no user costs the square of a long one."""

from __future__ import annotations

import numpy as np
from scipy import sparse

_SEED = 0  # the choice depends on the matrix alone


def shortened_histories(matrix: sparse.csr_matrix, most: int) -> sparse.csr_matrix:
    """Keep `most` randomly chosen entries of every row that has more; the other rows stay as they are.

    What counts pairs of items of a user takes the square of the history's length. A row of n items has n (n - 1) / 2
    pairs, and a random choice of them says nearly the same about the items.

    Args:
        matrix: CSR [U, I] with sorted indices.
        most: entries that a row may keep, at least 1.

    Returns:
        CSR of the same shape with sorted indices; `matrix` itself where no row is longer. O(entries log entries) for
        the entries of the long rows.
    """
    lengths = np.diff(matrix.indptr)
    long_rows = np.flatnonzero(lengths > most)
    if len(long_rows) == 0:
        return matrix
    chosen = np.ones(matrix.nnz, dtype=bool)
    places = np.flatnonzero(np.repeat(lengths > most, lengths))
    owners = np.repeat(np.arange(len(long_rows)), lengths[long_rows])
    order = np.lexsort((np.random.default_rng(_SEED).random(len(places)), owners))
    rank = np.arange(len(places)) - np.repeat(np.cumsum(lengths[long_rows]) - lengths[long_rows], lengths[long_rows])
    chosen[places[order[rank >= most]]] = False
    starts = np.concatenate([[0], np.cumsum(np.minimum(lengths, most))])
    return sparse.csr_matrix((matrix.data[chosen], matrix.indices[chosen], starts), shape=matrix.shape)
