import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import make_blobs

from recbole_dtlns.errors import UserError
from recbole_dtlns.trees import index_tree
from recbole_dtlns.trees.index_tree import build_codes


def nodes(codes: np.ndarray) -> dict[tuple[int, ...], np.ndarray]:
    """Members of every node, the root included."""
    members: dict[tuple[int, ...], list[int]] = {}
    for item, code in enumerate(codes.tolist()):
        path = [digit for digit in code if digit >= 0]
        for depth in range(len(path) + 1):
            members.setdefault(tuple(path[:depth]), []).append(item)
    return {path: np.array(items) for path, items in members.items()}


def check_tree(codes: np.ndarray, n: int, branching: int, leaf_size: int, slack: float = 1.6) -> None:
    assert codes.dtype == np.int16
    assert codes.shape[0] == n
    used = codes >= 0
    assert (codes[~used] == -1).all()
    assert used[:, 0].all(), "every item has a code"
    assert (np.diff(used.astype(int), axis=1) <= 0).all(), "padding only at the end"
    assert used[:, -1].any(), "no column of padding alone"
    members = nodes(codes)
    for path, items in members.items():
        children = [members[child] for child in members if len(child) == len(path) + 1 and child[:-1] == path]
        if not children:
            assert len(items) <= leaf_size
            continue
        digits = sorted(child[-1] for child in members if len(child) == len(path) + 1 and child[:-1] == path)
        assert digits == list(range(len(digits))), "children are numbered without gaps"
        np.testing.assert_array_equal(np.sort(np.concatenate(children)), items), "each item exactly once"
        if n > leaf_size:
            clusters = min(branching, len(items))
            bound = max(int(slack * len(items) / clusters), -(-len(items) // clusters))
            assert len(items) > leaf_size
            assert max(map(len, children)) <= min(bound, len(items) - 1)


def few_points(n: int, distinct: int, dimensions: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((distinct, dimensions))[rng.integers(distinct, size=n)]


@given(
    n=st.integers(1, 90),
    distinct=st.integers(1, 60),
    dimensions=st.integers(1, 3),
    branching=st.integers(2, 6),
    leaf_size=st.integers(1, 12),
    seed=st.integers(0, 5),
)
@settings(max_examples=40, deadline=None)
def test_any_input_ends_with_every_item_once_and_sizes_in_bounds(n, distinct, dimensions, branching, leaf_size, seed):
    codes = build_codes(few_points(n, distinct, dimensions, seed), branching, leaf_size)
    check_tree(codes, n, branching, leaf_size)


@pytest.mark.parametrize("slack", [1.0, 1.3, 3.9])
def test_slack_bounds_the_sizes(slack):
    vectors = np.concatenate([np.zeros((1, 2)), make_blobs(150, 2, centers=2, random_state=0)[0]])
    check_tree(build_codes(vectors, leaf_size=5, slack=slack), 151, 4, 5, slack)


@pytest.mark.parametrize("vectors", [np.zeros((200, 4)), np.full((200, 3), 7.5), np.zeros((200, 0))])
def test_equal_vectors_are_split_evenly_by_order(vectors):
    codes = build_codes(vectors, branching=4, leaf_size=30)
    check_tree(codes, 200, 4, 30)
    assert {len(items) for path, items in nodes(codes).items() if len(path) == 1} == {50}
    assert sorted(codes.tolist()) == codes.tolist()


def test_one_outlier_among_duplicates():
    vectors = np.zeros((100, 2))
    vectors[40] = 1
    check_tree(build_codes(vectors, leaf_size=2), 100, 4, 2)


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_values_whose_squares_leave_the_range_of_floats(scale):
    vectors = few_points(60, 60, 3, 0)
    np.testing.assert_array_equal(build_codes(vectors * scale, leaf_size=5)[:, 0], build_codes(vectors)[:, 0])


def test_ends_where_differences_are_lost_in_squares_and_the_bound_is_wide():
    vectors = np.array([[1.0], [0.0], [1e-200], [2e-200], [3e-200]])
    check_tree(build_codes(vectors, leaf_size=1, slack=3.9), 5, 4, 1, 3.9)


@pytest.mark.parametrize("n", [1, 2, 30])
def test_catalogue_of_one_leaf_has_the_code_0(n):
    np.testing.assert_array_equal(build_codes(np.eye(n), leaf_size=30), np.zeros((n, 1)))


def test_clear_clusters_are_found():
    vectors, label = make_blobs([40] * 4, 5, cluster_std=0.1, random_state=3)
    codes = build_codes(vectors, leaf_size=40)
    assert codes.shape == (160, 1)
    assert len(set(zip(label.tolist(), codes[:, 0].tolist(), strict=True))) == 4


def test_children_are_numbered_by_their_first_member():
    codes = build_codes(few_points(300, 300, 4, 1), leaf_size=10)
    members = nodes(codes)
    for path in members:
        if path and path[-1]:
            assert members[path][0] > members[(*path[:-1], path[-1] - 1)][0]


def test_same_codes_again_and_at_another_scale():
    vectors = few_points(400, 300, 6, 2)
    first = build_codes(vectors, leaf_size=10)
    np.random.rand(3)
    np.testing.assert_array_equal(build_codes(vectors, leaf_size=10), first)
    np.testing.assert_array_equal(build_codes(vectors * 8, leaf_size=10), first)
    assert (build_codes(vectors, leaf_size=10, seed=1) != first).any()


def test_input_is_not_changed():
    vectors = few_points(50, 50, 2, 0)
    before = vectors.copy()
    build_codes(vectors, leaf_size=5)
    np.testing.assert_array_equal(vectors, before)


def test_large_nodes_are_fitted_on_a_sample(monkeypatch):
    monkeypatch.setattr(index_tree, "SAMPLE", 50)
    vectors, label = make_blobs([80] * 4, 5, cluster_std=0.1, random_state=3)
    order = np.argsort(label, kind="stable")  # the first 50 rows alone would show one cluster
    vectors, label = vectors[order], label[order]
    codes = build_codes(vectors, leaf_size=80)
    check_tree(codes, 320, 4, 80)
    assert len(set(zip(label.tolist(), codes[:, 0].tolist(), strict=True))) == 4
    np.testing.assert_array_equal(build_codes(vectors, leaf_size=80), codes)


@pytest.mark.parametrize(
    ("vectors", "options", "message"),
    [
        (np.zeros((0, 3)), {}, "at least one item, found shape \\(0, 3\\)"),
        (np.zeros(3), {}, "found shape \\(3,\\)"),
        (np.array([[1.0], [np.nan], [np.inf]]), {}, "2 of 3 item vectors hold NaN"),
        (np.eye(3), {"branching": 1}, "tree_branching is 1; expected 2"),
        (np.eye(3), {"branching": 40_000}, "tree_branching is 40000"),
        (np.eye(3), {"leaf_size": 0}, "tree_leaf_size is 0; expected 1"),
        (np.eye(3), {"slack": 0.9}, "slack is 0.9"),
        (np.eye(3), {"slack": 4.0}, "below tree_branching \\(4\\)"),
    ],
)
def test_bad_input_is_refused(vectors, options, message):
    with pytest.raises(UserError, match=message):
        build_codes(vectors, **options)
