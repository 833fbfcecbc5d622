"""Draws from the training items of a user."""

import torch
from scipy import sparse, stats

from recbole_dtlns.samplers.parts.history import History


def test_every_draw_is_one_of_the_users_items_alike_and_on_its_own() -> None:
    pairs = sparse.csr_matrix(([1] * 4, ([1, 2, 2, 2], [4, 1, 3, 5])), shape=(3, 6))
    drawn = History(pairs).draw(torch.tensor([1, 2]).repeat(2000), 2, torch.Generator().manual_seed(0))
    assert drawn[::2].unique().tolist() == [4]
    table = stats.contingency.crosstab(*drawn[1::2].T.numpy())
    assert [items.tolist() for items in table.elements] == [[1, 3, 5], [1, 3, 5]]
    assert stats.chisquare(table.count.reshape(-1)).pvalue > 1e-3  # all nine pairs alike


def test_all_pairs_of_some_users_with_the_place_of_each_user() -> None:
    pairs = sparse.csr_matrix(([1] * 4, ([1, 3, 3, 3], [4, 1, 3, 5])), shape=(4, 6))  # user 2 has nothing
    places, items = History(pairs).pairs(torch.tensor([3, 2, 1, 3]))
    assert places.tolist() == [0, 0, 0, 2, 3, 3, 3]
    assert items.tolist() == [1, 3, 5, 4, 1, 3, 5]
    assert History(pairs).pairs(torch.tensor([2]))[1].tolist() == []
