"""Who earned its place: what each group of features is worth to the learned judge."""

from __future__ import annotations

from typing import Any

import numpy as np

from recbole_dtlns.false_negatives.learned.features import GROUPS, Features
from recbole_dtlns.false_negatives.learned.measures import MEASURES, UserPairs, mean_interval
from recbole_dtlns.false_negatives.learned.model import can_be_fitted, fit_folds, folds_of_users

_FOLDS = 2  # two fits a row of the table


def worth_of_groups(features: Features, pairs: UserPairs, every_pair: bool) -> list[dict[str, Any]] | None:
    """What is lost when a group of features is left out, and what it is worth when it is all there is.

    Each row of the table is fitted anew on half of the users and measured on the other half, and the other way round.
    Every split may look at all features, so that rows do not differ by which ones chance has let it see.

    Args:
        features: of n held-in candidate pairs.
        pairs: the same n pairs.
        every_pair: whether each fit reads all pairs, see `fit_folds`.

    Returns:
        A row for `all` and for each group that there is: `group`, `features` (how many), and under `all`, `alone` and
        `without` a measure each (`measures.MEASURES`): its mean over users with a 95 % interval. Under `lost` the
        difference of `without` from `all`, user by user, above 0 where the group helps (of log loss: `without` less
        `all`; of the others `all` less `without`). None where there are too few held-in pairs to fit on half of them.
    """
    present = [group for group in GROUPS if group in features.groups]
    folds = folds_of_users(pairs.users, folds=_FOLDS)
    if not can_be_fitted(pairs.positive, folds):
        return None

    def measured(groups: set[str]) -> dict[str, np.ndarray]:
        return _measured(features, features.columns(groups), pairs, folds, every_pair)

    everything = measured(set(present))
    rows: list[dict[str, Any]] = [{"group": "all", "features": len(features.names), "all": _summary(everything)}]
    for group in present:
        alone, without = measured({group}), measured(set(present) - {group})
        lost = _gain(everything, without)
        rows.append(
            {
                "group": group,
                "features": len(features.columns({group})),
                "alone": _summary(alone),
                "without": _summary(without),
                "lost": _summary(lost),
            }
        )
    return rows


def worth_of_judges(
    features: Features, names: list[str], pairs: UserPairs, asked: np.ndarray
) -> dict[str, dict[str, Any]] | None:
    """What the scores of some judges add to everything else, measured as in `worth_of_groups`.

    Args:
        features: of n held-in candidate pairs, the scores of judges among them.
        names: of the judges.
        pairs: the same n pairs.
        asked: whether the judges were asked about the pair, bool [n].

    Returns:
        Under `all users` and under `users asked about` a measure each: how much better the judge is with the scores,
        the mean over these users with a 95 % interval. None where there are too few held-in pairs.
    """
    folds = folds_of_users(pairs.users, folds=_FOLDS)
    if not can_be_fitted(pairs.positive, folds):
        return None
    scores = [features.names.index(f"judge {name}") for name in names]
    every = np.arange(len(features.names))
    gain = _gain(*(_measured(features, read, pairs, folds, True) for read in (every, np.setdiff1d(every, scores))))
    users = np.bincount(pairs.users, weights=asked) > 0
    return {
        "all users": _summary(gain),
        "users asked about": _summary({name: values[users] for name, values in gain.items()}),
    }


def _measured(
    features: Features, columns: np.ndarray, pairs: UserPairs, folds: np.ndarray, every_pair: bool
) -> dict[str, np.ndarray]:
    """Measures by user of the models that read some columns."""
    values = features.values[:, columns]
    return pairs.measures(fit_folds(values, pairs.positive, folds, every_pair, max_features=1.0)[1])


def _gain(more: dict[str, np.ndarray], less: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """By how much each user is served better; of log loss, lower is better."""
    gain = {name: more[name] - less[name] for name in MEASURES}
    return {**gain, "log_loss": -gain["log_loss"]}


def _summary(measures: dict[str, np.ndarray]) -> dict[str, dict[str, float | None]]:
    return {name: mean_interval(values) for name, values in measures.items()}
