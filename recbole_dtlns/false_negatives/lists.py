"""Judged lists: how likely each of a user's best candidates is a false negative, as a soft target for training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.false_negatives.candidates.ranking import Candidates
from recbole_dtlns.false_negatives.candidates.topk import best_of_rows


@dataclass(frozen=True)
class JudgedLists:
    """The best judged candidates of each user, as tokens, sorted by user and then from the likeliest on.

    Attributes:
        users: tokens, str [n].
        items: tokens, str [n].
        values: float32 [n], larger = likelier, never negative: a probability, or where no judge was asked the
            candidate source's score as a share of the user's best.
    """

    users: np.ndarray
    items: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.users)

    @classmethod
    def from_values(cls, view: TrainSplit, candidates: Candidates, values: np.ndarray, size: int) -> JudgedLists:
        """The `size` best candidates of each user; of equal ones the better candidate rank. O(n log n).

        Args:
            view: the numbering of the candidates.
            candidates: n pairs.
            values: float64 [n]; NaN = no verdict, left out, as are values that are not above 0.
            size: longest list.
        """
        rows = np.flatnonzero(values > 0)  # NaN is not
        return cls._best(view, candidates.take(rows), values[rows], size)

    @classmethod
    def whole(cls, view: TrainSplit, candidates: Candidates, values: np.ndarray) -> JudgedLists:
        """All candidates of each user in the judge's order; of equal ones the better candidate rank. O(n log n).

        Args:
            view: the numbering of the candidates.
            candidates: n pairs.
            values: float64 [n], not below 0; NaN = no verdict, which counts as 0.
        """
        return cls._best(view, candidates, np.nan_to_num(values), len(candidates))

    @classmethod
    def _best(cls, view: TrainSplit, candidates: Candidates, values: np.ndarray, size: int) -> JudgedLists:
        picked, _ = best_of_rows(candidates.users, values.astype(np.float32), np.full(len(view.users), size))
        best = candidates.take(picked)
        return cls(view.users[best.users], view.items[best.items], values[picked].astype(np.float32))


def share_of_best(users: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Score of each candidate as a share of its user's best score, float64 [n] from 0 to 1; 0 for negative scores.

    Where a judge only hands candidates through, this is what is left to learn from: the source's order.

    Args:
        users: int64 [n].
        scores: float [n].
    """
    scores = np.maximum(scores.astype(np.float64), 0)
    best = np.zeros(int(users.max(initial=0)) + 1)
    np.maximum.at(best, users, scores)
    return np.divide(scores, best[users], out=np.zeros_like(scores), where=best[users] > 0)
