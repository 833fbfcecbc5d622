"""Gradient-boosted trees over the features of held-in pairs, one model for each fold of users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

FOLDS = 4
_SETTINGS: dict[str, Any] = {
    "max_iter": 300,
    "learning_rate": 0.1,
    "max_leaf_nodes": 31,
    "min_samples_leaf": 50,
    "early_stopping": True,
    "validation_fraction": 0.1,
    "n_iter_no_change": 10,
}


@dataclass(frozen=True)
class LearnedModel:
    """Models that each saw all users but a fold, with a boosting seed of their own; they answer by their mean.

    Attributes:
        models: the models, fold by fold.
    """

    models: tuple[Any, ...]

    @property
    def sizes(self) -> list[int]:
        """Boosted trees of each model."""
        return [int(model.n_iter_) for model in self.models]

    def probability(self, values: np.ndarray) -> np.ndarray:
        """Features float32 [n, F] -> probability that a pair is a held-in one, float64 [n]."""
        return np.mean([model.predict_proba(values)[:, 1] for model in self.models], axis=0)


def folds_of_users(users: np.ndarray, folds: int = FOLDS, seed: int = 0) -> np.ndarray:
    """The fold of each pair, int64 [n] from 0 to folds - 1, for users int64 [n]; pairs of a user share it."""
    distinct, place = np.unique(users, return_inverse=True)
    return np.asarray(np.random.default_rng(seed).permutation(len(distinct))[place] % folds)


def fit_folds(values: np.ndarray, positive: np.ndarray, folds: np.ndarray) -> tuple[LearnedModel, np.ndarray]:
    """Fit a model to all folds but one, for each fold.

    Log loss, so that what comes out is a probability; the number of trees is chosen on a tenth of the rows. The result
    does not depend on the number of threads.

    Args:
        values: features, float32 [n, F].
        positive: bool [n], whether the pair was held in; both kinds in all folds but any one.
        folds: int64 [n].

    Returns:
        The models, and for each pair the answer of the one that has not seen its user, float64 [n].
    """
    models, unseen = [], np.zeros(len(values))
    for fold in range(int(folds.max(initial=0)) + 1):
        own = folds == fold
        model = HistGradientBoostingClassifier(**_SETTINGS, random_state=fold).fit(values[~own], positive[~own])
        models.append(model)
        if own.any():
            unseen[own] = model.predict_proba(values[own])[:, 1]
    return LearnedModel(tuple(models)), unseen
