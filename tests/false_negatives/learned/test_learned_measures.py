"""Log loss, AUC, NDCG and reliability, against plain loops; what each group of features is worth."""

from itertools import product

import numpy as np
import pytest

from recbole_dtlns.false_negatives.learned.features import Features
from recbole_dtlns.false_negatives.learned.groups import worth_of_groups, worth_of_judges
from recbole_dtlns.false_negatives.learned.measures import MEASURES, UserPairs, mean_interval, reliability
from recbole_dtlns.false_negatives.learned.model import fit_folds, folds_of_users


@pytest.fixture
def pairs():
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(12), rng.integers(1, 40, 12))
    positive = rng.random(len(users)) < 0.3
    return UserPairs(users, positive, np.bincount(users, weights=positive).astype(int) + rng.integers(1, 4, 12))


def slow(pairs, user, probability):
    rows = np.flatnonzero(pairs.users == user)
    chance, truth = probability[rows], pairs.positive[rows]
    loss = -np.mean(np.where(truth, np.log(chance), np.log(1 - chance)))
    duels = list(product(chance[truth], chance[~truth]))
    auc = np.mean([(a > b) + (a == b) / 2 for a, b in duels]) if duels else np.nan
    order = np.argsort(-chance, kind="stable")[:20]
    gain = sum(1 / np.log2(place + 2) for place, row in enumerate(order) if truth[row])
    ideal = sum(1 / np.log2(place + 2) for place in range(min(20, pairs.n_held_in[user])))
    return loss, auc, gain / ideal


@pytest.mark.parametrize("ties", [False, True])
def test_measures_are_those_of_a_plain_loop(pairs, ties):
    probability = np.random.default_rng(1).random(len(pairs.users)) * 0.98 + 0.01
    if ties:
        probability = np.ceil(probability * 4) / 5
    measures = pairs.measures(probability)
    for user in range(12):
        expected = slow(pairs, user, probability)
        for name, value in zip(("log_loss", "auc", "ndcg@20"), expected, strict=True):
            np.testing.assert_allclose(measures[name][user], value, err_msg=f"{name} of {user}")
    assert np.isnan(measures["auc"]).any()


def test_no_pairs_have_no_measures():
    none = UserPairs(np.zeros(0, dtype=int), np.zeros(0, dtype=bool), np.zeros(0, dtype=int))
    assert {name: len(values) for name, values in none.measures(np.zeros(0)).items()} == dict.fromkeys(MEASURES, 0)


def test_held_in_pairs_that_are_no_candidates_count_against_the_order():
    users, positive = np.zeros(2, dtype=int), np.array([True, False])
    right = np.array([0.9, 0.1])
    assert UserPairs(users, positive, np.array([1])).measures(right)["ndcg@20"] == [1]
    assert UserPairs(users, positive, np.array([2])).measures(right)["ndcg@20"] == pytest.approx(
        1 / (1 + 1 / np.log2(3))
    )
    assert UserPairs(users, positive, np.array([50])).measures(right)["ndcg@20"] < 0.15


def test_the_interval_is_that_of_a_mean_and_leaves_unknown_values_out():
    values = np.array([1.0, 2.0, 3.0, np.nan])
    assert mean_interval(values) == pytest.approx({"value": 2, "low": 2 - 1.96 / 3**0.5, "high": 2 + 1.96 / 3**0.5})
    assert mean_interval(np.array([5.0, np.nan])) == {"value": 5.0, "low": None, "high": None}
    assert mean_interval(np.array([np.nan])) == {"value": None, "low": None, "high": None}


def test_reliability_counts_every_known_pair_once():
    probability = np.array([0.0, 0.002, 0.003, 0.2, 0.29, 0.3, 1.0, np.nan])
    positive = np.array([False, True, False, True, True, False, True, True])
    rows = reliability(probability, positive)
    assert [(row["low"], row["high"], row["pairs"]) for row in rows] == [
        (0.0, 0.003, 2),
        (0.003, 0.01, 1),
        (0.1, 0.3, 2),
        (0.3, 0.5, 1),
        (0.5, 1.0, 1),
    ]
    assert [row["found"] for row in rows] == [0.5, 0, 1, 0, 1]
    assert rows[2]["predicted"] == pytest.approx(0.245)
    assert reliability(np.zeros(0), np.zeros(0, dtype=bool)) == []


def test_a_group_that_knows_the_truth_is_missed_and_one_that_knows_nothing_is_not():
    rng = np.random.default_rng(2)
    users = np.repeat(np.arange(150), 20)
    positive = rng.random(3000) < 0.2
    signal, noise = positive + rng.normal(0, 0.5, 3000), rng.normal(size=(3000, 2))
    values = np.column_stack([noise[:, 0], signal, noise[:, 1]]).astype(np.float32)
    features = Features(("a", "b", "c"), ("candidate source", "judges", "semantic tree"), values)
    wanted = np.maximum(np.bincount(users, weights=positive), 1).astype(int)
    rows = worth_of_groups(features, UserPairs(users, positive, wanted), every_pair=False)
    assert [row["group"] for row in rows] == ["all", "candidate source", "semantic tree", "judges"]
    worth = {row["group"]: row for row in rows}
    for measure in ("log_loss", "auc", "ndcg@20"):
        assert worth["judges"]["lost"][measure]["low"] > 0
        assert worth["semantic tree"]["lost"][measure]["low"] <= 0
    assert worth["judges"]["alone"]["auc"]["value"] > 0.8
    alone = worth["semantic tree"]["alone"]["auc"]
    assert alone["low"] - 0.03 < 0.5 < alone["high"] + 0.03
    lost = worth["judges"]["lost"]["auc"]["value"]
    assert lost == pytest.approx(worth["all"]["all"]["auc"]["value"] - worth["judges"]["without"]["auc"]["value"])


def test_too_few_pairs_give_no_table():
    users = np.repeat(np.arange(10), 5)
    positive = np.arange(50) % 5 == 0
    features = Features(("a",), ("judges",), np.zeros((50, 1), dtype=np.float32))
    assert worth_of_groups(features, UserPairs(users, positive, np.ones(10, dtype=int)), False) is None


def test_what_judges_add_is_measured_on_all_users_and_on_those_asked_about():
    """Against two fits by hand; one judge knows the truth of the users that it was asked about, the other nothing."""
    rng = np.random.default_rng(3)
    users = np.repeat(np.arange(120), 12)
    positive = rng.random(len(users)) < 0.25
    asked = (users % 2 == 0) & (rng.random(len(users)) < 0.9)
    asked[users == 0] = np.arange(12) == 5  # of one user a single pair
    knows, noise = np.where(asked, positive * 1.0, np.nan), rng.normal(size=len(users))
    values = (positive + rng.normal(size=len(users))).astype(np.float32)[:, None]
    features = Features(("source score",), ("candidate source",), values).with_judges({"knows": knows, "noise": noise})
    pairs = UserPairs(users, positive, np.maximum(np.bincount(users, weights=positive), 1).astype(int))
    worth = worth_of_judges(features, ["knows", "noise"], pairs, asked)
    folds = folds_of_users(users, folds=2)
    more, less = (
        pairs.measures(fit_folds(columns, positive, folds, every_pair=True, max_features=1.0)[1])
        for columns in (features.values, values)
    )
    of_the_asked = np.isin(np.arange(120), users[asked])
    assert list(worth) == ["all users", "users asked about"]
    for name, sign in (("log_loss", -1), ("auc", 1), ("ndcg@20", 1)):
        gain = sign * (more[name] - less[name])
        assert worth["all users"][name] == mean_interval(gain)
        assert worth["users asked about"][name] == mean_interval(gain[of_the_asked])
    assert worth["users asked about"]["auc"]["low"] > 0.1
    few = UserPairs(users[:60], positive[:60], np.ones(5, dtype=int))
    assert worth_of_judges(features, ["knows"], few, asked[:60]) is None
