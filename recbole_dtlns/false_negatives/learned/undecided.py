"""Which pairs a costly judge is asked about: those that its answer could move into a user's list or out of it."""

from __future__ import annotations

import numpy as np

from recbole_dtlns.false_negatives.candidates.topk import position_in_run

_SIDE = 5  # pairs on either side of the end of a user's list


def undecided_pairs(users: np.ndarray, probability: np.ndarray, accepted: np.ndarray, limit: int) -> np.ndarray:
    """Choose at most so many pairs, those nearest to the end of their user's list, of the least decided users first.

    A user's pairs stand in the order of their probability p; the list ends after the last accepted one. The five pairs
    on either side of that place are asked about together, so that all questions about a user share what they begin
    with. Users come in the order of the sum of p (1 - p) over these pairs, the largest first. Where all users fit, more
    pairs of each are taken. O(n log n).

    Args:
        users: int64 [n], sorted.
        probability: by the judge that has not asked yet, float64 [n].
        accepted: what that judge would accept, bool [n].
        limit: most pairs that are chosen.

    Returns:
        bool [n].
    """
    order = np.lexsort((np.arange(len(users)), -probability, users))
    place = np.empty(len(users), dtype=np.int64)
    place[order] = position_in_run(users[order])
    number = np.unique(users, return_inverse=True)[1]
    length = np.bincount(number, weights=accepted).astype(np.int64)[number]
    from_end = np.where(place < length, length - place, place - length + 1)  # 1 = next to the end of the list
    side, furthest = _SIDE, int(from_end.max(initial=0))
    while side < furthest and np.count_nonzero(from_end <= 2 * side) <= limit:
        side *= 2
    near = from_end <= side
    doubt = np.bincount(number, weights=np.where(near, probability * (1 - probability), 0.0))
    pairs = np.bincount(number, weights=near).astype(np.int64)
    ranked = np.lexsort((np.arange(len(doubt)), -np.round(doubt, 12)))
    within = np.zeros(len(doubt), dtype=bool)
    within[ranked] = np.cumsum(pairs[ranked]) <= limit
    return np.asarray(near & within[number], dtype=bool)
