"""Judged lists, and the share of a user's best score."""

import numpy as np

from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.false_negatives.candidates.ranking import Candidates
from recbole_dtlns.false_negatives.lists import JudgedLists, share_of_best


def test_the_share_of_the_users_best_score():
    users, scores = np.array([1, 1, 1, 3, 3, 4]), np.array([4.0, 1.0, -2.0, -1.0, -3.0, 0.0])
    np.testing.assert_array_equal(share_of_best(users, scores), [1, 0.25, 0, 0, 0, 0])
    assert len(share_of_best(np.zeros(0, dtype=int), np.zeros(0))) == 0


def test_lists_hold_the_best_values_of_each_user_by_token():
    view = TrainSplit.from_pairs(np.array(["x", "y", "z"]), np.array(["a", "b", "c"]))
    users, items = np.array([1, 1, 1, 2, 2, 3, 3]), np.array([2, 3, 1, 1, 3, 1, 2])
    ranks = np.array([0, 1, 2, 0, 1, 0, 1])
    candidates = Candidates(users, items, ranks, -ranks.astype(np.float32), "made")
    values = np.array([0.1, 0.4, 0.4, np.nan, 0.2, 0.0, -1.0])
    lists = JudgedLists.from_values(view, candidates, values, 2)
    assert list(zip(lists.users.tolist(), lists.items.tolist(), strict=True)) == [("x", "c"), ("x", "a"), ("y", "c")]
    np.testing.assert_allclose(lists.values, [0.4, 0.4, 0.2], rtol=1e-6)
    assert lists.values.dtype == np.float32
    assert len(lists) == 3
