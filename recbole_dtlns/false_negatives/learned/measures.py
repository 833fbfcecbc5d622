"""How well probabilities of held-in pairs are: log loss, AUC and NDCG user by user, and a table of reliability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

from recbole_dtlns.false_negatives.candidates.topk import position_in_run

MEASURES = ("log_loss", "auc", "ndcg@20")
_DEPTH = 20
_EDGES = (0.0, 0.003, 0.01, 0.03, 0.1, 0.3, 0.5, 1.0)
_Z = 1.96  # of a 95 % interval


@dataclass(frozen=True)
class UserPairs:
    """Judged candidates of users who have held-in pairs, sorted by user and then candidate rank.

    Attributes:
        users: a number for each user, int64 [n], without gaps from 0.
        positive: whether the pair was held in, bool [n].
        n_held_in: held-in pairs of each user, candidates or not, int64 [U], above 0.
    """

    users: np.ndarray
    positive: np.ndarray
    n_held_in: np.ndarray

    def measures(self, probability: np.ndarray) -> dict[str, np.ndarray]:
        """Log loss, AUC (NaN without both kinds of pair) and NDCG@20 of each user, float64 [U]. O(n log n)."""
        return {
            "log_loss": self._log_loss(probability),
            "auc": self._auc(probability),
            "ndcg@20": self._ndcg(probability),
        }

    def _log_loss(self, probability: np.ndarray) -> np.ndarray:
        chance = np.clip(probability, 1e-12, 1 - 1e-12)
        loss = -np.where(self.positive, np.log(chance), np.log1p(-chance))
        return self._mean(loss)

    def _mean(self, values: np.ndarray) -> np.ndarray:
        return np.bincount(self.users, weights=values) / np.maximum(np.bincount(self.users), 1)

    def _auc(self, probability: np.ndarray) -> np.ndarray:
        """Share of (held-in, other) comparisons that the held-in pair wins; ties count half."""
        level = np.unique(probability, return_inverse=True)[1].astype(np.int64)
        ranks = rankdata(self.users * (level.max(initial=0) + 1) + level)
        pairs = np.bincount(self.users)
        ranks -= (np.cumsum(pairs) - pairs)[self.users]
        positives = np.bincount(self.users, weights=self.positive)
        won = np.bincount(self.users, weights=ranks * self.positive) - positives * (positives + 1) / 2
        comparisons = positives * (pairs - positives)
        return np.divide(won, comparisons, out=np.full(len(pairs), np.nan), where=comparisons > 0)

    def _ndcg(self, probability: np.ndarray) -> np.ndarray:
        """Of the candidates in the order of their probability; of equal ones the better candidate rank first."""
        order = np.lexsort((np.arange(len(probability)), -probability, self.users))
        place = position_in_run(self.users[order])
        gain = np.where(self.positive[order] & (place < _DEPTH), 1 / np.log2(place + 2.0), 0)
        best = np.cumsum(1 / np.log2(np.arange(_DEPTH) + 2.0))
        ideal = best[np.minimum(self.n_held_in, _DEPTH) - 1]
        return np.bincount(self.users[order], weights=gain, minlength=len(self.n_held_in)) / ideal


def mean_interval(values: np.ndarray) -> dict[str, float | None]:
    """Mean of float64 [U] over users, NaN left out, with its 95 % interval (normal); None where nothing is left."""
    measured = values[~np.isnan(values)]
    if len(measured) < 2:
        return {"value": float(measured[0]) if len(measured) else None, "low": None, "high": None}
    mean, error = float(measured.mean()), float(measured.std(ddof=1) / np.sqrt(len(measured)))
    return {"value": mean, "low": mean - _Z * error, "high": mean + _Z * error}


def reliability(probability: np.ndarray, positive: np.ndarray) -> list[dict[str, Any]]:
    """Predicted against found, by bins of probability: `low`, `high`, `pairs`, `predicted`, `found` of each bin.

    Args:
        probability: float64 [n] from 0 to 1; NaN is left out.
        positive: bool [n].
    """
    measured = ~np.isnan(probability)
    probability, positive = probability[measured], positive[measured]
    place = np.clip(np.searchsorted(_EDGES, probability, side="right") - 1, 0, len(_EDGES) - 2)
    pairs = np.bincount(place, minlength=len(_EDGES) - 1)
    predicted = np.bincount(place, weights=probability, minlength=len(pairs))
    true = np.bincount(place, weights=positive, minlength=len(pairs))
    return [
        {
            "low": _EDGES[bin_],
            "high": _EDGES[bin_ + 1],
            "pairs": int(pairs[bin_]),
            "predicted": float(predicted[bin_] / pairs[bin_]),
            "found": float(true[bin_] / pairs[bin_]),
        }
        for bin_ in np.flatnonzero(pairs).tolist()
    ]
