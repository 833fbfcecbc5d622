"""Gradient-boosted trees over the features of held-in pairs, one model for each fold of users."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_info, threadpool_limits

FOLDS = 4
LEAST = 10
"""Pairs of either kind without which no model can be fitted."""
_KNOWN = 200  # values of a feature without which it is not read; scikit-learn fails on none in its sample
_COPIES, _MEMORY = 24, 2e9  # bytes that a fit takes for each number it reads, and what all fits at once may take
SETTINGS: dict[str, Any] = {
    "max_iter": 600,
    "learning_rate": 0.05,
    "max_leaf_nodes": 15,
    "max_features": 0.5,
    "early_stopping": True,
    "validation_fraction": 0.1,
    "n_iter_no_change": 10,
}
"""Of scikit-learn's booster, chosen on valid of amazon-sports by `benchmarks/learned_judge.py`."""


def rows_of_a_leaf(n_rows: int) -> int:
    """Fewest rows that a leaf may hold: one of 500, from 10 to 300."""
    return int(np.clip(n_rows // 500, 10, 300))


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
        if not len(values):
            return np.zeros(0)
        return np.mean([_answers(model, values) for model in self.models], axis=0)


def folds_of_users(users: np.ndarray, folds: int = FOLDS, seed: int = 0) -> np.ndarray:
    """The fold of each pair, int64 [n] from 0 to folds - 1, for users int64 [n]; pairs of a user share it."""
    distinct, place = np.unique(users, return_inverse=True)
    return np.asarray(np.random.default_rng(seed).permutation(len(distinct))[place] % folds)


def can_be_fitted(positive: np.ndarray, folds: np.ndarray) -> bool:
    """Whether all folds but any one hold at least `LEAST` pairs of both kinds; for bool [n] and int64 [n]."""
    count = np.stack([np.bincount(folds, weights=kind) for kind in (positive, ~positive)])  # [2, folds]
    others = count.sum(axis=1, keepdims=True) - count
    return others.size > 0 and bool(others.min() >= LEAST)


def fit_folds(
    values: np.ndarray, positive: np.ndarray, folds: np.ndarray, **changed: Any
) -> tuple[LearnedModel, np.ndarray]:
    """Fit a model to all folds but one, for each fold.

    Log loss, so that what comes out is a probability; the number of trees is chosen on a tenth of the rows. Each model
    is fitted on one thread, as its sums would depend on how many there are; several models are fitted at once where
    OpenMP has several threads and memory allows it.

    Args:
        values: features, float32 [n, F].
        positive: bool [n], whether the pair was held in; see `can_be_fitted`.
        folds: int64 [n].
        changed: settings of the booster in place of those in `SETTINGS`.

    Returns:
        The models, and for each pair the answer of the one that has not seen its user, float64 [n].
    """

    def fitted(fold: int) -> tuple[Any, np.ndarray]:
        own = folds == fold
        others = values[~own]  # a copy
        others[:, (~np.isnan(others)).sum(axis=0) < min(_KNOWN, len(others))] = 0
        with threadpool_limits(1, "openmp"):
            leaf = rows_of_a_leaf(len(others))
            model = HistGradientBoostingClassifier(
                **{**SETTINGS, "min_samples_leaf": leaf, "random_state": fold, **changed}
            )
            model.fit(others, positive[~own])
            return model, _answers(model, values[own]) if own.any() else np.zeros(0)

    numbers, unseen = range(int(folds.max(initial=0)) + 1), np.zeros(len(values))
    workers = min(_threads(), int(_MEMORY / (_COPIES * max(values.size, 1))), len(numbers))
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        results = list(pool.map(fitted, numbers))
    for fold, (_, answers) in enumerate(results):
        unseen[folds == fold] = answers
    return LearnedModel(tuple(model for model, _ in results)), unseen


def _answers(model: Any, values: np.ndarray) -> np.ndarray:
    with threadpool_limits(1, "openmp"):  # more of them gain little and lose much where other programs run
        return np.asarray(model.predict_proba(values)[:, 1])


def _threads() -> int:
    """Threads that OpenMP may use."""
    return max((library["num_threads"] for library in threadpool_info() if library["user_api"] == "openmp"), default=1)
