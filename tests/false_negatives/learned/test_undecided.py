"""Which pairs a costly judge is asked about."""

import numpy as np
import pytest

from recbole_dtlns.false_negatives.learned.undecided import undecided_pairs


def judged(rng, n_users=30, most=40):
    """Users, probabilities and the three best of each user as accepted."""
    users = np.repeat(np.arange(1, n_users + 1), rng.integers(1, most, n_users))
    probability = rng.random(len(users)) * rng.random(n_users)[users - 1]
    accepted = np.zeros(len(users), dtype=bool)
    for user in range(1, n_users + 1):
        rows = np.flatnonzero(users == user)
        accepted[rows[np.argsort(-probability[rows])[:3]]] = True
    return users, probability, accepted


@pytest.mark.parametrize("limit", [0, 1, 7, 50, 200, 10_000])
def test_the_limit_is_kept_and_used(limit):
    users, probability, accepted = judged(np.random.default_rng(0))
    chosen = undecided_pairs(users, probability, accepted, limit)
    assert chosen.sum() <= limit
    assert chosen.sum() >= min(limit, len(users)) - 80  # whole windows of users
    if limit >= len(users):
        assert chosen.all()


def test_a_larger_limit_asks_about_no_fewer_users():
    users = np.repeat(np.arange(1, 101), 50)
    probability = np.random.default_rng(0).random(len(users))
    accepted = np.zeros(len(users), dtype=bool)
    asked = [len(set(users[undecided_pairs(users, probability, accepted, limit)])) for limit in range(5, 5001, 83)]
    assert asked == sorted(asked)


def test_pairs_next_to_the_end_of_the_list_are_chosen():
    probability = np.linspace(0.9, 0.1, 20)
    accepted = np.arange(20) < 8
    chosen = undecided_pairs(np.ones(20, dtype=np.int64), probability, accepted, 10)
    assert np.flatnonzero(chosen).tolist() == list(range(3, 13))


def test_a_user_with_an_empty_list_is_asked_about_the_best_pairs():
    probability = np.linspace(0.4, 0.01, 20)
    chosen = undecided_pairs(np.ones(20, dtype=np.int64), probability, np.zeros(20, dtype=bool), 5)
    assert np.flatnonzero(chosen).tolist() == [0, 1, 2, 3, 4]


def test_the_least_decided_users_come_first_and_order_of_pairs_within_a_user_does_not_matter():
    rng = np.random.default_rng(1)
    users, probability, accepted = judged(rng)
    sure = np.where(users % 2 == 0, probability * 1e-3, probability)
    chosen = undecided_pairs(users, sure, accepted, 60)
    assert set(users[chosen] % 2) == {1}
    order = np.lexsort((rng.random(len(users)), users))
    again = undecided_pairs(users[order], sure[order], accepted[order], 60)
    assert set(order[again].tolist()) == set(np.flatnonzero(chosen).tolist())


def test_doubt_is_largest_at_even_odds():
    users = np.repeat(np.arange(1, 6), 2)
    probability = np.repeat([0.99, 0.5, 0.9, 0.6, 0.02], 2)
    chosen = undecided_pairs(users, probability, probability > 0.4, 4)
    assert users[chosen].tolist() == [2, 2, 4, 4]


def test_nothing_to_choose_from():
    empty = np.zeros(0)
    assert len(undecided_pairs(empty.astype(np.int64), empty, empty.astype(bool), 5)) == 0
