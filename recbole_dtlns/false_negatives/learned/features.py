"""What the learned judge reads of a candidate pair, by name and group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.false_negatives.candidates.ranking import Candidates
from recbole_dtlns.false_negatives.learned.nearness import (
    STATISTICS,
    Similarity,
    cosine_similarity,
    history_statistics,
    tree_similarity,
)
from recbole_dtlns.false_negatives.learned.scorers import fitted_scores
from recbole_dtlns.false_negatives.lists import share_of_best

SOURCE, SCORES, POPULARITY = "candidate source", "other scorers", "popularity"
STRUCTURAL, SEMANTIC, JUDGES = "structural tree", "semantic tree", "judges"
GROUPS = (SOURCE, SCORES, POPULARITY, STRUCTURAL, SEMANTIC, JUDGES)
"""Kinds of evidence, in the order of the report."""


@dataclass(frozen=True)
class Features:
    """Columns of numbers about n candidate pairs.

    Attributes:
        names: of the columns.
        groups: the group of each, of `GROUPS`.
        values: float32 [n, F]; NaN = not known, which the model takes as such.
    """

    names: tuple[str, ...]
    groups: tuple[str, ...]
    values: np.ndarray

    def columns(self, groups: set[str]) -> np.ndarray:
        """Positions of the columns of some groups, int64 [k]."""
        return np.flatnonzero([group in groups for group in self.groups])

    def with_judges(self, raw: Mapping[str, np.ndarray]) -> Features:
        """The same and what other judges say: raw scores float64 [n] by name, NaN = not asked."""
        columns = [scores.astype(np.float32)[:, None] for scores in raw.values()]
        names = tuple(f"judge {name}" for name in raw)
        groups = (*self.groups, *[JUDGES] * len(raw))
        return Features((*self.names, *names), groups, np.concatenate([self.values, *columns], axis=1))


def pair_features(
    view: TrainSplit,
    codes: tuple[np.ndarray, np.ndarray] | None,
    candidates: Candidates,
    scorers: list[str],
) -> Features:
    """Features of candidate pairs, from the training split alone.

    Of the candidate source and of each scorer: the score, and the score as a share of the best of the user's
    candidates. Rank; log of the item's and of the user's number of pairs; the cosine of the candidate to the history
    and its nearness in each tree (`nearness.STATISTICS`; a largest nearness of 1 means a shared leaf). What other
    judges say is added by `Features.with_judges`.

    A model that is fitted on one split answers about another, where items and histories have more pairs. So scores and
    cosines are multiples of their mean size over the candidates, and logs are differences from their mean.

    Args:
        view: the training split.
        codes: of the structural and the semantic tree, int16 [I + 1, D] each; None = no trees.
        candidates: n pairs.
        scorers: names in `SCORERS`.

    Returns:
        float32 [n, F]. Time: that of fitting the scorers, of scoring the candidates (`score_pairs`), and of comparing
        each candidate with its user's history; memory O(n F) and a bounded block.
    """
    with threadpool_limits(1, "blas"):  # several threads give other last digits, and with them another judge
        columns = _columns(view, codes, candidates, scorers)
        parts = [(name, group, values.astype(np.float32)) for name, group, values in columns]
    names, groups, values = zip(*parts, strict=True)
    return Features(names, groups, np.stack(values, axis=1))


def _columns(
    view: TrainSplit,
    codes: tuple[np.ndarray, np.ndarray] | None,
    candidates: Candidates,
    scorers: list[str],
) -> Iterator[tuple[str, str, np.ndarray]]:
    yield "source score", SOURCE, _of_mean(candidates.scores)
    yield "source share", SOURCE, share_of_best(candidates.users, candidates.scores)
    yield "source rank", SOURCE, candidates.ranks
    for name, scores in fitted_scores(scorers, view, candidates):
        yield f"{name} score", SCORES, _of_mean(scores)
        yield f"{name} share", SCORES, share_of_best(candidates.users, scores)
    for name, group, values in _near("cosine", SCORES, view, candidates, cosine_similarity(view)):
        yield name, group, _of_mean(values)
    counts = np.bincount(view.matrix.indices, minlength=len(view.items))
    yield "log item count", POPULARITY, _from_mean(np.log1p(counts[candidates.items]))
    yield "log history length", POPULARITY, _from_mean(np.log1p(view.history[candidates.users]))
    for group, table in zip((STRUCTURAL, SEMANTIC), codes or (), strict=False):
        yield from _near(group, group, view, candidates, tree_similarity(table))


def _of_mean(values: np.ndarray) -> np.ndarray:
    """Numbers float [n] as multiples of their mean size, float64 [n]; as they are where all are 0."""
    size = np.abs(values, dtype=np.float64).mean() if len(values) else 0.0
    return values / (size or 1.0)


def _from_mean(values: np.ndarray) -> np.ndarray:
    """Numbers float [n] as differences from their mean."""
    return values - values.mean() if len(values) else values


def _near(
    name: str, group: str, view: TrainSplit, candidates: Candidates, similarity: Similarity
) -> Iterator[tuple[str, str, np.ndarray]]:
    values = history_statistics(view, candidates, similarity)
    for number, statistic in enumerate(STATISTICS):
        yield f"{name} {statistic}", group, values[:, number]
