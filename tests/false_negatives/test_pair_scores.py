"""Scores of single pairs are those that a model gives the whole row, and no row is held whole for them."""

import tracemalloc

import numpy as np
import pytest
from scipy import sparse

from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.false_negatives.candidates.low_pass import LowPass
from recbole_dtlns.false_negatives.candidates.pair_scores import entries_at, pairs_of_blocks, pairs_of_vectors
from recbole_dtlns.false_negatives.candidates.sources import SOURCES
from recbole_dtlns.false_negatives.learned.scorers import SCORERS


@pytest.fixture
def view():
    rows, columns = np.nonzero(np.random.default_rng(0).random((40, 25)) < 0.25)
    return TrainSplit.from_pairs(rows.astype(str), columns.astype(str))


def some_pairs(view, count=300):
    """Of every third user, so that users need not follow each other; items twice and in any order."""
    rng = np.random.default_rng(1)
    users = np.sort(rng.choice(np.arange(1, view.n_users + 1, 3), count))
    return users, rng.integers(1, view.n_items + 1, count)


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_every_source_scores_a_pair_as_it_scores_the_row(view, name):
    options = {"neighbors": 2} if name in {"ItemKNN", "RP3beta", "UserKNN"} else {}
    fitted = SOURCES[name](**options).fit(view)
    users, items = some_pairs(view)
    rows = fitted.score_block(np.arange(view.n_users + 1))
    scores = fitted.score_pairs(users, items)
    assert scores.dtype == np.float32
    assert np.isinf(rows).any() == bool(options)
    expected = np.where(np.isfinite(rows), rows, 0)[users, items]
    np.testing.assert_allclose(scores, expected, rtol=1e-5 if name == "LowPass" else 0, atol=1e-6)
    if options:  # what a block takes is known before it is made
        entries = np.diff(fitted.score_sparse(np.arange(view.n_users + 1)).indptr)
        assert (fitted.row_cells >= entries).all()
        assert (fitted.row_cells <= view.n_items + 1).all()
    assert np.unique(scores).size > 3


@pytest.mark.parametrize("cells", [1, 70, 1 << 22])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_blocks_of_any_size_give_the_same_and_score_each_user_once(view, cells, kind):
    table = np.random.default_rng(2).normal(size=(view.n_users + 1, view.n_items + 1)).astype(np.float32)
    table[table < -1] = 0
    table[3, :4] = -np.inf, np.inf, np.nan, 5
    asked = []
    users, items = some_pairs(view)
    scores = pairs_of_blocks(
        *(users, items, lambda block: asked.extend(block) or kind(table[block])),
        *(np.full(view.n_users + 1, view.n_items), cells),
    )
    np.testing.assert_array_equal(scores, np.where(np.isfinite(table), table, 0)[users, items])
    assert sorted(asked) == np.unique(users).tolist()


@pytest.mark.parametrize("cells", [1, 40, 100])
@pytest.mark.parametrize(("scored", "wanted"), [(1, 20), (20, 1)])
def test_a_block_holds_as_many_scored_items_or_pairs_as_cells_but_for_one_user(scored, wanted, cells):
    """30 users, each with 20 of one and one of the other."""
    table = np.tile(np.arange(26) <= scored, (31, 1)).astype(np.float32)
    users, items = np.repeat(np.arange(1, 31), wanted), np.tile(np.arange(1, wanted + 1), 30)
    asked = []
    scores = pairs_of_blocks(
        *(users, items, lambda block: asked.append(len(block)) or sparse.csr_matrix(table[block])),
        *(np.full(31, scored), cells),
    )
    np.testing.assert_array_equal(scores, table[users, items])
    assert max(asked) * 20 <= max(cells, 20)


def test_no_pairs_have_no_scores(view):
    nothing = np.zeros(0, dtype=np.int64)
    for make in SCORERS.values():
        assert make().fit(view).score_pairs(nothing, nothing).shape == (0,)


def test_products_of_vectors_are_held_in_blocks():
    rng = np.random.default_rng(3)
    users, items = np.sort(rng.integers(0, 50, 20_000)), rng.integers(0, 70, 20_000)
    left, right = rng.normal(size=(50, 64)).astype(np.float32), rng.normal(size=(70, 64)).astype(np.float32)
    tracemalloc.start()
    products = pairs_of_vectors(users, items, left, right, block_cells=1 << 14)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(products, (left @ right.T)[users, items], rtol=1e-4, atol=1e-4)
    assert peak < 20_000 * 64 * 4 / 4


def test_entries_of_a_sparse_matrix_are_found_whatever_the_order_of_its_indices():
    matrix = sparse.csr_matrix((np.float32([3, 1, 2]), [4, 0, 2], [0, 2, 2, 3]), shape=(3, 5))
    rows, columns = (place.ravel() for place in np.indices((3, 5)))
    np.testing.assert_array_equal(entries_at(matrix, rows, columns), matrix.toarray().ravel())


def test_an_entry_whose_number_ends_alike_is_another_one():
    row = np.repeat(np.float32([0, 1, 0]), 300)  # 172, 428 and 684 have the same seven last bits
    matrix, first = sparse.csr_matrix(row), np.zeros(1, dtype=np.int64)
    for column in (172, 428, 684):
        assert entries_at(matrix, first, np.array([column])).tolist() == [row[column]]


def test_few_entries_beside_the_wanted_ones_are_sorted(monkeypatch):
    matrix = sparse.random(100, 1000, 0.5, format="csr", dtype=np.float32, rng=np.random.default_rng(5))
    sorted_counts, argsort = [], np.argsort
    monkeypatch.setattr(np, "argsort", lambda values: sorted_counts.append(len(values)) or argsort(values))
    entries_at(matrix, np.arange(100), np.full(100, 7))
    assert sorted_counts[0] < matrix.nnz / 10


def test_sparse_scorers_hold_no_row_of_all_items():
    """200 users of 20,000 items: their whole rows take 16 MB."""
    rng = np.random.default_rng(4)
    users = np.repeat(np.arange(2000), 5)
    view = TrainSplit.from_pairs(users.astype(str), rng.integers(0, 20_000, len(users)).astype(str))
    pairs = some_pairs(view)
    for name in ("ItemKNN", "RP3beta", "UserKNN"):
        fitted = SOURCES[name]().fit(view)
        tracemalloc.start()
        fitted.score_pairs(*pairs)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 3e6, name


def test_low_pass_says_what_its_decomposition_takes(view):
    assert LowPass(256).memory_gb(view) / LowPass(64).memory_gb(view) == pytest.approx(266 / 74)
    large = TrainSplit.from_pairs(np.arange(3000).astype(str), (np.arange(3000) * 7 % 3000).astype(str))
    tracemalloc.start()
    LowPass(64).fit(large)
    peak = tracemalloc.get_traced_memory()[1] / 2**30
    tracemalloc.stop()
    assert peak / 2 < LowPass(64).memory_gb(large) < 2 * peak
