import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_dtlns.trees.index_tree import balance, split_node


def test_members_that_lose_least_are_moved_not_the_last():
    distances = np.array(
        [
            [1.0, 9.0, 9.0],  # loses 8
            [1.0, 2.0, 9.0],  # loses 1, to cluster 1
            [1.0, 9.0, 4.0],  # loses 3, to cluster 2
            [1.0, 9.0, 9.5],
            [1.0, 9.0, 9.0],
            [9.0, 0.0, 9.0],
        ]
    )
    np.testing.assert_array_equal(balance(distances, 3), [0, 1, 2, 0, 0, 1])
    np.testing.assert_array_equal(balance(distances, 5), [0, 0, 0, 0, 0, 1])


def test_a_full_target_sends_later_members_elsewhere():
    distances = np.array([[0.0, 1.0, 5.0], [0.0, 2.0, 9.0], [0.0, 3.0, 4.0], [0.0, 9.0, 9.0], [9.0, 0.0, 9.0]])
    # Member 0 fills cluster 1; of the others member 2 loses least, to cluster 2.
    np.testing.assert_array_equal(balance(distances, 2), [1, 0, 2, 0, 1])


def test_equal_losses_move_the_lowest_member_to_the_lowest_cluster():
    np.testing.assert_array_equal(balance(np.zeros((5, 3)), 2), [1, 1, 2, 0, 0])


def greedy(distances: np.ndarray, capacity: int) -> np.ndarray:
    """One move at a time: the slow form of `balance`."""
    labels = distances.argmin(axis=1)
    while True:
        sizes = np.bincount(labels, minlength=distances.shape[1])
        moves = [
            (distances[member, target] - distances[member, labels[member]], member, target)
            for member in range(len(labels))
            for target in range(len(sizes))
            if sizes[labels[member]] > capacity and sizes[target] < capacity
        ]
        if not moves:
            return labels
        _, member, target = min(moves)
        labels[member] = target


@given(st.integers(2, 25), st.integers(2, 5), st.integers(0, 10_000), st.integers(0, 3))
@settings(max_examples=150, deadline=None)
def test_balance_is_the_greedy_rule(n, clusters, seed, spare):
    rng = np.random.default_rng(seed)
    distances = rng.integers(0, 6, (n, clusters)) * rng.choice([1.0, 0.1], clusters)
    capacity = -(-n // clusters) + spare
    labels = balance(distances, capacity)
    np.testing.assert_array_equal(labels, greedy(distances, capacity))
    assert np.bincount(labels).max() <= capacity


def test_what_a_move_costs_is_the_growth_of_the_squared_distance():
    # Six members around (0, 0), bound 5, and two at (10, 0). To leave costs the third 90.25 - 0.25 and the first
    # 181 - 81, though in plain distance the first would lose less (4.5 against 9).
    points = [(0, 9), (0, -9), (0.5, 0), (-0.5, 0), (0, 0), (0, 0), (10, 0), (10, 0)]
    assert split_node(np.array(points, dtype=float), 2, 42, 1.3).tolist() == [0, 0, 1, 0, 0, 0, 1, 1]


def test_two_members_get_a_child_each():
    assert sorted(split_node(np.array([[0.0], [1.0]]), 4, 42, 1.6).tolist()) == [0, 1]
