import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from recbole_dtlns.errors import UserError
from recbole_dtlns.samplers.parts.proposal import FreeItems, popularity_weights

N_USERS, N_ITEMS = 30, 25


def history(density: float = 0.5, seed: int = 0) -> sparse.csr_matrix:
    """Random pairs; row and column 0 empty, and at least one free item a user."""
    rng = np.random.default_rng(seed)
    dense = (rng.random((N_USERS, N_ITEMS)) < density).astype(np.int8)
    dense[0] = 0
    dense[:, 0] = 0
    dense[np.arange(N_USERS), rng.integers(1, N_ITEMS, N_USERS)] = 0
    return sparse.csr_matrix(dense)


def chi_square_is_plausible(counts: np.ndarray, expected: np.ndarray) -> bool:
    """Within six standard deviations of the mean of the chi-square distribution."""
    statistic = ((counts - expected) ** 2 / expected).sum()
    freedom = max(len(expected) - 1, 1)
    return bool(statistic < freedom + 6 * np.sqrt(2 * freedom) + 6)


@pytest.mark.parametrize("exponent", [None, 1.0, 0.75])
def test_draws_follow_the_distribution_over_exactly_the_free_items(exponent: float | None) -> None:
    barred = history()
    counts = np.arange(N_ITEMS) % 7  # items with count 0 cannot be drawn by popularity
    weights = None if exponent is None else popularity_weights(counts, exponent, N_USERS)
    share = np.ones(N_ITEMS) if exponent is None else counts.astype(float) ** exponent * (counts > 0)
    users = torch.arange(1, N_USERS)
    drawn = FreeItems(barred, weights).draw(users, 20_000, torch.Generator().manual_seed(3)).numpy()
    for user, items in zip(users.tolist(), drawn, strict=True):
        free = np.flatnonzero((barred[user].toarray().ravel() == 0) & (share > 0))
        free = free[free > 0]
        seen = np.bincount(items, minlength=N_ITEMS)
        assert set(np.flatnonzero(seen)) <= set(free)
        assert chi_square_is_plausible(seen[free], len(items) * share[free] / share[free].sum())


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), density=st.floats(0, 1), n=st.integers(1, 9))
def test_never_a_barred_item_never_padding(seed: int, density: float, n: int) -> None:
    barred = history(density, seed)
    users = torch.arange(1, N_USERS).repeat(3)
    drawn = FreeItems(barred).draw(users, n, torch.Generator().manual_seed(seed))
    assert drawn.shape == (len(users), n)
    assert drawn.min() >= 1
    assert drawn.max() < N_ITEMS
    assert not barred.toarray()[users.repeat_interleave(n).numpy(), drawn.reshape(-1).numpy()].any()


def test_a_user_with_one_free_item_always_gets_it() -> None:
    dense = np.ones((3, 6), dtype=np.int8)
    dense[0] = dense[:, 0] = 0
    dense[1, 4] = dense[2, 1] = 0
    drawn = FreeItems(sparse.csr_matrix(dense)).draw(torch.tensor([1, 2]), 50, torch.Generator())
    assert drawn[0].unique().tolist() == [4]
    assert drawn[1].unique().tolist() == [1]


def test_a_user_without_a_free_item_is_named() -> None:
    dense = np.ones((3, 4), dtype=np.int8)
    dense[0] = dense[:, 0] = 0
    dense[2, 3] = 0
    free = FreeItems(sparse.csr_matrix(dense))
    free.require_free_items(np.array([2]), np.array(["[PAD]", "ann", "bob"]))
    with pytest.raises(UserError, match=r"1 users have interacted with every item .* \(ann\)"):
        free.require_free_items(np.array([1, 2]), np.array(["[PAD]", "ann", "bob"]))


def test_of_many_users_without_a_free_item_five_are_named() -> None:
    tokens = np.array([f"u{number}" for number in range(8)])
    dense = np.ones((8, 3), dtype=np.int8)
    free = FreeItems(sparse.csr_matrix(dense))
    with pytest.raises(UserError, match=r"^5 users .* \(u1, u2, u3, u4, u5\), so"):
        free.require_free_items(np.arange(1, 6), tokens)
    with pytest.raises(UserError, match=r"^6 users .* \(u1, u2, u3, u4, u5, \.\.\.\), so"):
        free.require_free_items(np.arange(1, 7), tokens)


def test_same_seed_same_draws_and_batch_of_one() -> None:
    free = FreeItems(history())
    drawn = free.draw(torch.tensor([5]), 4, torch.Generator().manual_seed(9))
    assert drawn.tolist() == free.draw(torch.tensor([5]), 4, torch.Generator().manual_seed(9)).tolist()
    assert drawn.shape == (1, 4)


def test_weights_too_large_for_exact_arithmetic_are_refused() -> None:
    with pytest.raises(ValueError, match="too much for 30 users"):
        FreeItems(history(), np.array([0] + [2**60] * (N_ITEMS - 1)))


def test_popularity_weights_by_hand() -> None:
    assert popularity_weights(np.array([9, 4, 0, 1]), 1, 10).tolist() == [0, 4, 0, 1]
    half = popularity_weights(np.array([9, 4, 0, 1]), 0.5, 10)
    assert half[0] == half[2] == 0
    assert half[1] / half[3] == pytest.approx(2)


def test_allows_tells_the_free_items_also_after_other_pairs_are_barred() -> None:
    first, second = history(), history(seed=4)
    free = FreeItems(first)
    users = torch.arange(1, N_USERS)
    items = torch.arange(1, N_ITEMS).repeat(len(users), 1)
    assert torch.equal(free.allows(users, items), torch.as_tensor(first.toarray()[1:, 1:] == 0))
    free.exclude(second)
    assert torch.equal(free.allows(users, items), torch.as_tensor(second.toarray()[1:, 1:] == 0))


def test_pairs_may_come_in_any_order_and_end_with_the_last_user() -> None:
    mixed = sparse.csr_matrix((np.ones(4), [5, 1, 2, 4], [0, 0, 2, 4]), shape=(3, 6))
    free, users = FreeItems(mixed), torch.tensor([1, 2])
    items = torch.arange(1, 6).repeat(2, 1)
    assert torch.equal(free.allows(users, items), torch.as_tensor(mixed.toarray()[1:, 1:] == 0))
    drawn = free.draw(users, 200, torch.Generator().manual_seed(0))
    assert [row.unique().tolist() for row in drawn] == [[2, 3, 4], [1, 3, 5]]


def test_a_user_without_free_items_is_refused_at_the_draw_too():
    excluded = sparse.csr_matrix(np.array([[0, 0, 0, 0], [0, 1, 1, 1], [0, 1, 0, 0]]))
    free = FreeItems(excluded, name="popularity")
    generator = torch.Generator().manual_seed(0)
    with pytest.raises(UserError, match="every item that popularity sampling can draw"):
        free.draw(torch.tensor([2, 1]), 3, generator)
    assert set(free.draw(torch.tensor([2, 2]), 9, generator).flatten().tolist()) == {2, 3}


def test_a_heavy_last_item_does_not_reach_into_the_items_of_the_next_user() -> None:
    barred = sparse.csr_matrix(([1, 1], ([2, 2], [1, 2])), shape=(3, 4))
    items = FreeItems(barred, np.array([0, 1, 1, 98]))
    drawn = items.draw(torch.tensor([1, 2]), 4000, torch.Generator().manual_seed(0))
    assert drawn[1].unique().tolist() == [3]
    shares = torch.bincount(drawn[0], minlength=4) / 4000
    assert shares.tolist() == pytest.approx([0, 0.01, 0.01, 0.98], abs=0.01)
    assert drawn[0].min() > 0


@pytest.mark.parametrize(("weights", "most"), [(None, 24), (np.arange(3000), 32)])
def test_memory_of_a_pair_is_what_the_docstring_says(weights: np.ndarray | None, most: float) -> None:
    rng = np.random.default_rng(0)
    pairs = rng.integers(1, 6000, 2_000_000), rng.integers(1, 3000, 2_000_000)
    barred = sparse.csr_matrix((np.ones(len(pairs[0]), dtype=np.int8), pairs), shape=(6000, 3000))
    tracemalloc.start()
    free = FreeItems(barred, weights)
    before, _ = tracemalloc.get_traced_memory()
    free.draw(torch.tensor([1]), 1, torch.Generator())
    kept, peak = (traced / barred.nnz for traced in tracemalloc.get_traced_memory())
    tracemalloc.stop()
    assert before < 0.1 * barred.nnz  # of two proposals a run draws from one
    assert most - 12 < kept < most + 0.5  # and a little for each user
    assert peak < kept + 8 + 4  # and the users whose cells are counted at once
