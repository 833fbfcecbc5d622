"""Random unseen items."""

import numpy as np
import pytest
from scipy import sparse

from recbole_dtlns.data.unseen import random_unseen


def seen_matrix(lists: list[list[int]], n_items: int) -> sparse.csr_matrix:
    """One list of items a user; items from 1 to n_items."""
    dense = np.zeros((len(lists), n_items + 1), dtype=np.int8)
    for user, items in enumerate(lists):
        dense[user, items] = 1
    return sparse.csr_matrix(dense)


@pytest.mark.parametrize("density", [0.0, 0.1, 0.5, 0.95])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.6, 1.0])
def test_items_are_unseen_distinct_and_as_many_as_asked_for(density: float, share: float) -> None:
    rng = np.random.default_rng(0)
    dense = rng.random((40, 31)) < density
    dense[:, 0] = False
    free = 30 - dense.sum(axis=1)
    counts = np.floor(share * free * rng.random(40)).astype(int) if share < 1 else free
    chosen = random_unseen(sparse.csr_matrix(dense), counts, rng)
    assert len(chosen) == counts.sum()
    users = np.repeat(np.arange(40), counts)
    assert not dense[users, chosen].any()
    assert chosen.min(initial=1) >= 1
    assert len(np.unique(users * 31 + chosen)) == len(chosen)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_every_order_of_every_choice_is_equally_likely(count: int) -> None:
    seen = seen_matrix([[2, 5]] * 6000, 6)  # unseen: 1, 3, 4, 6
    chosen = random_unseen(seen, np.full(6000, count), np.random.default_rng(1)).reshape(6000, count)
    kinds, times = np.unique(chosen, axis=0, return_counts=True)
    expected = {1: 4, 2: 12, 3: 24, 4: 24}[count]
    assert set(kinds.ravel().tolist()) == {1, 3, 4, 6}
    assert len(kinds) == expected
    assert abs(times - 6000 / expected).max() < 5 * np.sqrt(6000 / expected)


def test_users_do_not_influence_the_order_of_the_result() -> None:
    seen = seen_matrix([[], [1, 2, 3], [4, 5], []], 5)
    chosen = random_unseen(seen, np.array([0, 2, 3, 1]), np.random.default_rng(0))
    assert sorted(chosen[:2].tolist()) == [4, 5]
    assert sorted(chosen[2:5].tolist()) == [1, 2, 3]


def test_nothing_to_draw() -> None:
    assert random_unseen(seen_matrix([[], [1]], 1), np.array([0, 0]), np.random.default_rng(0)).tolist() == []


def test_more_than_there_is_raises() -> None:
    with pytest.raises(ValueError, match="1 users have fewer unseen items"):
        random_unseen(seen_matrix([[], [1]], 3), np.array([3, 3]), np.random.default_rng(0))
