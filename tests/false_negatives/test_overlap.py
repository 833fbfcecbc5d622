import numpy as np
import pytest

from recbole_dtlns.false_negatives.report.overlap import looks_filtered, overlap_with


def test_by_hand():
    """User 1: 2 inferred, 1 held, 4 of 10 items in train. User 2: 1, 3 and 5. User 3: none, 1 and 1."""
    held_out = np.array([1, 2, 2, 2, 3]), np.array([7, 1, 2, 3, 4])
    inferred = np.array([1, 1, 2]), np.array([7, 8, 9])
    hits, chance = overlap_with(*held_out, *inferred, 10, np.array([0, 4, 5, 1]))
    assert hits == 1
    assert chance == pytest.approx(2 * 1 / 6 + 1 * 3 / 5)


def test_repeated_pairs_count_once():
    held_out = np.array([1, 1]), np.array([7, 7])
    inferred = np.array([1, 1, 1]), np.array([7, 7, 8])
    assert overlap_with(*held_out, *inferred, 10, np.array([0, 6])) == (1, pytest.approx(2 * 1 / 4))


def test_chance_is_what_random_items_give():
    rng = np.random.default_rng(0)
    n_items, n_users = 40, 300
    train = rng.integers(1, 20, n_users)
    held_out, inferred = [], []
    for user in range(n_users):
        unseen = rng.permutation(n_items)[train[user] :]
        held_out += [(user, item) for item in unseen[:3]]
        inferred += [(user, item) for item in rng.permutation(unseen)[:5]]
    (hu, hi), (iu, ii) = np.array(held_out).T, np.array(inferred).T
    hits, chance = overlap_with(hu, hi, iu, ii, n_items, train)
    assert chance == pytest.approx((5 * 3 / (n_items - train)).sum())
    assert hits == pytest.approx(chance, rel=0.15)
    assert hits == len({*held_out} & {*inferred})


def test_nothing_on_either_side():
    none = np.zeros(0, dtype=np.int64)
    some = np.array([1, 2])
    assert overlap_with(none, none, some, some, 5, np.array([0, 1, 1])) == (0, 0.0)
    assert overlap_with(some, some, none, none, 5, np.array([0, 1, 1])) == (0, 0.0)


def test_users_beyond_train_and_users_who_have_everything():
    held_out = np.array([1, 5]), np.array([2, 3])
    hits, chance = overlap_with(*held_out, np.array([5]), np.array([3]), 4, np.array([0, 4]))
    assert (hits, chance) == (1, 1 / 4)


def test_looks_filtered():
    assert looks_filtered(0, 10.0)
    assert not looks_filtered(0, 9.99)
    assert not looks_filtered(1, 1000.0)
