"""Held-in pairs, each beside an unseen item of the same user that is as popular."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from recbole_dtlns.data.blocks import CELLS, blocks
from recbole_dtlns.data.tokens import positions
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.false_negatives.candidates.ranking import Candidates, ranked_by_order
from recbole_dtlns.false_negatives.report.held_in import HeldIn

_NEAREST = 4
"""Free items, nearest in popularity on one side, among which chance decides."""
_HALF_WINDOW = 16
"""Places of the popularity order looked at on either side at first; doubled for a pair that finds nothing."""


@dataclass(frozen=True)
class ReportPairs:
    """What every judge is asked.

    Attributes:
        candidates: held-in pairs and their matches in the numbering of the reduced split, by user and item number, so
            that their order says nothing; ranks and scores only follow that order. Source "held-in".
        positive: whether a pair is a held-in one, bool [n]; half of them are.
        lost: held-in pairs of the chosen users that found no match: their users have seen everything else.
    """

    candidates: Candidates
    positive: np.ndarray
    lost: int


def report_pairs(held_in: HeldIn, full: TrainSplit, limit: int, seed: int = 0) -> ReportPairs:
    """Choose held-in pairs and match each with an unseen item of its user.

    Whole users are chosen, in an order given by a hash of their tokens, as long as their pairs and matches fit into
    `limit`; a user with more than that alone is passed over. A larger limit adds users and changes nothing else.

    A match is an item of the reduced split that is not in the user's full training history and not yet a match of the
    user: one, by chance, of the free items nearest in the order of popularity (count in the reduced split, ties in
    random order); a coin decides between more and less popular ones. O(m log E) for m chosen pairs, bounded memory.

    Args:
        held_in: the reduced split and the pairs taken out.
        full: the training split that they were taken from.
        limit: most pairs, matches included.
        seed: of the choice of users and of the matches.
    """
    rng = np.random.default_rng(seed)
    order = _popularity_order(held_in.view, rng)
    chance = rng.random(len(held_in.users))  # for all pairs, so that the limit does not change anybody's match
    chosen = _whole_users(held_in, limit // 2, seed)
    users, items = held_in.users[chosen], held_in.items[chosen]
    matches = _matches(users, items, chance[chosen], order, _history_codes(held_in.view, full))
    matched = matches > 0
    users, items, matches = users[matched], items[matched], matches[matched]
    everyone, everything = np.tile(users, 2), np.concatenate([items, matches])
    by_pair = np.lexsort((everything, everyone))
    candidates, _ = ranked_by_order(everyone[by_pair], everything[by_pair], "held-in")
    return ReportPairs(candidates, by_pair < len(users), int((~matched).sum()))


def popularity(view: TrainSplit) -> np.ndarray:
    """Training users of each item, int64 [I + 1]; 0 for padding."""
    return np.bincount(view.matrix.indices, minlength=len(view.items))


def _popularity_order(view: TrainSplit, rng: np.random.Generator) -> np.ndarray:
    """All items from rare to popular, int64 [I], those of one count in random order."""
    return np.lexsort((rng.random(view.n_items), popularity(view)[1:])) + 1


def _history_codes(view: TrainSplit, full: TrainSplit) -> np.ndarray:
    """Codes user * (I + 1) + item of all training pairs in the numbering of `view`, sorted int64."""
    users = np.repeat(positions(view.users, full.users), full.history)
    items = positions(view.items, full.items)[full.matrix.indices]
    return np.sort((users * len(view.items) + items)[items > 0])


def _whole_users(held_in: HeldIn, limit: int, seed: int) -> np.ndarray:
    """Numbers of the held-in pairs, int64 in rising order, of users who have at most `limit` of them together."""
    users, which, counts = np.unique(held_in.users, return_inverse=True, return_counts=True)
    digests = [blake2b(f"{seed} {token}".encode(), digest_size=16).digest() for token in held_in.view.users[users]]
    order = np.array(sorted(range(len(users)), key=digests.__getitem__), dtype=np.int64)
    order = order[counts[order] <= limit]
    taken = np.zeros(len(users), dtype=bool)
    taken[order[np.cumsum(counts[order]) <= limit]] = True
    return np.flatnonzero(taken[which])


def _matches(
    users: np.ndarray, items: np.ndarray, chance: np.ndarray, order: np.ndarray, taken: np.ndarray
) -> np.ndarray:
    """A free item for each pair, int64 [m]; 0 where there is none.

    In each round every open pair draws; of two that draw the same item for the same user the first one gets it, and
    the others draw again. A pair that has seen the whole order and found nothing is given up.
    """
    size = len(order) + 1
    place = np.zeros(size, dtype=np.int64)
    place[order] = np.arange(len(order))
    matches = np.zeros(len(users), dtype=np.int64)
    pending, half = np.arange(len(users)), _HALF_WINDOW
    while len(pending):
        drawn = np.zeros(len(pending), dtype=np.int64)
        for start, stop in blocks(np.full(len(pending), 2 * half), CELLS):
            rows = pending[start:stop]
            drawn[start:stop] = _draw(users[rows], place[items[rows]], chance[rows], half, order, taken)
        matched = np.flatnonzero(drawn)
        codes, first = np.unique(users[pending[matched]] * size + drawn[matched], return_index=True)
        matches[pending[matched[first]]] = drawn[matched[first]]
        taken = np.union1d(taken, codes)
        hopeless = (drawn == 0) & (half >= len(order))
        pending = pending[(matches[pending] == 0) & ~hopeless]
        half = min(2 * half, len(order))
    return matches


def _draw(
    users: np.ndarray, places: np.ndarray, chance: np.ndarray, half: int, order: np.ndarray, taken: np.ndarray
) -> np.ndarray:
    """One of the nearest free items for each pair, int64 [n]; 0 where the window holds none.

    The first half of chance decides between more and less popular ones: users have seen more of the popular items, so
    the nearest free ones of both sides together would be too rare.
    """
    side = np.where(chance < 0.5, -1, 1)
    within = 2 * chance % 1
    drawn = _draw_on_side(users, places, side, within, half, order, taken)
    open_pairs = np.flatnonzero(drawn == 0)
    if len(open_pairs):
        drawn[open_pairs] = _draw_on_side(
            users[open_pairs], places[open_pairs], -side[open_pairs], within[open_pairs], half, order, taken
        )
    return drawn


def _draw_on_side(
    users: np.ndarray,
    places: np.ndarray,
    side: np.ndarray,
    chance: np.ndarray,
    half: int,
    order: np.ndarray,
    taken: np.ndarray,
) -> np.ndarray:
    at = places[:, None] + side[:, None] * np.arange(1, half + 1)  # [n, half], nearest first
    inside = (at >= 0) & (at < len(order))
    items = order[np.clip(at, 0, len(order) - 1)]
    codes = users[:, None] * (len(order) + 1) + items
    free = inside & (taken[np.minimum(np.searchsorted(taken, codes), len(taken) - 1)] != codes)
    nth = np.cumsum(free, axis=1)  # [n, half]: the how manyth free item
    among = np.minimum(nth[:, -1], _NEAREST)
    wanted = 1 + (chance * among).astype(np.int64)
    column = np.argmax(nth >= wanted[:, None], axis=1)
    return np.where(among > 0, items[np.arange(len(users)), column], 0)
