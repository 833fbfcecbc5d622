"""Gradient-boosted trees over the features of held-in pairs, one model for each fold of users."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from recbole_dtlns.data.blocks import openmp_threads
from recbole_dtlns.errors import UserError

FOLDS = 4
NEGATIVES = 10
"""Pairs that were not held in, for each one that was, that a model reads where held-in pairs are rare."""
RARE = 20
"""Held-in pairs are rare where fewer than one pair of so many is one; each fold then has two models."""
_MODELS = 2
LEAST = 10
"""Pairs of either kind without which no model can be fitted."""
_KNOWN = 200  # values of a feature without which it is not read; scikit-learn fails on none in its sample
_COPIES, _ANSWERED = 24, 12  # bytes that a fit takes for each number it reads, and for each that it answers
_MEMORY = 2e9  # bytes that all fits at once may take
_BLOCK = 100_000  # pairs that a thread answers at a time
_ROWS = 5_000  # pairs that each boosted tree answers at a time: their features stay in the processor's cache
SETTINGS: dict[str, Any] = {
    "max_iter": 600,
    "max_leaf_nodes": 15,
    "max_features": 0.5,
    "early_stopping": True,
    "validation_fraction": 0.1,
    "n_iter_no_change": 10,
}
"""Of scikit-learn's booster, chosen on valid of amazon-sports by `benchmarks/learned_judge.py`."""
RATE, RATE_OF_RARE = 0.05, 0.2
"""Learning rates. Where held-in pairs are rare, twice as many models answer: there the higher rate is as good on valid,
with a third of the boosted trees (amazon-sports). Elsewhere it is worse (ml-100k)."""


def rows_of_a_leaf(n_rows: int) -> int:
    """Fewest rows that a leaf may hold: one of 500, from 10 to 300."""
    return int(np.clip(n_rows // 500, 10, 300))


@dataclass(frozen=True)
class Booster:
    """A model fitted on all held-in pairs and a share of the others.

    Attributes:
        model: scikit-learn's.
        share: of the pairs that were not held in, those that the model has read.
    """

    model: Any
    share: float

    def probability(self, values: np.ndarray) -> np.ndarray:
        """Features float32 [n, F] -> probability that a pair is a held-in one, float64 [n].

        What a model that reads a share w of the negatives answers, a, is put right: w a / (w a + 1 - a) (He et al.
        2014, Practical Lessons from Predicting Clicks on Ads at Facebook, section 6.3).
        """
        if not len(values):
            return np.zeros(0)
        with threadpool_limits(1, "openmp"):  # more of them gain little and lose much where other programs run
            blocks = np.array_split(values, -(-len(values) // _ROWS))
            answers = np.concatenate([self.model.predict_proba(block)[:, 1] for block in blocks])
        return np.asarray(self.share * answers / (1 - (1 - self.share) * answers))


@dataclass(frozen=True)
class LearnedModel:
    """Models that each saw all users but a fold, with a boosting seed of their own; they answer by their mean.

    Attributes:
        boosters: the models, fold by fold.
    """

    boosters: tuple[Booster, ...]

    @property
    def sizes(self) -> list[int]:
        """Boosted trees of each model."""
        return [int(booster.model.n_iter_) for booster in self.boosters]

    def probability(self, values: np.ndarray) -> np.ndarray:
        """Features float32 [n, F] -> probability that a pair is a held-in one, float64 [n].

        Blocks of pairs are answered at once by as many threads as OpenMP has.
        """

        def answered(block: np.ndarray) -> np.ndarray:
            return np.asarray(np.mean([booster.probability(block) for booster in self.boosters], axis=0))

        blocks = np.array_split(values, max(1, len(values) // _BLOCK))
        with ThreadPoolExecutor(openmp_threads()) as pool:
            return np.concatenate(list(pool.map(answered, blocks)))


def folds_of_users(users: np.ndarray, folds: int = FOLDS, seed: int = 0) -> np.ndarray:
    """The fold of each pair, int64 [n] from 0 to folds - 1, for users int64 [n]; pairs of a user share it."""
    distinct, place = np.unique(users, return_inverse=True)
    return np.asarray(np.random.default_rng(seed).permutation(len(distinct))[place] % folds)


def can_be_fitted(positive: np.ndarray, folds: np.ndarray) -> bool:
    """Whether all folds but any one hold at least `LEAST` pairs of both kinds; for bool [n] and int64 [n]."""
    count = np.stack([np.bincount(folds, weights=kind) for kind in (positive, ~positive)])  # [2, folds]
    others = count.sum(axis=1, keepdims=True) - count
    return others.size > 0 and bool(others.min() >= LEAST)


def check_enough(positive: np.ndarray, folds: np.ndarray) -> None:
    """Refuse pairs of which too few are held in, or too few are not; for bool [n] and int64 [n].

    Raises:
        UserError: no fold could be left out, see `can_be_fitted`.
    """
    if can_be_fitted(positive, folds):
        return
    raise UserError(
        "judge=learned, the start value of dtl_ns, learns from candidates that are held-in training pairs, and "
        f"{int(positive.sum())} of {len(positive)} are. Expected at least {LEAST} that are and {LEAST} that "
        "are not in every part of the users: give more data, a larger candidate_topk, or another judge, such "
        "as --judge=rule."
    )


def fit_folds(
    values: np.ndarray, positive: np.ndarray, folds: np.ndarray, every_pair: bool = False, **changed: Any
) -> tuple[LearnedModel, np.ndarray]:
    """Fit models to all folds but one, for each fold.

    Log loss, so that what comes out is a probability; the number of trees is chosen on a tenth of the rows. Where
    held-in pairs are rare, a fold has two models, and each reads all held-in pairs and its own random few of the
    others. Elsewhere one model reads every pair. Each model is fitted on one thread, as its sums would depend on how
    many there are; several models are fitted at once where OpenMP has several threads and memory allows it.

    Args:
        values: features, float32 [n, F].
        positive: bool [n], whether the pair was held in; see `can_be_fitted`.
        folds: int64 [n].
        every_pair: read every pair in any case, so that none of the few that a judge was asked about is left out.
        changed: settings of the booster in place of those in `SETTINGS`.

    Returns:
        The models, and for each pair the answer of those that have not seen its user, float64 [n].
    """
    rare = not every_pair and positive.mean() * RARE < 1
    models = range(_MODELS if rare else 1)
    tasks = [(fold, FOLDS * number + fold) for fold in range(int(folds.max(initial=0)) + 1) for number in models]

    rate = RATE_OF_RARE if rare else RATE

    def fitted(task: tuple[int, int]) -> tuple[Booster, np.ndarray]:
        fold, seed = task
        rows, share = _rows_to_read(positive, np.flatnonzero(folds != fold), seed if rare else None)
        read = values[rows]  # a copy
        read[:, (~np.isnan(read)).sum(axis=0) < min(_KNOWN, len(read))] = 0
        own = {"learning_rate": rate, "min_samples_leaf": rows_of_a_leaf(len(read)), "random_state": seed}
        with threadpool_limits(1, "openmp"):
            model = HistGradientBoostingClassifier(**{**SETTINGS, **own, **changed}).fit(read, positive[rows])
        booster = Booster(model, share)
        return booster, booster.probability(values[folds == fold])

    rows_read = (NEGATIVES + 1) * positive.sum() if rare else len(values)
    rows_answered = np.bincount(folds).max(initial=0)
    bytes_of_fit = max(_COPIES * rows_read, _ANSWERED * rows_answered) * values.shape[1]
    workers = min(openmp_threads(), int(_MEMORY / max(bytes_of_fit, 1)), len(tasks))
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        results = list(pool.map(fitted, tasks))
    unseen = np.zeros(len(values))
    for (fold, _), (_, answers) in zip(tasks, results, strict=True):
        unseen[folds == fold] += answers / len(models)
    return LearnedModel(tuple(booster for booster, _ in results)), unseen


def _rows_to_read(positive: np.ndarray, rows: np.ndarray, seed: int | None) -> tuple[np.ndarray, float]:
    """These rows and 1; with a seed all that are held in, some of the others, and the share of the others."""
    if seed is None:
        return rows, 1.0
    held_in, others = rows[positive[rows]], rows[~positive[rows]]
    wanted = min(NEGATIVES * len(held_in), len(others))
    chosen = np.random.default_rng(seed).choice(others, wanted, replace=False)
    return np.sort(np.concatenate([held_in, chosen])), wanted / len(others)
