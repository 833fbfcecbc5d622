"""Shorter histories for judges that read them item by item."""

from __future__ import annotations

import logging

import numpy as np
from scipy import sparse

from recbole_dtlns.data.blocks import blocks
from recbole_dtlns.false_negatives.candidates.topk import position_in_run
from recbole_dtlns.trees.lcp import lcp_similarity

logger = logging.getLogger(__name__)
_CELLS = 1 << 20


def nearest_history(
    matrix: sparse.csr_matrix, co: np.ndarray, se: np.ndarray, users: np.ndarray, items: np.ndarray, most: int
) -> sparse.csr_matrix:
    """Cut long histories down to the items whose codes are nearest to the user's candidates.

    Nearness of a history item = the sum over the user's candidates of its larger similarity in the two trees; ties go
    to the smaller code, then to the smaller item number. What a judge is asked then follows from the cut history, so
    the verdict store needs no other key.

    Args:
        matrix: histories, CSR [U + 1, I + 1].
        co: structural codes, int16 [I + 1, D].
        se: semantic codes, int16 [I + 1, D'].
        users: of the candidate pairs, int64 [n], sorted.
        items: int64 [n].
        most: items that a history may have.

    Returns:
        Histories of the same shape; those of users without candidates are left as they are. O(history x candidates x
        depth) for each user who is cut.
    """
    lengths = np.diff(matrix.indptr)
    asked = np.bincount(users, minlength=len(lengths))
    long_users = np.flatnonzero((lengths > most) & (asked > 0))
    if not len(long_users):
        return matrix
    logger.info(
        "%d of %d users have more than %d items: the judge reads those nearest to the candidates (llm_max_history).",
        *(len(long_users), np.count_nonzero(asked), most),
    )
    first = np.cumsum(asked) - asked
    order = _code_order(co, se)
    kept = np.ones(matrix.nnz, dtype=bool)
    for start, stop in blocks((lengths * asked)[long_users], _CELLS):
        block = long_users[start:stop]
        places = _spans(matrix.indptr[block], lengths[block])  # [h]: entries of the matrix
        owners = np.repeat(np.arange(len(block)), lengths[block])
        nearness = _nearness(matrix.indices[places], owners, items, first[block], asked[block], (co, se))
        ranked = np.lexsort((matrix.indices[places], order[matrix.indices[places]], -nearness, owners))
        kept[places[ranked[position_in_run(owners[ranked]) >= most]]] = False
    rows = np.repeat(np.arange(len(lengths)), lengths)[kept]
    shape = matrix.shape
    return sparse.csr_matrix((np.ones(len(rows), dtype=matrix.dtype), (rows, matrix.indices[kept])), shape=shape)


def _nearness(
    history: np.ndarray,
    owners: np.ndarray,
    items: np.ndarray,
    first: np.ndarray,
    asked: np.ndarray,
    views: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """Sum of similarities of each history item [h] to the candidates of its user, rounded so that order is stable."""
    each = asked[owners]  # [h]
    repeated = np.repeat(np.arange(len(history)), each)
    against = items[_spans(first[owners], each)]
    best = np.maximum(*(lcp_similarity(codes[history[repeated]], codes[against]) for codes in views))
    return np.round(np.bincount(repeated, best.astype(np.float64), minlength=len(history)), 6)


def _spans(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """starts[k], starts[k] + 1, ... (lengths[k] of them) for each k in turn, int64 [sum of lengths]."""
    lengths = lengths.astype(np.int64)
    begin = np.cumsum(lengths) - lengths
    return np.arange(lengths.sum()) - np.repeat(begin, lengths) + np.repeat(starts.astype(np.int64), lengths)


def _code_order(co: np.ndarray, se: np.ndarray) -> np.ndarray:
    """Place of each item's code among all, int64 [I + 1]; equal codes share one."""
    return np.unique(np.concatenate([co, se], axis=1), axis=0, return_inverse=True)[1].reshape(-1)
