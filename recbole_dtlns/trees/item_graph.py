"""Which items are consumed by the same users: the Jaccard graph of the training matrix."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from tqdm import tqdm

from recbole_dtlns.data.blocks import each_block

BLOCK_ENTRIES = 1 << 22  # co-occurrences counted at once: some 300 MB while they are weighed
_QUIET = {"disable": None, "leave": False, "delay": 2}  # a bar only on a terminal and for work that lasts


def jaccard_graph(
    train: sparse.csr_matrix, max_neighbors: int | None = None, block_entries: int = BLOCK_ENTRIES
) -> sparse.csr_matrix:
    """Weigh every pair of items by the share of their users that is common: w_ij = c_ij / (d_i + d_j - c_ij).

    Time O(sum over users of history^2). Memory O(block_entries) a thread beside the result, whose size is bounded by
    the same sum without `max_neighbors` and by 2 x I x max_neighbors with it. One core weighs some 12 million
    co-occurrences a second, 4 million with the cap. Long histories cost most of it: see `shortened_histories`.

    Args:
        train: CSR [U, I], no padding row or column; every stored non-zero counts as one interaction.
        max_neighbors: keep the strongest neighbours of each item, ties by lowest index. A pair stays when either end
            keeps it, so that the graph remains symmetric; an item may then have more.
        block_entries: bound on the co-occurrences counted at once; a block exceeds it by one item at most.

    Returns:
        Symmetric float32 CSR [I, I] with an empty diagonal and sorted indices; no item is padding.

    Source: structural view of DTL-NS, section "dual trees"; `encoding.py` L56-75 of the authors' code.
    """
    users_items = _binary(train)
    items_users = users_items.T.tocsr()
    degree = np.diff(items_users.indptr)

    def weighed(start: int, stop: int) -> sparse.csr_matrix:
        counts = items_users[start:stop] @ users_items
        counts.sort_indices()
        weights = _jaccard_rows(counts, start, degree)
        return weights if max_neighbors is None else _strongest(weights, max_neighbors)

    with tqdm(total=train.shape[1], desc="item graph", unit="item", **_QUIET) as progress:
        rows = each_block(
            weighed,
            _entries_bound(users_items, items_users),
            block_entries,
            done=lambda start, stop: progress.update(stop - start),
        )
    graph = sparse.vstack([sparse.csr_matrix((0, train.shape[1]), dtype=np.float32), *rows], format="csr")
    if max_neighbors is not None:
        graph = graph.maximum(graph.T.tocsr()).tocsr()
    graph.sort_indices()
    return graph


def strongest_links(
    train: sparse.csr_matrix, rows: np.ndarray, columns: np.ndarray, keep: int, block_entries: int = BLOCK_ENTRIES
) -> sparse.csr_matrix:
    """The strongest links of some items to some others, weighed as in `jaccard_graph`.

    Time O(sum over users of their items in `rows` x their items in `columns`), memory O(block_entries) a thread beside
    the result of len(rows) x keep entries at most.

    Args:
        train: CSR [U, I], no padding row or column; every stored non-zero counts as one interaction.
        rows: items whose links are wanted, int64 [n].
        columns: items that they may be linked to, int64 [m]; none of them is in `rows`.
        keep: links of each item that stay, ties by lowest column.
        block_entries: as in `jaccard_graph`.

    Returns:
        float32 CSR [n, m] with sorted indices.
    """
    users_items = _binary(train)
    degree = np.bincount(users_items.indices, minlength=train.shape[1])
    others, own = users_items[:, columns], users_items[:, rows].T.tocsr()

    def strongest(start: int, stop: int) -> sparse.csr_matrix:
        counts = own[start:stop] @ others
        counts.sort_indices()
        entries = np.repeat(np.arange(start, stop), np.diff(counts.indptr))
        either = degree[rows[entries]] + degree[columns[counts.indices]] - counts.data
        counts.data = (counts.data / either).astype(np.float32)
        return _strongest(counts, keep)

    links = each_block(strongest, _entries_bound(others, own), block_entries)
    return sparse.vstack([sparse.csr_matrix((0, len(columns)), dtype=np.float32), *links], format="csr")


def cooccurrence_bound(train: sparse.csr_matrix) -> int:
    """Upper bound of the entries in the graph without a cap, diagonal included: min(I^2, sum of history^2). O(U)."""
    history = np.diff(train.indptr).astype(np.int64)
    return int(min(train.shape[1] ** 2, np.sum(history**2)))


def _binary(train: sparse.csr_matrix) -> sparse.csr_matrix:
    matrix = sparse.csr_matrix(train, copy=True)
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return sparse.csr_matrix((np.ones(matrix.nnz, dtype=np.int32), matrix.indices, matrix.indptr), shape=matrix.shape)


def _entries_bound(users_items: sparse.csr_matrix, items_users: sparse.csr_matrix) -> np.ndarray:
    """Bound on the entries of each item's co-occurrence row: the sum of its users' histories, int64 [I]."""
    return np.asarray(items_users @ np.diff(users_items.indptr).astype(np.int64))


def _jaccard_rows(counts: sparse.csr_matrix, start: int, degree: np.ndarray) -> sparse.csr_matrix:
    rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    other = rows + start != counts.indices
    rows, columns, common = rows[other], counts.indices[other], counts.data[other]
    weights = (common / (degree[rows + start] + degree[columns] - common)).astype(np.float32)
    return _from_rows(rows, columns, weights, counts.shape)


def _strongest(weights: sparse.csr_matrix, keep: int) -> sparse.csr_matrix:
    """The `keep` largest entries of each row; the sort is stable, so of equal weights the lowest column stays."""
    sizes = np.diff(weights.indptr)
    rows = np.repeat(np.arange(len(sizes)), sizes)
    falling = 0x7FFFFFFF - weights.data.view(np.int32).astype(np.int64)  # the bits of positive floats grow with them
    order = np.argsort((rows.astype(np.int64) << 32) | falling, kind="stable")
    rank = np.arange(len(rows)) - weights.indptr[rows]
    kept = np.sort(order[rank < keep])
    return _from_rows(rows[kept], weights.indices[kept], weights.data[kept], weights.shape)


def _from_rows(rows: np.ndarray, columns: np.ndarray, data: np.ndarray, shape: tuple[int, int]) -> sparse.csr_matrix:
    """CSR from entries that are already sorted by row and column, without another sort."""
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=shape[0]))])
    return sparse.csr_matrix((data, columns, indptr), shape=shape)
