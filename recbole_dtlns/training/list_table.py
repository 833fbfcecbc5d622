"""Judged lists in RecBole's internal ids, one row a user."""

from __future__ import annotations

from typing import Any

import numpy as np

from recbole_dtlns.data.tokens import internal_ids
from recbole_dtlns.false_negatives.lists import JudgedLists


def list_table(dataset: Any, lists: JudgedLists) -> tuple[np.ndarray, np.ndarray]:
    """The lists as two tables; L is the length of the longest list. O(n log n).

    Args:
        dataset: of RecBole; every user and item of the lists is in its training part.
        lists: sorted by user.

    Returns:
        Items int32 [U, L] and their values float32 [U, L], both 0 behind the end of a list.
    """
    users, items = internal_ids(dataset, "user", lists.users), internal_ids(dataset, "item", lists.items)
    lengths = np.bincount(users, minlength=dataset.user_num)
    first = np.concatenate([[True], lists.users[1:] != lists.users[:-1]]) if len(lists) else np.zeros(0, dtype=bool)
    starts = np.flatnonzero(first)
    places = np.arange(len(users)) - np.repeat(starts, np.diff([*starts, len(users)]))
    shape = (dataset.user_num, int(lengths.max(initial=0)))
    table, values = np.zeros(shape, dtype=np.int32), np.zeros(shape, dtype=np.float32)
    table[users, places], values[users, places] = items, lists.values
    return table, values
