"""Token pairs as integers, so that they can be compared and sorted fast."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

Pairs = tuple[np.ndarray, np.ndarray]


def pair_codes(parts: Iterable[Pairs]) -> list[np.ndarray]:
    """Number pairs over all parts at once: equal pairs get equal codes, and codes sort as (user, item) does.

    Args:
        parts: user and item arrays [E] of each part, all str or all integer; repeated pairs are allowed.

    Returns:
        int64 [E] for each part. O(E log E) in total.
    """
    parts = list(parts)
    items = np.unique(np.concatenate([items for _, items in parts]), return_inverse=True)
    users = np.unique(np.concatenate([users for users, _ in parts]), return_inverse=True)
    codes = users[1].astype(np.int64) * max(len(items[0]), 1) + items[1]
    return np.split(codes, np.cumsum([len(part[0]) for part in parts])[:-1])
