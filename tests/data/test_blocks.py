"""Blocks: every row once, several at once, and the same result with any number of threads."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from recbole_dtlns.config.budget import Budget
from recbole_dtlns.data.blocks import AT_ONCE, blocks, each_block
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.false_negatives.candidates import item_knn, pair_scores, ranking, user_knn
from recbole_dtlns.false_negatives.candidates.sources import SOURCES
from recbole_dtlns.false_negatives.judges import rule
from recbole_dtlns.false_negatives.judges.base import JudgeContext
from recbole_dtlns.false_negatives.judges.rule import RuleJudge
from recbole_dtlns.false_negatives.learned import nearness
from recbole_dtlns.false_negatives.learned.features import pair_features
from recbole_dtlns.trees import eigen, item_graph
from recbole_dtlns.trees.item_graph import jaccard_graph, strongest_links


@given(st.lists(st.integers(0, 20), max_size=40), st.integers(1, 30))
def test_blocks_cover_every_row_once_within_their_limit(cost, limit):
    bounds = list(blocks(np.array(cost, dtype=np.int64), limit))
    assert [row for start, stop in bounds for row in range(start, stop)] == list(range(len(cost)))
    assert all(start < stop for start, stop in bounds)
    assert all(sum(cost[start:stop]) <= limit + max(cost) for start, stop in bounds)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("rows", [0, 1, 40])
def test_results_come_in_the_order_of_the_blocks(threads, rows):
    cost, told = np.arange(rows), []
    with threadpool_limits(threads):
        results = each_block(lambda start, stop: (start, stop), cost, 30, done=lambda *bound: told.append(bound))
    assert results == told == list(blocks(cost, 30))


def test_as_many_blocks_are_worked_on_at_once_as_there_are_threads():
    meet = threading.Barrier(AT_ONCE, timeout=20)  # breaks where fewer come
    with threadpool_limits(AT_ONCE + 3):
        each_block(lambda start, stop: meet.wait(), np.ones(AT_ONCE), 1)
    for limits, at_once in ((1, AT_ONCE), (AT_ONCE, 1)):
        with threadpool_limits(limits):
            workers = each_block(lambda start, stop: threading.get_ident(), np.ones(8), 1, at_once=at_once)
        assert set(workers) == {threading.get_ident()}


def test_never_more_at_once_than_allowed():
    inside, most, lock = [], [], threading.Lock()

    def work(start, stop):
        del stop
        with lock:
            inside.append(start)
            most.append(len(inside))
        threading.Event().wait(0.01)
        inside.remove(start)

    with threadpool_limits(8):
        each_block(work, np.ones(24), 1, at_once=2)
    assert max(most) == 2


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_of_a_block_ends_the_work_and_is_shown(threads):
    begun = []

    def work(start, stop):
        del stop
        begun.append(start)
        threading.Event().wait(0.01)
        raise ValueError(f"row {start}")

    with threadpool_limits(threads), pytest.raises(ValueError, match="row 0"):
        each_block(work, np.ones(500), 1)
    assert len(begun) < 100


@pytest.fixture(name="view", scope="module")
def fixture_view():
    """3,000 users with some 30 of 2,000 items: several blocks for all that is cut into them."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(3000), 32)
    items = (rng.integers(0, 2000, len(users)) * rng.random(len(users))).astype(int)
    pairs = np.unique(np.stack([users, items], axis=1), axis=0).astype(str)
    return TrainSplit.from_pairs(pairs[:, 0], pairs[:, 1])


def with_threads(make):
    """What `make` gives with one thread and with three."""
    results = []
    for threads in (1, 3):
        with threadpool_limits(threads, "openmp"), threadpool_limits(1, "blas"):
            results.append(make())
    return results


@pytest.fixture(name="at_once", autouse=True)
def small_blocks(monkeypatch):
    """Blocks of a quarter of what is to be done or less; how many of them each call works on at once."""
    cut = []

    def counted(work, cost, *rest, at_once=AT_ONCE, **named):
        cut.append((work.__qualname__, min(len(list(blocks(cost, *rest))), at_once)))
        return each_block(work, cost, *rest, at_once=at_once, **named)

    for module, name in ((item_knn, "CELLS"), (user_knn, "CELLS"), (nearness, "_CHUNK"), (rule, "_CHUNK")):
        monkeypatch.setattr(module, name, 1 << 16)
    for module in (item_knn, user_knn, nearness, rule, ranking, pair_scores, item_graph, eigen):
        monkeypatch.setattr(module, "each_block", counted)
    return cut


@pytest.mark.parametrize("name", SOURCES)
def test_threads_change_no_candidate(view, name, at_once):
    one, three = with_threads(lambda: SOURCES[name]().fit(view).top(view, Budget(20)))
    assert len(one) == 20 * view.n_users
    for column in ("users", "items", "ranks", "scores"):
        np.testing.assert_array_equal(getattr(one, column), getattr(three, column))
    assert all(count > 1 for _, count in at_once)


def test_threads_change_no_feature_and_no_answer_of_the_rule(view, at_once):
    codes = tuple(np.random.default_rng(seed).integers(0, 4, (len(view.items), 5)).astype(np.int16) for seed in (1, 2))
    pairs = item_knn.ItemKNN().fit(view).top(view, Budget(10))
    judge = RuleJudge(JudgeContext(view.matrix, *codes))
    for make in (
        lambda: pair_features(view, codes, pairs, ["EASE 100", "ItemKNN", "LowPass 64"]).values,
        lambda: judge.score(pairs.users, pairs.items)[0],
    ):
        np.testing.assert_array_equal(*with_threads(make))
    counts = {}
    for name, count in at_once:
        counts[name.split(".")[0]] = max(count, counts.get(name.split(".")[0], 0))
    assert {"pairs_of_blocks", "history_statistics", "RuleJudge"} <= {name for name, most in counts.items() if most > 1}


def test_threads_change_no_product_of_vectors():
    rng = np.random.default_rng(2)
    users, items = rng.integers(0, 50, (2, 5000))
    tables = rng.random((2, 50, 8), dtype=np.float32)
    one, three = with_threads(lambda: pair_scores.pairs_of_vectors(users, items, *tables, block_cells=2000))
    np.testing.assert_array_equal(one, three)
    np.testing.assert_allclose(one, (tables[0][users] * tables[1][items]).sum(1), rtol=1e-5)


def test_threads_change_no_link_and_no_product(view, monkeypatch, at_once):
    train = view.matrix[1:, 1:]
    one, three = with_threads(lambda: jaccard_graph(train, 20, block_entries=1 << 18))
    assert one.nnz > 0
    assert (one != three).nnz == 0
    some = np.arange(0, 400), np.arange(400, train.shape[1])
    one, three = with_threads(lambda: strongest_links(train, *some, 5, block_entries=1 << 14))
    assert one.nnz > 0
    assert (one != three).nnz == 0
    assert all(count > 1 for _, count in at_once)
    x = np.random.default_rng(1).random((train.shape[1], 7)).astype(np.float32)
    monkeypatch.setattr(eigen, "ARPACK_SIZE", 100)
    for columns in (x, np.asfortranarray(x), x[:, 0]):
        one, three = with_threads(lambda columns=columns: eigen.product_of(train)(columns))
        np.testing.assert_array_equal(one, three)
        np.testing.assert_array_equal(one, train @ columns)
        assert one.dtype == np.float32


def test_rows_of_a_product_are_not_copied(view):
    part = eigen.some_rows(view.matrix, 100, 900)
    assert (part != view.matrix[100:900]).nnz == 0
    assert np.shares_memory(part.data, view.matrix.data)
    assert np.shares_memory(part.indices, view.matrix.indices)
