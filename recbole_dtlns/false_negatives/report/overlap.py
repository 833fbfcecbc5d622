"""Inferred positives against held-out pairs: found and expected by chance. For reporting after a run, nothing else."""

from __future__ import annotations

import numpy as np

SURE = 10.0
"""Overlap by chance from which none at all looks filtered."""


def overlap_with(
    held_users: np.ndarray,
    held_items: np.ndarray,
    inferred_users: np.ndarray,
    inferred_items: np.ndarray,
    n_items: int,
    train_counts: np.ndarray,
) -> tuple[int, float]:
    """Count the held-out pairs among the inferred positives, and what random unseen items would give.

    chance = sum over users of |inferred| |held| / (n_items - |train|). Repeated pairs count once; both sides use one
    numbering, any.

    Args:
        held_users: users of the held-out pairs, int64 [h].
        held_items: their items, int64 [h].
        inferred_users: users of the inferred positives, int64 [n].
        inferred_items: their items, int64 [n].
        n_items: number of items to draw from, without padding.
        train_counts: training items of each user, int64 [users]; users beyond its end have none.

    Returns:
        (hits, chance). O((h + n) log(h + n)).
    """
    held_out, inferred = _distinct(held_users, held_items), _distinct(inferred_users, inferred_items)
    both = np.concatenate([held_out, inferred])
    hits = len(both) - len(np.unique(both, axis=0))
    size = max(len(train_counts), int(both[:, 0].max(initial=-1)) + 1)
    train = np.zeros(size)
    train[: len(train_counts)] = train_counts
    expected = np.bincount(held_out[:, 0], minlength=size) * np.bincount(inferred[:, 0], minlength=size)
    unseen = np.maximum(n_items - train, 1)  # 0 only for users with no unseen item, who have no inferred one either
    return hits, float((expected / unseen).sum())


def looks_filtered(hits: int, chance: float) -> bool:
    """Whether held-out pairs seem to have been filtered out: none found where chance expects 10 or more."""
    return hits == 0 and chance >= SURE


def _distinct(users: np.ndarray, items: np.ndarray) -> np.ndarray:
    pairs = np.stack([users, items], axis=1).astype(np.int64)  # [n, 2]
    return np.unique(pairs, axis=0)
