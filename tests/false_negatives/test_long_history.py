import numpy as np
from scipy import sparse

from recbole_dtlns.false_negatives.judges.long_history import nearest_history
from recbole_dtlns.trees.lcp import lcp_similarity


def setting(seed=0):
    rng = np.random.default_rng(seed)
    co = np.concatenate([np.full((1, 3), -1), rng.integers(0, 3, (40, 3))]).astype(np.int16)
    se = np.concatenate([np.full((1, 2), -1), rng.integers(0, 3, (40, 2))]).astype(np.int16)
    dense = np.zeros((6, 41))
    for user, count in enumerate([0, 12, 3, 20, 5, 9]):
        dense[user, 1 + rng.choice(40, count, replace=False)] = 1
    users = np.repeat([1, 2, 3, 5], [4, 2, 3, 1])
    return sparse.csr_matrix(dense), co, se, users, rng.integers(1, 41, len(users))


def test_the_items_nearest_to_the_candidates_are_kept():
    matrix, co, se, users, items = setting()
    cut = nearest_history(matrix, co, se, users, items, 5)
    for user in (1, 3, 5):
        history, wanted = matrix[user].indices, items[users == user]
        near = sum(
            np.maximum(*(lcp_similarity(codes[history], codes[candidate][None]) for codes in (co, se))).astype(float)
            for candidate in wanted
        )
        kept = np.isin(history, cut[user].indices)
        assert kept.sum() == 5
        assert near[kept].min() >= near[~kept].max() - 1e-6


def test_short_histories_and_users_who_are_not_asked_about_stay_whole():
    matrix, co, se, users, items = setting()
    cut = nearest_history(matrix, co, se, users, items, 5)
    for user in (0, 2, 4):
        np.testing.assert_array_equal(cut[user].toarray(), matrix[user].toarray())
    assert nearest_history(matrix, co, se, users, items, 20) is matrix


def test_the_cut_follows_from_codes_and_not_from_the_order_of_candidates():
    matrix, co, se, users, items = setting()
    first = nearest_history(matrix, co, se, users, items, 4)
    order = np.lexsort((-items, users))
    second = nearest_history(matrix, co, se, users[order], items[order], 4)
    np.testing.assert_array_equal(first.toarray(), second.toarray())


def test_small_blocks_change_nothing(monkeypatch):
    from recbole_dtlns.false_negatives.judges import long_history

    matrix, co, se, users, items = setting()
    whole = nearest_history(matrix, co, se, users, items, 4)
    monkeypatch.setattr(long_history, "_CELLS", 1)
    np.testing.assert_array_equal(nearest_history(matrix, co, se, users, items, 4).toarray(), whole.toarray())
