"""What the learned judge is fitted on: candidates of training splits from which pairs were held in."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from recbole_dtlns.data.tokens import positions
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.false_negatives.candidates.ranking import Candidates
from recbole_dtlns.false_negatives.identification.rebuild import Rebuild
from recbole_dtlns.false_negatives.learned.features import Features, pair_features
from recbole_dtlns.false_negatives.learned.measures import UserPairs
from recbole_dtlns.false_negatives.learned.scorers import affordable_scorers
from recbole_dtlns.false_negatives.report.held_in import HeldIn
from recbole_dtlns.false_negatives.selection import user_hashes
from recbole_dtlns.trees.stage import Trees

logger = logging.getLogger(__name__)

MOST_USERS = 50_000
"""Users that are learnt from; all are judged."""


@dataclass(frozen=True)
class HeldInPairs:
    """Candidates of one held-in split, of users that have held-in pairs.

    Attributes:
        view: the split, without the held-in pairs.
        trees: built from it.
        candidates: n pairs, in its numbering.
        users: in the numbering of the whole training view, int64 [n].
        features: of the pairs, what other judges say left out.
        positive: whether the pair was held in, bool [n].
        n_held_in: held-in pairs of each user of the whole view, int64 [U + 1].
    """

    view: TrainSplit
    trees: Trees
    candidates: Candidates
    users: np.ndarray
    features: Features
    positive: np.ndarray
    n_held_in: np.ndarray

    def by_user(self, most_users: int | None) -> tuple[UserPairs, np.ndarray]:
        """Pairs of (some of) the users, chosen at random with a fixed seed, and the rows they stand in."""
        users = np.unique(self.users)
        if most_users is not None and len(users) > most_users:
            users = np.sort(np.random.default_rng(0).choice(users, most_users, replace=False))
        rows = np.flatnonzero(np.isin(self.users, users))
        number = np.searchsorted(users, self.users[rows])
        return UserPairs(number, self.positive[rows], self.n_held_in[users]), rows


@dataclass(frozen=True)
class Evidence:
    """All that the learned judge reads but for what other judges say. It is made when it is first asked for.

    Attributes:
        view: the training split.
        rebuild: makes trees and candidates of the held-in splits.
        candidates: of the training split.
        trees: of the training split.
        held_in: takes the pairs of the held-in splits out.
        memory_gb: `candidate_memory_gb`.
    """

    view: TrainSplit
    rebuild: Rebuild
    candidates: Candidates
    trees: Trees
    held_in: Callable[[], list[HeldIn]]
    memory_gb: float

    @cached_property
    def _splits(self) -> list[HeldIn]:
        return self.held_in()

    @cached_property
    def _scorers(self) -> tuple[list[str], dict[str, str]]:
        views = (self.view, *(held_in.view for held_in in self._splits))
        return affordable_scorers(views, self.memory_gb, self.rebuild.about(self.view)["source"])

    @property
    def left_out(self) -> dict[str, str]:
        """Scorers that are not read, and why not."""
        return self._scorers[1]

    @cached_property
    def features(self) -> Features:
        """Of the candidates of the training split."""
        codes = self.trees.co.codes, self.trees.se.codes
        return pair_features(self.view, codes, self.candidates, self._scorers[0])

    @cached_property
    def parts(self) -> list[HeldInPairs]:
        """Of each held-in split."""
        made = []
        for held_in in self._splits:
            began = time.perf_counter()
            part = self._part(held_in)
            made.append(part)
            users = np.unique(part.users)
            logger.info(
                "Held-in split %d of %d: %d users, %d of whose %d held-in pairs are among %d candidates; %.1f s.",
                *(len(made), len(self._splits), len(users), part.positive.sum(), part.n_held_in[users].sum()),
                *(len(part.users), time.perf_counter() - began),
            )
        return made

    def _part(self, held_in: HeldIn) -> HeldInPairs:
        view = held_in.view
        in_full = positions(self.view.users, view.users)
        counts = np.bincount(held_in.users, minlength=len(view.users))
        chosen = counts > 0
        if many := chosen.sum() > MOST_USERS:
            hashes = np.where(chosen, user_hashes(view.users), np.iinfo(np.uint64).max)
            chosen[np.argsort(hashes, kind="stable")[MOST_USERS:]] = False
        candidates = self.rebuild.candidates(view, chosen if many else None)
        candidates = candidates.take(chosen[candidates.users])
        trees = self.rebuild.trees(view)
        features = pair_features(view, (trees.co.codes, trees.se.codes), candidates, self._scorers[0])
        width = len(view.items)
        positive = np.isin(candidates.users * width + candidates.items, held_in.users * width + held_in.items)
        full_counts = np.zeros(len(self.view.users), dtype=np.int64)
        full_counts[in_full] = counts
        return HeldInPairs(view, trees, candidates, in_full[candidates.users], features, positive, full_counts)
