"""A control for inferred positives and judged lists: as many random unseen items."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from recbole_dtlns.data.tokens import positions
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.data.unseen import random_unseen
from recbole_dtlns.false_negatives.candidates.ranking import Candidates
from recbole_dtlns.false_negatives.inferred import InferredPositives

SEED = 0
"""Of the control: what it draws follows from the training tokens and from how many positives each user has."""


def random_instead(view: TrainSplit, inferred: InferredPositives) -> InferredPositives:
    """Replace each user's inferred positives by as many random unseen items of train.

    Probabilities and weights stay with their user and go to the new items at random. An inferred positive may be drawn
    again by chance.

    Args:
        view: the training split.
        inferred: pairs of users of train that are not in train, none twice, n of them.

    Returns:
        n pairs that are not in train, none twice, sorted as strings by user then item. O(n log n + E).
    """
    users = positions(view.users, inferred.users)
    order = np.argsort(users, kind="stable")  # random_unseen gives items user by user
    counts = np.bincount(users, minlength=len(view.users))
    items = np.empty(len(users), dtype=np.int64)
    items[order] = random_unseen(view.matrix, counts, np.random.default_rng(SEED))
    order = np.lexsort((items, users))  # numbers sort as tokens do
    return InferredPositives(
        inferred.users[order], view.items[items[order]], inferred.probability[order], inferred.weight[order]
    )


def random_candidates(view: TrainSplit, candidates: Candidates) -> Candidates:
    """Replace each user's candidates by as many random unseen items of train; ranks and scores stay. O(n log n + E)."""
    counts = np.bincount(candidates.users, minlength=len(view.users))
    items = random_unseen(view.matrix, counts, np.random.default_rng(SEED))  # user by user, as candidates are
    return replace(candidates, items=items)
