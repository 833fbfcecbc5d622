import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from recbole_dtlns.config.budget import Budget
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.false_negatives.candidates.ranking import ranked_by_order, top_unseen
from recbole_dtlns.false_negatives.candidates.topk import (
    _near_the_best,
    best_of_rows,
    position_in_run,
    sparse_entries,
)


def view_of(dense):
    rows, columns = np.nonzero(dense)
    return TrainSplit.from_pairs(rows.astype("U3"), columns.astype("U3"))


def slow_top(view, budget, scores):
    """Loops over users and sorts whole rows: the definition."""
    result = []
    for user in range(1, view.n_users + 1):
        seen = set(view.matrix[user].indices.tolist())
        open_items = [
            item for item in range(1, view.n_items + 1) if item not in seen and np.isfinite(scores[user, item])
        ]
        open_items.sort(key=lambda item: (-scores[user, item], item))
        count = int(budget.of(view.history[user : user + 1])[0])
        result += [(user, item, rank, scores[user, item]) for rank, item in enumerate(open_items[:count])]
    return result


def as_rows(top):
    return list(zip(top.users.tolist(), top.items.tolist(), top.ranks.tolist(), top.scores.tolist(), strict=True))


TIED = st.sampled_from([-np.inf, -2.5, -1.0, -0.0, 0.0, 0.5, 1.0, 2.0, np.nan, np.inf])


@st.composite
def problems(draw):
    dense = draw(hnp.arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 8)), fill=st.nothing()))
    dense[0, 0] = True
    view = view_of(dense)
    scores = draw(hnp.arrays(np.float32, view.matrix.shape, elements=TIED, fill=st.nothing()))
    return view, scores, Budget.parse(draw(st.sampled_from(["0", "1", "3", "50%", "1+100%", "100"])))


@settings(max_examples=150, deadline=None)
@given(problems(), st.sampled_from([1, 7, 10**6]))
def test_dense_scores_equal_a_full_sort_in_blocks_of_any_size(problem, block_cells):
    view, scores, budget = problem
    before = scores.copy()
    top = top_unseen(view, budget, lambda users: scores[users], "test", block_cells=block_cells)
    assert as_rows(top) == slow_top(view, budget, scores)
    np.testing.assert_array_equal(scores, before)  # the source's array is left alone


@settings(max_examples=150, deadline=None)
@given(problems(), st.sampled_from([1, 7, 10**6]))
def test_sparse_scores_mean_the_same_with_zero_for_no_candidate(problem, block_cells):
    view, scores, budget = problem
    scores = np.where(np.isfinite(scores), scores, 0)
    matrix = sparse.csr_matrix(scores)
    cells = np.diff(matrix.indptr)
    top = top_unseen(view, budget, lambda users: matrix[users], "test", cells, block_cells)
    assert as_rows(top) == slow_top(view, budget, np.where(scores == 0, -np.inf, scores))


def test_types_and_source():
    view = view_of(np.eye(3))
    top = top_unseen(view, Budget.parse(1), lambda users: np.zeros((len(users), 4)), "mine")
    assert (top.users.dtype, top.items.dtype, top.ranks.dtype) == (np.int64,) * 3
    assert (top.scores.dtype, top.source, len(top)) == (np.float32, "mine", 3)
    assert top.items.tolist() == [2, 1, 1]


def test_the_array_of_the_source_may_be_its_own():
    view, scores = view_of(np.eye(3)), np.ones((4, 4), dtype=np.float32)
    scores.flags.writeable = False
    top = top_unseen(view, Budget.parse(5), lambda users: scores[: len(users)], "test")
    assert top.items.tolist() == [2, 3, 1, 3, 1, 2]


def test_nobody_gets_anything_from_an_empty_budget_and_nothing_is_scored():
    view = view_of(np.eye(3))
    top = top_unseen(view, Budget.parse(0), lambda users: pytest.fail("scored"), "test")
    assert len(top) == 0
    assert top.items.dtype == np.int64


def test_a_user_who_has_everything_gets_nothing():
    view = view_of(np.array([[1, 1, 1], [1, 0, 0]]))
    top = top_unseen(view, Budget.parse(2), lambda users: np.ones((len(users), 4)), "test")
    assert as_rows(top) == [(2, 2, 0, 1.0), (2, 3, 1, 1.0)]


def test_scores_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"shape \(3, 3\); expected \(3, 4\)"):
        top_unseen(view_of(np.eye(3)), Budget.parse(1), lambda users: np.zeros((3, 3)), "test")


def test_sparse_entries_are_neither_zero_nor_infinite():
    values, columns = np.array([3, 0, 1, np.inf, 2], dtype=np.float32), np.array([4, 1, 2, 0, 3])
    rows, items, scores = sparse_entries(sparse.csr_matrix((values, columns, [0, 3, 5]), shape=(2, 5)))
    assert (rows.tolist(), items.tolist(), scores.tolist()) == ([0, 0, 1], [4, 2, 3], [3.0, 1.0, 2.0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sparse_scores_of_any_float_type_have_the_candidates_of_their_float32(dtype):
    """0.1 is larger as float32 than as float64."""
    scores = np.full((102, 102), 0.1, dtype=dtype)
    top = top_unseen(view_of(np.eye(101)), Budget(3), lambda users: sparse.csr_matrix(scores[users]), "test")
    assert len(top) == 303
    assert top.items[top.users == 50].tolist() == [1, 2, 3]
    assert (top.scores == np.float32(0.1)).all()


def test_scores_that_float32_cannot_hold_are_no_candidates():
    scores = sparse.csr_matrix(np.tile([0, 1e300, 1e-300, -1e300], (4, 1)))
    view = view_of(np.ones((3, 1)) * [1, 0, 0] + np.eye(3))
    with np.errstate(over="ignore", under="ignore"):
        assert len(top_unseen(view, Budget.parse(3), lambda users: scores[: len(users)], "test")) == 0


@settings(max_examples=300, deadline=None)
@given(
    *(st.data(), st.integers(1, 4), st.sampled_from([1, 3, 100])),
    *(st.sampled_from(["none", "rising", "mixed"]), st.sampled_from([np.float32, np.float64])),
)
def test_best_of_long_rows_are_those_of_a_full_sort(data, most, different, given_columns, dtype):
    """Rows much longer than what is picked, with and without equal values, short rows between them."""
    lengths = data.draw(st.lists(st.integers(0, 60), min_size=1, max_size=6))
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    rows = np.repeat(np.arange(len(lengths)), lengths)
    values = (rng.integers(-different, different, len(rows)) / 7).astype(dtype)
    columns = np.arange(len(rows)) if given_columns == "none" else position_in_run(rows)
    if given_columns == "mixed":
        columns = np.concatenate([rng.permutation(length) for length in lengths])
    k = rng.integers(0, most + 1, len(lengths))
    picked, ranks = best_of_rows(rows, values, k, None if given_columns == "none" else columns)
    order = np.lexsort((columns, -values.astype(np.float32), rows))
    place = position_in_run(rows[order])
    expected = place < k[rows[order]]
    np.testing.assert_array_equal(picked, order[expected])
    np.testing.assert_array_equal(ranks, place[expected])


@pytest.mark.parametrize("most", [1, 3, 20])
def test_few_entries_of_long_rows_in_random_order_are_sorted(most):
    rows = np.repeat(np.arange(5), 2000)
    values = np.random.default_rng(0).normal(size=len(rows)).astype(np.float32)
    assert 5 * most <= len(_near_the_best(rows, values, most)) < len(rows) / 4


@pytest.mark.parametrize("unknown", [[3], [3, 9]])
def test_a_score_that_is_no_number_costs_a_row_no_other_candidate(unknown):
    """It counts as the largest, in long rows as in short ones."""
    values = np.arange(100, dtype=np.float32)
    values[unknown] = np.nan
    for row in (values, values[:12]):
        picked, _ = best_of_rows(np.zeros(len(row), dtype=np.int64), row, np.array([len(unknown) + 2]))
        assert picked.tolist() == [*unknown, len(row) - 1, len(row) - 2]
    picked, _ = best_of_rows(np.zeros(100, dtype=np.int64), values, np.array([1]))
    assert picked.tolist() == [3]


def test_order_of_appearance_is_rank():
    users, items = np.array([2, 1, 2, 1, 3]), np.array([5, 6, 7, 8, 9])
    ranked, order = ranked_by_order(users, items, "file")
    assert as_rows(ranked) == [(1, 6, 0, 0.0), (1, 8, 1, -1.0), (2, 5, 0, 0.0), (2, 7, 1, -1.0), (3, 9, 0, 0.0)]
    np.testing.assert_array_equal(users[order], ranked.users)
