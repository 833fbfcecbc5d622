"""Training pairs and prefixes of RecBole's sequential data sets, whose rows are (prefix, length, target).

The first interaction of a user is in prefixes alone, never a target. So what a user has in train is every target and
every item of a prefix of the training part. Other data sets have no prefixes, and their pairs are their rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_CELLS = 1 << 22  # entries of prefixes looked at together


def prefix_field(part: Any) -> str | None:
    """Name of the column with the items before the target, int64 [E, L], 0 behind its end; None without one."""
    field = getattr(part, f"{part.iid_field}_list_field", None)
    return field if field in part.inter_feat.columns else None


def interactions(part: Any) -> tuple[np.ndarray, np.ndarray]:
    """What the rows of a built part tell: users and items, int64 [n] each, in internal ids.

    Without prefixes these are the rows themselves, repeated pairs included. With them, each distinct pair of a user
    and a target or an item of a prefix, sorted: O(E L) time, in blocks of rows.
    """
    users = part.inter_feat[part.uid_field].numpy()
    items = part.inter_feat[part.iid_field].numpy()
    field = prefix_field(part)
    if field is None:
        return users, items
    prefixes = part.inter_feat[field]
    n_items, step = part.item_num, max(1, _CELLS // max(1, prefixes.shape[1]))
    pair_codes = [np.unique(users.astype(np.int64) * n_items + items)]
    for start in range(0, len(users), step):
        block = prefixes[start : start + step].numpy()
        codes = users[start : start + step, None].astype(np.int64) * n_items + block
        pair_codes.append(np.unique(codes[block > 0]))
    codes = np.unique(np.concatenate(pair_codes))
    return codes // n_items, codes % n_items


def longest_rows(part: Any) -> np.ndarray:
    """Row with the longest prefix of each user, of equal ones the last: int64 [U]; -1 for a user without a row."""
    users = part.inter_feat[part.uid_field].numpy()
    lengths = part.inter_feat[part.item_list_length_field].numpy()
    order = np.lexsort((lengths, users))  # stable, so the last of equal ones stays last
    rows = np.full(part.user_num, -1, dtype=np.int64)
    last = np.flatnonzero(np.diff(users[order], append=-1))
    rows[users[order][last]] = order[last]
    return rows
