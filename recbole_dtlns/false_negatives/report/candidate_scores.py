"""What the candidate source thinks of any unseen pairs: the row that a judge must beat."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from recbole_dtlns.data.blocks import CELLS, blocks
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.false_negatives.candidates.ranking import ScoreBlock
from recbole_dtlns.false_negatives.candidates.sources import (
    OTHER_SOURCES,
    CandidateSettings,
    CandidateSource,
    resolve_source,
)
from recbole_dtlns.false_negatives.candidates.union_source import settings_of
from recbole_dtlns.files.cache import StageCache, content_key

_STAGE = "report_scores"
_REVISION = 2


def pair_scores(
    view: TrainSplit,
    users: np.ndarray,
    items: np.ndarray,
    settings: CandidateSettings,
    source: CandidateSource | None,
    cache: StageCache,
) -> np.ndarray | None:
    """Minus the rank of each pair among all unseen items of its user, by the candidate source fitted on `view`.

    Ranks and not scores, as scores of different users need not be on one scale. Tied items share their mean rank: those
    that ItemKNN gives no score are all last.

    Args:
        view: the reduced training split.
        users: int64 [n], in the numbering of `view`, in any order.
        items: int64 [n], likewise; not in train.
        settings: as for `find_candidates`; EASE gives way to ItemKNN by the same rule.
        source: a source of one's own under the name `settings.source`, not fitted yet; None for one in `SOURCES`.
        cache: keeps the result, under the split, the source and the pairs.

    Returns:
        float64 [n], larger = better; NaN where the source has no number. None for a candidate file, which cannot be
        fitted on another split.

    Raises:
        UserError: an unknown source or bad options.
    """
    if settings.source in OTHER_SOURCES:
        return None
    name, source = resolve_source(settings, view, source)
    pairs = hashlib.sha256(np.stack([users, items]).astype("<i8").tobytes()).hexdigest()
    decided_by: dict[str, Any] = {"train_hash": view.train_hash, "source": name, "settings": settings_of(source)}
    decided_by |= {"pairs": pairs, "revision": _REVISION}
    key = content_key(_STAGE, decided_by)
    arrays = cache.load(_STAGE, key)
    if arrays is None:
        arrays = {"scores": -mean_ranks(view, users, items, source.fit(view).score_block)}
        cache.save(_STAGE, key, arrays, decided_by)
    return arrays["scores"]


def mean_ranks(
    view: TrainSplit, users: np.ndarray, items: np.ndarray, score_block: ScoreBlock, block_cells: int = CELLS
) -> np.ndarray:
    """Rank of each pair among the unseen items of its user, 0 = best; ties share their mean rank.

    Time O(n I) and O(users I) scores, memory O(block_cells). `block_cells` never changes the result.

    Args:
        view: the training split.
        users: int64 [n], in any order.
        items: int64 [n].
        score_block: dense scores of users; NaN = no number.
        block_cells: cells of a block.

    Returns:
        float64 [n]; NaN for a pair that is in train or has no number.
    """
    order = np.argsort(users, kind="stable")
    distinct, counts = np.unique(users, return_counts=True)
    ends = np.cumsum(counts)
    ranks = np.full(len(users), np.nan)
    for start, stop in blocks((counts + 1) * len(view.items), block_cells):
        scores = _unseen(view, distinct[start:stop], np.asarray(score_block(distinct[start:stop])))
        pairs = order[ends[start] - counts[start] : ends[stop - 1]]
        rows = scores[np.repeat(np.arange(stop - start), counts[start:stop])]  # [pairs, I + 1]
        own = rows[np.arange(len(pairs)), items[pairs]][:, None]
        tied = (rows == own).sum(axis=1)  # the pair itself is one of them; 0 for NaN
        ranks[pairs] = np.where(tied > 0, (rows > own).sum(axis=1) + (tied - 1) / 2, np.nan)
    return ranks


def _unseen(view: TrainSplit, users: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """A copy of scores [n, I + 1] with NaN for padding and train."""
    seen = view.matrix[users]
    scores = scores.astype(np.float32)
    scores[:, 0] = np.nan
    scores[np.repeat(np.arange(len(users)), np.diff(seen.indptr)), seen.indices] = np.nan
    return scores
