"""Several candidate sources at once: the union of their heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from recbole_dtlns.config.budget import Budget
from recbole_dtlns.config.plugins import with_content
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.false_negatives.candidates.ranking import Candidates
from recbole_dtlns.false_negatives.candidates.topk import position_in_run


def settings_of(source: Any) -> dict[str, Any]:
    """What decides the result of a source besides the training split; of one from a plugin also the file's content."""
    return with_content(source.settings(), type(source))


class UnionSource:
    """Takes the first candidate of each source, then the second of each, and so on, each item once for a user.

    The score of a candidate is 1 / (its place + 1): scores of different sources are not on one scale.

    Args:
        parts: sources by name; where two put different items at one rank, the earlier source's comes first.
    """

    def __init__(self, parts: Mapping[str, Any]) -> None:
        self._parts = dict(parts)

    def settings(self) -> dict[str, Any]:
        """What decides the result besides the training split: those of every source."""
        return {name: settings_of(source) for name, source in self._parts.items()}

    def fit(self, view: TrainSplit) -> UnionSource:
        """Fit every source."""
        for source in self._parts.values():
            source.fit(view)
        return self

    def score_block(self, users: np.ndarray) -> np.ndarray:
        """Scores of the first source for users int64 [n], float [n, I + 1]."""
        scores: np.ndarray = next(iter(self._parts.values())).score_block(users)
        return scores

    def item_embeddings(self) -> None:
        """There are none."""

    def top(self, view: TrainSplit, budget: Budget) -> Candidates:
        """As many unseen items of every user as the budget allows, of all sources together. O(n log n)."""
        heads = [source.top(view, budget) for source in self._parts.values()]
        users, items, ranks = (
            np.concatenate([getattr(head, name) for head in heads]) for name in ("users", "items", "ranks")
        )
        number = np.repeat(np.arange(len(heads)), [len(head) for head in heads])
        order = np.lexsort((number, ranks, users))
        first = np.sort(np.unique(users[order] * len(view.items) + items[order], return_index=True)[1])
        users, items = users[order][first], items[order][first]
        places = position_in_run(users)
        kept = places < budget.of(view.history)[users]
        users, items, places = users[kept], items[kept], places[kept]
        return Candidates(users, items, places, (1 / (places + 1)).astype(np.float32), ",".join(self._parts))
