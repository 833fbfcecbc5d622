"""The models fitted on train whose scores the learned judge reads."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, Self

import numpy as np

from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.false_negatives.candidates.ease import EASE
from recbole_dtlns.false_negatives.candidates.item_knn import ItemKNN
from recbole_dtlns.false_negatives.candidates.low_pass import LowPass
from recbole_dtlns.false_negatives.candidates.ranking import Candidates
from recbole_dtlns.false_negatives.candidates.rp3beta import RP3beta
from recbole_dtlns.false_negatives.candidates.user_knn import UserKNN

logger = logging.getLogger(__name__)


class Scorer(Protocol):
    """A model that learns from the training split alone and scores single pairs."""

    def settings(self) -> dict[str, Any]:
        """What decides the scores besides the training split."""
        ...

    def memory_gb(self, view: TrainSplit) -> float:
        """What the scorer takes at its peak, in GiB; 0 where it works in blocks."""
        ...

    def fit(self, view: TrainSplit) -> Self:
        """Learn from the split."""
        ...

    def score_pairs(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Scores of pairs int64 [n], users sorted -> float32 [n], 0 where the model has no score."""
        ...


SCORERS: dict[str, Callable[[], Scorer]] = {
    "EASE 100": lambda: EASE(100.0),
    "EASE 1000": lambda: EASE(1000.0),
    "ItemKNN": ItemKNN,
    "RP3beta": RP3beta,
    "UserKNN": UserKNN,
    "LowPass 64": lambda: LowPass(64),
    "LowPass 256": lambda: LowPass(256),
}
_MOST_WORK = 4e9  # products of UserKNN, some minutes


def affordable_scorers(
    views: tuple[TrainSplit, ...], memory_gb: float, source: Mapping[str, Any]
) -> tuple[list[str], dict[str, str]]:
    """Names of the scorers that are computed, and of the others, why not.

    Args:
        views: training splits that all are fitted on; a scorer that one of them has no room for is left out.
        memory_gb: `candidate_memory_gb`.
        source: settings of the candidate source, or of several, by name. A scorer that is the same is left out: the
            judge reads its scores as those of the source.
    """
    left_out: dict[str, str] = {}
    for name, make in SCORERS.items():
        needed = max(make().memory_gb(view) for view in views)
        if needed > memory_gb:
            left_out[name] = f"needs {needed:.2g} GB, candidate_memory_gb={memory_gb:g} allows less"
    work = max(UserKNN.work(view) for view in views)
    if work > _MOST_WORK:
        left_out["UserKNN"] = f"needs {work:.1g} products, more than {_MOST_WORK:.1g}"
    for name, reason in left_out.items():
        logger.warning("The learned judge leaves the scorer %s out: it %s.", name, reason)
    if len(source) == 1:
        same = [name for name, make in SCORERS.items() if source.get(type(make()).__name__) == make().settings()]
        left_out |= dict.fromkeys(same, "is the candidate source itself")
    return [name for name in SCORERS if name not in left_out], left_out


def fitted_scores(names: list[str], view: TrainSplit, candidates: Candidates) -> Iterator[tuple[str, np.ndarray]]:
    """Name and scores, float32 [n], of one scorer after the other; a fitted one is let go before the next."""
    for name in names:
        yield name, SCORERS[name]().fit(view).score_pairs(candidates.users, candidates.items)
