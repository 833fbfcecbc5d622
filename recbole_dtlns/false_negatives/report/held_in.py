"""A part of the training pairs taken out, before anything is built, to see whether a judge finds them again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recbole_dtlns.data.split_files import choose_share
from recbole_dtlns.data.tokens import positions
from recbole_dtlns.data.train_split import TrainSplit


@dataclass(frozen=True)
class HeldIn:
    """A reduced training split and the pairs that were taken out of it.

    Attributes:
        view: the training split without the held-in pairs, in a numbering and with a `train_hash` of its own.
        users: users of the held-in pairs in the numbering of `view`, int64 [m], in rising order; never 0.
        items: their items, int64 [m]; never 0.
        dropped: held-in pairs left out because `view` does not have the item any more.
    """

    view: TrainSplit
    users: np.ndarray
    items: np.ndarray
    dropped: int


def hold_in(full: TrainSplit, seed: int = 0, parts: int = 10, least: int = 2) -> HeldIn:
    """Take one of `parts` of each user's training pairs out: at least one, but none of a user with fewer than `least`.

    The choice depends on the set of training pairs and the seed alone. O(E log E).
    """
    users = np.repeat(np.arange(len(full.users)), full.history)  # [E]
    items = full.matrix.indices.astype(np.int64)
    out = choose_share(users, users * len(full.items) + items, seed, parts, least)
    view = full.without(out)
    held_users = positions(view.users, full.users)[users[out]]
    held_items = positions(view.items, full.items)[items[out]]
    in_reduced = (held_users > 0) & (held_items > 0)
    return HeldIn(view, held_users[in_reduced], held_items[in_reduced], int((~in_reduced).sum()))
