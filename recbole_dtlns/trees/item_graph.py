"""Which items are consumed by the same users: the Jaccard graph of the training matrix."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import sparse
from tqdm import tqdm

BLOCK_ENTRIES = 1 << 22  # co-occurrences counted at once: some 300 MB while they are weighed
_QUIET = {"disable": None, "leave": False, "delay": 2}  # a bar only on a terminal and for work that lasts


def jaccard_graph(
    train: sparse.csr_matrix, max_neighbors: int | None = None, block_entries: int = BLOCK_ENTRIES
) -> sparse.csr_matrix:
    """Weigh every pair of items by the share of their users that is common: w_ij = c_ij / (d_i + d_j - c_ij).

    Time O(sum over users of history^2). Memory O(block_entries) beside the result, whose size is bounded by the same
    sum without `max_neighbors` and by 2 x I x max_neighbors with it. One core weighs some 12
    million co-occurrences a second, 4 million with the cap. Long histories cost most of it: see `shortened_histories`.

    Args:
        train: CSR [U, I], no padding row or column; every stored non-zero counts as one interaction.
        max_neighbors: keep the strongest neighbours of each item, ties by lowest index. A pair stays when either end
            keeps it, so that the graph remains symmetric; an item may then have more.
        block_entries: bound on the co-occurrences counted at once; one item alone may exceed it.

    Returns:
        Symmetric float32 CSR [I, I] with an empty diagonal and sorted indices; no item is padding.

    Source: structural view of DTL-NS, section "dual trees"; `encoding.py` L56-75 of the authors' code.
    """
    users_items = _binary(train)
    items_users = users_items.T.tocsr()
    degree = np.diff(items_users.indptr)
    blocks = [sparse.csr_matrix((0, train.shape[1]), dtype=np.float32)]
    for start, stop in tqdm(list(_blocks(users_items, items_users, block_entries)), "item graph", **_QUIET):
        counts = items_users[start:stop] @ users_items
        counts.sort_indices()
        weights = _jaccard_rows(counts, start, degree)
        blocks.append(weights if max_neighbors is None else _strongest(weights, max_neighbors))
    graph = sparse.vstack(blocks, format="csr")
    if max_neighbors is not None:
        graph = graph.maximum(graph.T.tocsr()).tocsr()
    graph.sort_indices()
    return graph


def strongest_links(
    train: sparse.csr_matrix, rows: np.ndarray, columns: np.ndarray, keep: int, block_entries: int = BLOCK_ENTRIES
) -> sparse.csr_matrix:
    """The strongest links of some items to some others, weighed as in `jaccard_graph`.

    Time O(sum over users of their items in `rows` x their items in `columns`), memory O(block_entries) beside the
    result of len(rows) x keep entries at most.

    Args:
        train: CSR [U, I], no padding row or column; every stored non-zero counts as one interaction.
        rows: items whose links are wanted, int64 [n].
        columns: items that they may be linked to, int64 [m]; none of them is in `rows`.
        keep: links of each item that stay, ties by lowest column.
        block_entries: bound on the co-occurrences counted at once.

    Returns:
        float32 CSR [n, m] with sorted indices.
    """
    users_items = _binary(train)
    degree = np.bincount(users_items.indices, minlength=train.shape[1])
    others, own = users_items[:, columns], users_items[:, rows].T.tocsr()
    blocks = [sparse.csr_matrix((0, len(columns)), dtype=np.float32)]
    for start, stop in _blocks(others, own, block_entries):
        counts = own[start:stop] @ others
        counts.sort_indices()
        entries = np.repeat(np.arange(start, stop), np.diff(counts.indptr))
        either = degree[rows[entries]] + degree[columns[counts.indices]] - counts.data
        counts.data = (counts.data / either).astype(np.float32)
        blocks.append(_strongest(counts, keep))
    return sparse.vstack(blocks, format="csr")


def cooccurrence_bound(train: sparse.csr_matrix) -> int:
    """Upper bound of the entries in the graph without a cap, diagonal included: min(I^2, sum of history^2). O(U)."""
    history = np.diff(train.indptr).astype(np.int64)
    return int(min(train.shape[1] ** 2, np.sum(history**2)))


def _binary(train: sparse.csr_matrix) -> sparse.csr_matrix:
    matrix = sparse.csr_matrix(train, copy=True)
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return sparse.csr_matrix((np.ones(matrix.nnz, dtype=np.int32), matrix.indices, matrix.indptr), shape=matrix.shape)


def _blocks(
    users_items: sparse.csr_matrix, items_users: sparse.csr_matrix, block_entries: int
) -> Iterator[tuple[int, int]]:
    """Item ranges whose co-occurrence rows hold at most `block_entries` entries, by the bound sum of histories."""
    history = np.diff(users_items.indptr).astype(np.int64)
    before = np.concatenate([[0], np.cumsum(history[items_users.indices])])[items_users.indptr]  # [I + 1]
    start, n_items = 0, items_users.shape[0]
    while start < n_items:
        stop = int(np.searchsorted(before, before[start] + block_entries, side="right")) - 1
        stop = min(max(stop, start + 1), n_items)
        yield start, stop
        start = stop


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
