"""Who earned its place: what each group of features is worth to the learned judge."""

from __future__ import annotations

from typing import Any

import numpy as np

from recbole_dtlns.false_negatives.learned.features import GROUPS, Features
from recbole_dtlns.false_negatives.learned.measures import MEASURES, UserPairs, mean_interval
from recbole_dtlns.false_negatives.learned.model import can_be_fitted, fit_folds, folds_of_users

_FOLDS = 2  # two fits a row of the table


def worth_of_groups(features: Features, pairs: UserPairs) -> list[dict[str, Any]] | None:
    """What is lost when a group of features is left out, and what it is worth when it is all there is.

    Each row of the table is fitted anew on half of the users and measured on the other half, and the other way round.
    Every split may look at all features, so that rows do not differ by which ones chance has let it see.

    Args:
        features: of n held-in candidate pairs.
        pairs: the same n pairs.

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
        columns = features.columns(groups)
        return pairs.measures(fit_folds(features.values[:, columns], pairs.positive, folds, max_features=1.0)[1])

    everything = measured(set(present))
    rows: list[dict[str, Any]] = [{"group": "all", "features": len(features.names), "all": _summary(everything)}]
    for group in present:
        alone, without = measured({group}), measured(set(present) - {group})
        lost = {name: everything[name] - without[name] for name in MEASURES}
        lost["log_loss"] = -lost["log_loss"]
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


def _summary(measures: dict[str, np.ndarray]) -> dict[str, dict[str, float | None]]:
    return {name: mean_interval(values) for name, values in measures.items()}
