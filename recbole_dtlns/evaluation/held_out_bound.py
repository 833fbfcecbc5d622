"""Whether pairs made elsewhere hold more held-out pairs than train could explain (docs/evaluation.md)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from recbole_dtlns.config.budget import Budget
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.false_negatives.candidates.ease import EASE
from recbole_dtlns.false_negatives.candidates.item_knn import ItemKNN
from recbole_dtlns.false_negatives.candidates.ranking import Candidates
from recbole_dtlns.false_negatives.candidates.user_knn import UserKNN

logger = logging.getLogger(__name__)

KNOWS_HELD_OUT = "pairs made elsewhere are no copy of "
"""How the names of these checks begin."""
ODDS = 2.5
"""How many times the odds of the best train-only head an honest judge may reach."""
DEVIATIONS, SPARE = 5.0, 5.0


@dataclass(frozen=True)
class Explained:
    """Pairs of a file against train-only heads of equal size.

    Attributes:
        pairs: distinct pairs of the file.
        hits: those that are held out.
        source: the train-only source whose head has the most held-out pairs.
        head: how many that head has.
    """

    pairs: int
    hits: int
    source: str
    head: int

    @property
    def bound(self) -> float:
        """The most hits that train explains.

        The head's share p = (head + 1) / (pairs + 2) has odds p / (1 - p); q is the share with `ODDS` times these. The
        bound is n q + 5 sqrt(n q (1 - q)) + 5: five standard deviations of n draws above q, and 5 for small files.
        """
        share = (self.head + 1) / (self.pairs + 2)
        odds = ODDS * share / (1 - share)
        allowed = odds / (1 + odds)
        return float(self.pairs * allowed + DEVIATIONS * np.sqrt(self.pairs * allowed * (1 - allowed)) + SPARE)

    @property
    def looks_held_out(self) -> bool:
        """Whether the file seems to know the held-out pairs."""
        return self.hits > self.bound


class TrainHeads:
    """The first pairs of train-only sources, as many of each user as a file has.

    Args:
        view: the training split.
        users: users of the file's pairs in its numbering, int64 [n], without 0.
        items: their items, int64 [n], without 0.
        memory_gb: EASE is left out where it needs more.
    """

    def __init__(self, view: TrainSplit, users: np.ndarray, items: np.ndarray, memory_gb: float) -> None:
        self._width = view.n_items + 1
        self._pairs = np.unique(users.astype(np.int64) * self._width + items)
        counts = np.bincount(self._pairs // self._width, minlength=view.n_users + 1)
        self._heads = {name: self._codes(top, counts) for name, top in _tops(view, int(counts.max()), memory_gb)}

    def explain(self, users: np.ndarray, items: np.ndarray) -> Explained:
        """Count the held-out pairs in the file and in the heads.

        Args:
            users: users of held-out pairs in the view's numbering, int64 [h]; 0 = not in train.
            items: their items, int64 [h]; 0 = not in train.
        """
        codes_held_out = users.astype(np.int64) * self._width + items
        codes_held_out = codes_held_out[(users > 0) & (items > 0)]
        hits = {name: int(np.isin(codes, codes_held_out).sum()) for name, codes in self._heads.items()}
        best = max(hits, key=lambda name: hits[name])
        return Explained(len(self._pairs), int(np.isin(self._pairs, codes_held_out).sum()), best, hits[best])

    def _codes(self, top: Candidates, counts: np.ndarray) -> np.ndarray:
        """Pairs of the head, int64 [<= n]."""
        first = top.ranks < counts[top.users]
        return top.users[first].astype(np.int64) * self._width + top.items[first]


def _tops(view: TrainSplit, longest: int, memory_gb: float) -> Iterator[tuple[str, Candidates]]:
    for kind in (EASE, ItemKNN, UserKNN):
        if kind is EASE and EASE.memory_gb(view) > memory_gb:
            logger.info("EASE does not fit in candidate_memory_gb=%g: the leak check does without its head.", memory_gb)
            continue
        yield kind.__name__, kind().fit(view).top(view, Budget(longest))
