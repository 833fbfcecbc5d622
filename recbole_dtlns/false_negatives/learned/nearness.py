"""How near a candidate is to the items of a history: in the two trees, and by the users that items share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from recbole_dtlns.data.blocks import CELLS, blocks, each_block
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.false_negatives.candidates.pair_scores import entries_at
from recbole_dtlns.false_negatives.candidates.ranking import Candidates
from recbole_dtlns.trees.lcp import lcp_similarity

Similarity = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(candidates, history items), int64 [c] each -> float32 [c] from 0 to 1."""
STATISTICS = ("largest", "mean", "mean of 3 largest")
_CHUNK = 1 << 20
"""Comparisons of a candidate with a history item that are held at once."""
_STEPS = 1 << 20


def tree_similarity(codes: np.ndarray) -> Similarity:
    """LCP / shorter length of two items in one tree, from codes int16 [I + 1, D]."""
    return lambda candidates, history: lcp_similarity(codes[candidates], codes[history], "min")


def cosine_similarity(view: TrainSplit) -> Similarity:
    """|U_i & U_j| / sqrt(|U_i| |U_j|), U_i = users of item i.

    The rows of X'X that candidates need are made in blocks and let go: memory O(block). Comparisons that come sorted by
    candidate make each row about once, in time O(sum of squared histories) for all of them.
    """
    transposed = view.matrix.T.tocsr()
    counts = np.maximum(np.diff(transposed.indptr), 1).astype(np.float64)
    width = len(view.items)
    work = np.clip(transposed @ view.history, 1, width).astype(np.int64)  # [I + 1] bound on the co-occurring items

    def similarity(candidates: np.ndarray, history: np.ndarray) -> np.ndarray:
        order = np.argsort(candidates, kind="stable")
        distinct, first = np.unique(candidates[order], return_index=True)
        ends = np.append(first, len(order))
        together = np.zeros(len(candidates), dtype=np.float32)
        for start, stop in blocks(work[distinct], CELLS):
            rows = order[ends[start] : ends[stop]]
            product = transposed[distinct[start:stop]] @ view.matrix
            place = np.searchsorted(distinct[start:stop], candidates[rows])
            together[rows] = entries_at(product, place, history[rows])
        return np.asarray(together / np.sqrt(counts[candidates] * counts[history]), dtype=np.float32)

    return similarity


def history_statistics(view: TrainSplit, candidates: Candidates, similarity: Similarity) -> np.ndarray:
    """Largest, mean, and mean of the three largest similarities of each candidate to its user's history.

    Returns:
        float32 [n, 3] in the order of `STATISTICS`; of fewer than three items, the mean of those. Similarities are
        rounded to one in a million. O(sum over pairs of the history) time, bounded memory. Pairs are compared in the
        order of their items.
    """
    result = np.zeros((len(candidates), len(STATISTICS)), dtype=np.float32)
    order = np.argsort(candidates.items, kind="stable")
    users, items = candidates.users[order], candidates.items[order]
    starts = view.matrix.indptr[users].astype(np.int64)
    lengths = view.history[users]  # above 0: every user of a training view has a pair

    def compare(start: int, stop: int) -> None:
        result[order[start:stop]] = _statistics(
            view.matrix.indices, items[start:stop], starts[start:stop], lengths[start:stop], similarity
        )

    each_block(compare, lengths, _CHUNK)
    return result


def _statistics(
    history: np.ndarray, items: np.ndarray, starts: np.ndarray, lengths: np.ndarray, similarity: Similarity
) -> np.ndarray:
    first = np.cumsum(lengths) - lengths  # [n] where each pair's comparisons start
    pair = np.repeat(np.arange(len(items)), lengths)  # [comparisons]
    compared = history[starts[pair] + np.arange(len(pair)) - first[pair]]
    step = np.rint(np.clip(similarity(items[pair], compared), 0, 1) * (_STEPS - 1)).astype(np.int64)
    step = np.sort(pair * _STEPS + step) - pair * _STEPS  # of each pair the largest last
    value = step / (_STEPS - 1)
    last = first + lengths - 1
    total, taken = np.zeros(len(items)), np.minimum(lengths, 3)
    for back in range(3):
        total += np.where(taken > back, value[np.maximum(last - back, 0)], 0)
    return np.stack([value[last], np.add.reduceat(value, first) / lengths, total / taken], axis=1)
