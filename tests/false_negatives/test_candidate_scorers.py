import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest

from recbole_dtlns.config.budget import Budget
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.candidates import ease as ease_module
from recbole_dtlns.false_negatives.candidates import inverse as inverse_module
from recbole_dtlns.false_negatives.candidates import item_knn as item_knn_module
from recbole_dtlns.false_negatives.candidates.ease import EASE
from recbole_dtlns.false_negatives.candidates.item_knn import ItemKNN


def view_of(dense):
    rows, columns = np.nonzero(dense)
    width = len(str(max(dense.shape)))
    return TrainSplit.from_pairs(np.char.zfill(rows.astype(str), width), np.char.zfill(columns.astype(str), width))


def checkerboard(size):
    """Users like the items of their own parity, but each lacks the item of its own number: that one is the answer."""
    rows, columns = np.indices((size, size))
    return ((rows % 2 == columns % 2) & (rows != columns)).astype(int)


def random_view(seed, users=60, items=23, share=0.2):
    dense = np.random.default_rng(seed).random((users, items)) < share
    dense[np.arange(items), np.arange(items)] = True
    return view_of(dense)


def closed_form(view, l2):
    x = view.matrix.toarray()[1:, 1:].astype(np.float64)
    inverse = np.linalg.inv(x.T @ x + l2 * np.eye(x.shape[1]))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return x @ weights


@pytest.mark.parametrize("l2", [0.5, 100.0])
@pytest.mark.parametrize("cells", [1, 100, 1 << 22])
def test_ease_is_the_closed_form(l2, cells, monkeypatch):
    monkeypatch.setattr(ease_module, "CELLS", cells)
    view = random_view(0)
    scores = EASE(l2).fit(view).score_block(np.array([1, 7, 60]))
    assert scores.dtype == np.float32
    assert scores.shape == (3, view.n_items + 1)
    np.testing.assert_allclose(scores[:, 1:], closed_form(view, l2)[[0, 6, 59]], atol=2e-5)


@pytest.mark.parametrize("source", [EASE(l2=1.0), ItemKNN(), ItemKNN(neighbors=25)])
def test_the_withheld_item_comes_first(source):
    size = 50
    view = view_of(checkerboard(size))
    top = source.fit(view).top(view, Budget.parse(1))
    assert (top.users == top.items).mean() == 1.0  # 1/26 by chance
    assert len(top) == size


def test_ease_keeps_one_dense_matrix(monkeypatch):
    monkeypatch.setattr(ease_module, "CELLS", 1 << 14)
    monkeypatch.setattr(inverse_module, "_TILE", 64)
    view = random_view(1, users=1200, items=1200, share=0.01)
    tracemalloc.start()
    model = EASE().fit(view)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.4 * model._weights.nbytes  # a second one would make it 2
    assert model._weights.dtype == np.float32
    assert model._weights.flags.c_contiguous
    assert EASE.memory_gb(SimpleNamespace(n_items=100_000)) == pytest.approx(100_001**2 * 4 / 2**30, rel=0.03)
    assert EASE.memory_gb(SimpleNamespace(n_items=1_000_000)) > 3700


def test_ease_refuses_what_it_cannot_solve():
    with pytest.raises(UserError, match="l2 > 0, found 0"):
        EASE(0)
    twins = view_of(np.ones((400, 8)))
    for l2, larger in ((1e-9, "100"), (1e-5, "100")):
        with pytest.raises(UserError, match=f"larger l2, such as {larger}"):
            EASE(l2).fit(twins)


def by_hand(view, neighbors, shrink):
    x = view.matrix.toarray().astype(np.float64)
    scores = np.zeros_like(x)
    n_items = x.shape[1]
    for item in range(1, n_items):
        others = []
        for other in range(1, n_items):
            together = (x[:, item] * x[:, other]).sum()
            if other != item and together:
                others.append((together / (np.sqrt(x[:, item].sum() * x[:, other].sum()) + shrink), -other))
        for similarity, other in sorted(others, reverse=True)[:neighbors]:
            scores[:, item] += x[:, -other] * similarity
    return np.where(scores == 0, -np.inf, scores)


@pytest.mark.parametrize(("neighbors", "shrink"), [(1, 0.0), (3, 0.0), (3, 10.0), (100, 0.0)])
@pytest.mark.parametrize("cells", [1, 100, 1 << 22])
def test_item_knn_by_hand(neighbors, shrink, cells, monkeypatch):
    monkeypatch.setattr(item_knn_module, "CELLS", cells)
    view = random_view(2, share=0.1)
    model = ItemKNN(neighbors, shrink).fit(view)
    users = np.arange(view.n_users + 1)
    expected = by_hand(view, neighbors, shrink)
    scores = model.score_block(users)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    np.testing.assert_array_equal(model.row_cells >= (expected > 0).sum(axis=1), True)  # a bound


def test_item_knn_on_three_users():
    """a: u1 u2, b: u1 u2 u3, c: u3. s(a, b) = 2 / sqrt(6), s(b, c) = 1 / sqrt(3), s(a, c) = 0."""
    view = TrainSplit.from_pairs(np.array(["1", "1", "2", "2", "3", "3"]), np.array(["a", "b", "a", "b", "b", "c"]))
    scores = ItemKNN().fit(view).score_block(np.array([1, 3]))
    ab, bc, no = 2 / 6**0.5, 1 / 3**0.5, -np.inf
    np.testing.assert_allclose(scores, [[no, ab, ab, bc], [no, ab, bc, bc]], rtol=1e-6)


def test_item_knn_leaves_out_what_has_no_neighbour():
    view = TrainSplit.from_pairs(np.array(["1", "1", "2", "2", "3"]), np.array(["a", "b", "c", "d", "a"]))
    top = ItemKNN().fit(view).top(view, Budget.parse(5))
    assert list(zip(top.users.tolist(), top.items.tolist(), strict=True)) == [(3, 2)]


def test_item_knn_refuses_nonsense():
    with pytest.raises(UserError, match="neighbors >= 1 and shrink >= 0, found 0 and"):
        ItemKNN(neighbors=0)
    with pytest.raises(UserError, match="found 5 and -1"):
        ItemKNN(neighbors=5, shrink=-1)
    with pytest.raises(UserError, match="max_history=1: expected a whole number from 2"):
        ItemKNN(max_history=1)


@pytest.mark.parametrize("source", [EASE(), ItemKNN()])
def test_two_fits_agree_to_the_bit(source):
    view = random_view(3)
    first = source.fit(view).top(view, Budget.parse("50%"))
    again = source.fit(view).top(view, Budget.parse("50%"))
    np.testing.assert_array_equal(first.items, again.items)
    np.testing.assert_array_equal(first.scores, again.scores)
