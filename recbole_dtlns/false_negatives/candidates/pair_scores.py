"""Scores of single pairs, from models that score all items of a user at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import sparse

from recbole_dtlns.data.blocks import CELLS, each_block

_SPREAD = 64  # marks for each wanted entry


def pairs_of_blocks(
    users: np.ndarray,
    items: np.ndarray,
    score_block: Callable[[np.ndarray], np.ndarray | sparse.csr_matrix],
    row_cells: np.ndarray,
    block_cells: int = CELLS,
) -> np.ndarray:
    """Scores of pairs, 0 where the score is absent or not finite.

    Args:
        users: int64 [n], sorted.
        items: int64 [n].
        score_block: scores of users int64 [b] for all items, dense or CSR [b, I + 1]; several threads call it at once.
        row_cells: scored items of each user, int64 [U + 1], or a bound on them.
        block_cells: cells of a block, and its pairs, with those of one user more; it changes memory, never the result.

    Returns:
        float32 [n]. Each user is scored once: memory O(block_cells), time that of the scores.
    """
    scores = np.zeros(len(users), dtype=np.float32)
    distinct, starts = np.unique(users, return_index=True)
    ends = np.append(starts, len(users))

    def score(start: int, stop: int) -> None:
        pairs = slice(ends[start], ends[stop])
        rows, block = np.searchsorted(distinct[start:stop], users[pairs]), score_block(distinct[start:stop])
        dense = isinstance(block, np.ndarray)
        scores[pairs] = block[rows, items[pairs]] if dense else entries_at(block, rows, items[pairs])

    each_block(score, np.maximum(row_cells[distinct], np.diff(ends)), block_cells)
    scores[~np.isfinite(scores)] = 0
    return scores


def pairs_of_vectors(
    users: np.ndarray, items: np.ndarray, user_table: np.ndarray, item_table: np.ndarray, block_cells: int = CELLS
) -> np.ndarray:
    """Dot products of the vectors of pairs, from float32 [U + 1, d] and [I + 1, d].

    Returns:
        float32 [n]. O(n d) time, O(block_cells) memory.
    """
    products = np.empty(len(users), dtype=np.float32)

    def multiply(start: int, stop: int) -> None:
        np.einsum("nd,nd->n", user_table[users[start:stop]], item_table[items[start:stop]], out=products[start:stop])

    each_block(multiply, np.full(len(users), user_table.shape[1]), block_cells)
    return products


def entries_at(matrix: sparse.csr_matrix, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Entries of a sparse matrix [R, C] at int64 [n] places, in its type [n]; 0 where there is none.

    Cells are numbered row by row. Only entries whose number has the same last bits as a wanted one are sorted. Where
    the wanted cells are spread evenly, these are the wanted ones and about one of `_SPREAD` others: O(nnz + n log n)
    time. At worst all entries are sorted. O(nnz + `_SPREAD` n) memory.
    """
    width, wanted = matrix.shape[1], rows * matrix.shape[1] + columns
    cells = np.repeat(np.arange(matrix.shape[0], dtype=np.int64) * width, np.diff(matrix.indptr)) + matrix.indices
    last_bits = (1 << (_SPREAD * len(wanted)).bit_length()) - 1
    marked = np.zeros(last_bits + 1, dtype=bool)
    marked[wanted & last_bits] = True
    near = np.flatnonzero(marked[cells & last_bits])
    near = near[np.argsort(cells[near])]
    cells, values = np.append(cells[near], matrix.shape[0] * width), np.append(matrix.data[near], np.float32(0))
    place = np.searchsorted(cells, wanted)
    return np.where(cells[place] == wanted, values[place], 0)
