"""New items descend into a tree; old codes, room and order of the new ones."""

import numpy as np
import pytest
from scipy import sparse

from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.trees.agreement import elsewhere
from recbole_dtlns.trees.growth import linked
from recbole_dtlns.trees.index_tree import build_codes
from recbole_dtlns.trees.item_graph import jaccard_graph, strongest_links
from recbole_dtlns.trees.placement import by_neighbours, leaf_room, near_centres, place

ALL = np.ones(200, dtype=bool)


@pytest.fixture
def vectors() -> np.ndarray:
    """Ten groups of twenty."""
    rng = np.random.default_rng(3)
    return np.repeat(rng.normal(size=(10, 5)), 20, axis=0) + rng.normal(size=(200, 5)) * 0.05


def test_new_items_fill_the_leaves_that_there_are_up_to_their_room(vectors: np.ndarray) -> None:
    codes = build_codes(vectors, leaf_size=12)
    crowd = np.repeat(vectors[:1], 150, axis=0) + np.random.default_rng(0).normal(size=(150, 5)) * 0.01
    placed = place(codes, near_centres(vectors, crowd, ALL), 150, leaf_size=12)
    leaves, sizes = np.unique(np.vstack([codes, placed]), axis=0, return_counts=True)
    assert {*map(tuple, placed)} <= {*map(tuple, codes)}
    assert sizes.max() <= leaf_room(12, 350, len(leaves)) < 150
    home = (codes == codes[0]).all(axis=1).sum()
    assert (placed == codes[0]).all(axis=1).sum() == leaf_room(12, 350, len(leaves)) - home, "the nearest is full"


def test_an_item_goes_to_the_nearest_centre_and_to_where_its_links_lead(vectors: np.ndarray) -> None:
    codes = np.array([[0, 0], [0, 0], [0, 1], [1, -1], [1, -1]])
    old = np.array([[0.0], [1.0], [4.0], [9.0], [11.0]])
    new = np.array([[0.6], [3.9], [99.0]])
    has_vector = np.ones(5, dtype=bool)
    placed = place(codes, near_centres(old, new, has_vector), 3, 30)
    np.testing.assert_array_equal(placed, [[0, 0], [0, 1], [1, -1]])
    has_vector[3:] = False  # nothing is known of leaf 1
    np.testing.assert_array_equal(place(codes, near_centres(old, new, has_vector), 3, 30)[2], [0, 1])
    links = sparse.csr_matrix([[0.3, 0.3, 0, 0.5, 0], [0.1, 0, 0.2, 0.2, 0], [0, 0, 0, 0, 0.1]])
    np.testing.assert_array_equal(place(codes, by_neighbours(links), 3, 30), [[0, 0], [0, 1], [1, -1]])


def test_those_that_lose_least_make_room() -> None:
    codes = np.array([[0]] * 4 + [[1]] * 2)
    old, new = np.array([[0.0]] * 4 + [[10.0]] * 2), np.array([[0.0], [3.0], [1.0], [4.0], [2.0]])
    placed = place(codes, near_centres(old, new, np.ones(6, dtype=bool)), 5, leaf_size=2)
    assert leaf_room(2, 11, 2) == 9
    np.testing.assert_array_equal(placed, [[0]] * 5)
    full = np.array([[0]] * 9 + [[1]] * 2)
    old = np.array([[0.0]] * 9 + [[10.0]] * 2)
    placed = place(full, near_centres(old, new, np.ones(11, dtype=bool)), 5, leaf_size=2)  # 13 fit into a leaf
    np.testing.assert_array_equal(placed, [[0], [0], [0], [1], [0]])


def test_a_leaf_that_is_over_its_room_takes_none_and_without_evidence_the_roomiest_does() -> None:
    assert leaf_room(4, 4, 4) == 6
    codes, has_vector = np.array([[0]] * 20 + [[1]] * 2), np.ones(22, dtype=bool)
    old = np.array([[0.0]] * 20 + [[10.0]] * 2)
    np.testing.assert_array_equal(place(codes, near_centres(old, old[:1], has_vector), 1, leaf_size=2), [[1]])
    codes = np.array([[0]] * 5 + [[1]])
    np.testing.assert_array_equal(place(codes, by_neighbours(sparse.csr_matrix((1, 6))), 1, leaf_size=9), [[1]])


def test_who_loses_the_smaller_share_of_its_links_makes_room() -> None:
    codes = np.array([[0]] * 10 + [[1]])
    links = np.zeros((2, 11))
    links[0, [0, 10]], links[1, 0] = (10, 9), 0.2
    placed = place(codes, by_neighbours(sparse.csr_matrix(links)), 2, leaf_size=2)
    assert leaf_room(2, 13, 2) == 11, "one more fits into leaf 0"
    np.testing.assert_array_equal(placed, [[1], [0]])


@pytest.mark.parametrize("scale", [1.0, 1e200])
def test_one_item_is_its_own_centre_at_any_scale(scale: float) -> None:
    codes, old = np.array([[0]] * 2 + [[1]]), np.array([[0.0], [0.0], [4.0]]) * scale
    new = np.array([[1.5], [3.0]]) * scale
    np.testing.assert_array_equal(place(codes, near_centres(old, new, np.ones(3, bool)), 2, 9), [[0], [1]])


def test_the_child_decides_before_the_leaf_and_a_leaf_of_which_nothing_is_known_attracts_nobody() -> None:
    codes, old = np.array([[0, 0], [0, 1], [1, -1]]), np.array([[0.0], [10.0], [14.0]])
    placed = place(codes, near_centres(old, np.array([[11.0]]), np.ones(3, bool)), 1, 9)
    np.testing.assert_array_equal(placed, [[1, -1]])  # 14 is nearer than 5, the mean of the other child
    assert placed.dtype == np.int16
    has_vector = np.array([True, True, False])
    np.testing.assert_array_equal(place(codes, near_centres(old, np.zeros((1, 1)), has_vector), 1, 9), [[0, 0]])


def test_the_order_of_the_new_items_changes_nothing(vectors: np.ndarray) -> None:
    codes = build_codes(vectors, leaf_size=12)
    rng = np.random.default_rng(1)
    new = np.repeat(vectors[::40], 40, axis=0) + rng.normal(size=(200, 5)) * 0.1
    order = rng.permutation(200)
    placed = place(codes, near_centres(vectors, new, ALL), 200, 12)
    np.testing.assert_array_equal(place(codes, near_centres(vectors, new[order], ALL), 200, 12), placed[order])


def test_links_are_those_of_the_whole_graph() -> None:
    train = sparse.random(40, 30, 0.2, format="csr", random_state=0)
    rows, columns = np.array([3, 7, 21]), np.setdiff1d(np.arange(30), [3, 7, 21, 5])
    whole = jaccard_graph(train)[rows][:, columns].toarray()
    np.testing.assert_allclose(strongest_links(train, rows, columns, 30, block_entries=9).toarray(), whole)
    few = strongest_links(train, rows, columns, 4).toarray()
    assert (np.count_nonzero(few, axis=1) == 4).all()
    np.testing.assert_allclose(np.sort(few, axis=1)[:, -4:], np.sort(whole, axis=1)[:, -4:])


def test_other_names_of_clusters_are_no_drift(vectors: np.ndarray) -> None:
    codes = build_codes(vectors, leaf_size=12)
    assert not elsewhere(codes, codes).any()
    names = np.random.default_rng(0).permutation(8)
    assert not elsewhere(np.where(codes < 0, -1, names[codes]), codes).any()


def test_drift_counts_the_items_that_are_apart_from_most_of_their_cluster() -> None:
    old = np.array([[0, 0], [0, 0], [0, 1], [0, 1], [1, -1], [1, -1]])
    new = np.array([[1, 0], [1, 0], [1, 0], [1, 2], [0, -1], [1, -1]])
    np.testing.assert_array_equal(elsewhere(old, new).sum(axis=0), [1, 2])
    np.testing.assert_array_equal(elsewhere(old, new)[:, 0], [0, 0, 0, 0, 0, 1])
    finer = np.array([[0, 0], [0, 0], [0, 1], [0, 1], [1, 0], [1, 1]])
    np.testing.assert_array_equal(elsewhere(old, finer).sum(axis=0), [0, 1])  # a leaf that was split


def test_drift_grows_with_depth_and_with_shuffled_codes(vectors: np.ndarray) -> None:
    codes = build_codes(vectors, leaf_size=12)
    rng = np.random.default_rng(0)
    few = codes.copy()
    some = rng.choice(200, 20, replace=False)
    few[some] = few[rng.permutation(some)]
    slight, strong = elsewhere(few, codes).mean(axis=0), elsewhere(rng.permutation(codes), codes).mean(axis=0)
    assert (np.diff(slight) >= 0).all()
    assert 0 < slight[-1] <= 0.1
    assert (strong > slight + 0.3).all()


def test_links_come_from_shortened_histories() -> None:
    view = TrainSplit.from_pairs(np.repeat(np.arange(20), 5).astype(str), (np.arange(100) % 10).astype(str))
    fresh, old = np.arange(1, 4), np.arange(4, 11)
    assert linked(view, None, fresh, old)[1].all()
    assert not linked(view, 1, fresh, old)[1].any(), "one item alone is linked to none"
