"""What the split that is really used looks like: counts and identity."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from recbole_dtlns.data.pair_codes import Pairs, pair_codes
from recbole_dtlns.data.split_files import PARTS
from recbole_dtlns.data.train_split import TrainSplit


@dataclass(frozen=True)
class SplitStatistics:
    """Counts of one split, padding not counted.

    Attributes:
        users: distinct users over the three parts.
        items: distinct items over the three parts.
        train: interactions (rows) of train.
        valid: interactions of valid.
        test: interactions of test.
        density: distinct pairs over users x items.
        users_outside_train: users of valid or test without a training interaction.
        items_outside_train: items of valid or test without a training interaction.
    """

    users: int
    items: int
    train: int
    valid: int
    test: int
    density: float
    users_outside_train: int
    items_outside_train: int

    def lines(self) -> list[str]:
        """The lines for the log: what was counted, then what train does not hold, if anything."""
        lines = [
            f"The split in use: {self.users} users, {self.items} items, density {self.density:.4%}.",
            f"Interactions: {self.train} train, {self.valid} valid, {self.test} test.",
        ]
        if self.users_outside_train or self.items_outside_train:
            lines.append(f"Not in train: {self.users_outside_train} users, {self.items_outside_train} items.")
        return lines


def split_statistics(parts: Mapping[str, Pairs]) -> SplitStatistics:
    """Count a split.

    Args:
        parts: user and item arrays [E] under `train`, `valid` and `test`; tokens (str) or ids (integer) throughout.

    O(E log E).
    """
    pairs = [parts[part] for part in PARTS]
    users, new_users = _distinct([users for users, _ in pairs])
    items, new_items = _distinct([items for _, items in pairs])
    distinct_pairs = len(np.unique(np.concatenate(pair_codes(pairs))))
    return SplitStatistics(
        users=users,
        items=items,
        train=len(pairs[0][0]),
        valid=len(pairs[1][0]),
        test=len(pairs[2][0]),
        density=distinct_pairs / max(users * items, 1),
        users_outside_train=new_users,
        items_outside_train=new_items,
    )


def split_hash(parts: Mapping[str, Pairs]) -> str:
    """SHA-256 over the sorted token pairs of train, valid and test, whatever their order in the files. O(E log E).

    Args:
        parts: user and item tokens, str [E] each, under `train`, `valid` and `test`. Not RecBole's numbers, which
            change with the order of lines.

    Raises:
        TypeError: arrays of numbers.
    """
    digest = hashlib.sha256()
    for part in PARTS:
        users, items = parts[part]
        if not all(column.dtype.kind in "UO" for column in (users, items)):
            raise TypeError(f"{part} holds {users.dtype} and {items.dtype}; expected tokens (str).")
        digest.update(TrainSplit.from_pairs(users, items).train_hash.encode())
    return digest.hexdigest()


def _distinct(columns: list[np.ndarray]) -> tuple[int, int]:
    """How many distinct values all columns hold, and how many of them the first does not."""
    total = len(np.unique(np.concatenate(columns)))
    return total, total - len(np.unique(columns[0]))
