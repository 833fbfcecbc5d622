"""How well a score tells held-in pairs from their matches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata


@dataclass(frozen=True)
class AUC:
    """Area under the ROC curve.

    Attributes:
        value: probability that a positive pair scores above a negative one, ties counting half; None where one of the
            two classes has no score.
        error: its standard error; None likewise.
        pairs: pairs with a score, of both classes.
    """

    value: float | None
    error: float | None
    pairs: int


def auc(positive: np.ndarray, score: np.ndarray) -> AUC:
    """The Mann-Whitney statistic over all (positive, negative) pairs of scores. O(n log n).

    The standard error is that of Hanley and McNeil, The meaning and use of the area under a ROC curve, Radiology 1982,
    https://doi.org/10.1148/radiology.143.1.7063747. It takes pairs as independent, which those of one user are not
    quite.

    Args:
        positive: bool [n].
        score: float [n], larger = more likely positive; NaN = no score, left out.
    """
    positive, score = _scored(positive, score)
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    if n_positive == 0 or n_negative == 0:
        return AUC(None, None, len(positive))
    won = rankdata(score)[positive].sum() - n_positive * (n_positive + 1) / 2
    value = float(won / (n_positive * n_negative))
    two_positives, two_negatives = value / (2 - value), 2 * value**2 / (1 + value)
    variance = (
        value * (1 - value)
        + (n_positive - 1) * (two_positives - value**2)
        + (n_negative - 1) * (two_negatives - value**2)
    ) / (n_positive * n_negative)
    return AUC(value, float(np.sqrt(max(variance, 0.0))), len(positive))


def within_user_auc(users: np.ndarray, positive: np.ndarray, score: np.ndarray) -> float | None:
    """Mean over users of the share of (positive, negative) comparisons of that user that the positive wins.

    Ties count half; pairs without a score, and then users without both classes, are left out. O(n log n).

    Args:
        users: int64 [n], in any order.
        positive: bool [n].
        score: float [n]; NaN = no score.

    Returns:
        None where no user is left.
    """
    users = np.asarray(users)[~np.isnan(np.asarray(score, dtype=np.float64))]
    positive, score = _scored(positive, score)
    if len(users) == 0:
        return None
    user = np.unique(users, return_inverse=True)[1]
    # One ranking orders all pairs by user and then by score; tied scores of a user share their mean rank, and what the
    # earlier users add to a rank is taken off again.
    level = np.unique(score, return_inverse=True)[1]
    ranks = rankdata(user.astype(np.int64) * (level.max() + 1) + level)
    n_all = np.bincount(user)
    n_positive = np.bincount(user, weights=positive)
    ranks -= (np.cumsum(n_all) - n_all)[user]
    won = np.bincount(user, weights=ranks * positive) - n_positive * (n_positive + 1) / 2
    comparisons = n_positive * (n_all - n_positive)
    both = comparisons > 0
    return float((won[both] / comparisons[both]).mean()) if both.any() else None


def _scored(positive: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    score = np.asarray(score, dtype=np.float64)
    scored = ~np.isnan(score)
    return np.asarray(positive, dtype=bool)[scored], score[scored]
