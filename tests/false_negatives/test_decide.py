import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbole_dtlns.config.budget import Budget
from recbole_dtlns.config.choices import DECISIONS
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.decide import Calibration, DecisionSettings, decide, probability_of

NAN = float("nan")


def test_threshold_accepts_from_the_threshold_on():
    raw = np.array([0.5, 0.49, 1.7, -3.0, NAN])
    decision = decide(np.ones(5, int), np.arange(5), raw, np.arange(5), DecisionSettings("threshold"), np.array([0, 9]))
    assert decision.accepted.tolist() == [True, False, True, False, False]
    np.testing.assert_array_equal(decision.probability, [0.5, 0.49, 1.0, 0.0, NAN])


def test_per_user_ties_go_to_rank_then_token():
    users = np.array([1, 1, 1, 1, 1, 2, 2, 2])
    ranks = np.array([3, 0, 2, 1, 4, 1, 1, 0])
    items = np.array([10, 11, 12, 13, 14, 22, 21, 23])
    raw = np.array([0.9, 0.8, 0.8, 0.8, 0.3, 0.7, 0.7, 0.6])
    settings = DecisionSettings("per_user", 0.5, Budget.parse(3))
    accepted = decide(users, ranks, raw, items, settings, np.array([0, 4, 4])).accepted
    assert accepted.tolist() == [True, True, False, True, False, True, True, True]
    settings = DecisionSettings("per_user", 0.5, Budget.parse(1))
    accepted = decide(users, ranks, raw, items, settings, np.array([0, 4, 4])).accepted
    assert items[accepted].tolist() == [10, 21]  # best raw; equal raw and rank: the earlier token


def test_per_user_ranks_by_raw_beyond_one_and_below_zero():
    raw = np.array([1.5, 2.5, 1.0])
    settings = DecisionSettings("per_user", 0.5, Budget.parse(1))
    decision = decide(np.ones(3, int), np.arange(3), raw, np.arange(3), settings, np.array([0, 1]))
    assert decision.accepted.tolist() == [False, True, False]
    assert decision.probability.tolist() == [1.0, 1.0, 1.0]


def test_per_user_never_accepts_below_the_threshold_nor_without_a_verdict():
    raw = np.array([NAN, 0.4, NAN, 0.6])
    settings = DecisionSettings("per_user", 0.5, Budget.parse(4))
    accepted = decide(np.ones(4, int), np.arange(4), raw, np.arange(4), settings, np.array([0, 1])).accepted
    assert accepted.tolist() == [False, False, False, True]
    settings = DecisionSettings("per_user", 0.0, Budget.parse(4))
    accepted = decide(np.ones(4, int), np.arange(4), raw, np.arange(4), settings, np.array([0, 1])).accepted
    assert accepted.tolist() == [False, True, False, True]


def test_the_budget_follows_the_history():
    users = np.repeat([1, 2, 3], 5)
    settings = DecisionSettings("per_user", 0.0, Budget.parse("50%"))
    history = np.array([0, 1, 4, 0])
    accepted = decide(
        users, np.tile(np.arange(5), 3), np.ones(15), np.tile(np.arange(5), 3), settings, history
    ).accepted
    assert np.bincount(users[accepted], minlength=4).tolist() == [0, 1, 2, 0]


@given(st.permutations(range(8)))
def test_the_order_of_the_pairs_does_not_matter(order):
    order = np.array(order)
    users, ranks = np.array([1, 1, 1, 1, 2, 2, 2, 2]), np.array([0, 1, 2, 3, 0, 1, 2, 3])
    items, raw = np.arange(8), np.array([0.6, 0.6, 0.9, NAN, 0.5, 0.4, 0.5, 0.5])
    settings, history = DecisionSettings("per_user", 0.5, Budget.parse(2)), np.array([0, 3, 3])
    before = decide(users, ranks, raw, items, settings, history).accepted
    after = decide(users[order], ranks[order], raw[order], items[order], settings, history).accepted
    np.testing.assert_array_equal(after, before[order])
    assert items[before].tolist() == [0, 2, 4, 6]


def test_no_pairs():
    none = np.zeros(0, dtype=np.int64)
    decision = decide(none, none, np.zeros(0), none, DecisionSettings(), np.array([0]))
    assert decision.accepted.shape == decision.probability.shape == (0,)


def test_defaults_and_bad_settings():
    assert DecisionSettings() == DecisionSettings("per_user", 0.5, Budget.parse(5))
    with pytest.raises(UserError, match="found 'best'; expected one of per_user, threshold"):
        DecisionSettings("best")
    for wrong in (-0.1, 1.1, NAN):
        with pytest.raises(UserError, match="expected a number from 0 to 1"):
            DecisionSettings(threshold=wrong)


def rate(share, raw, users=None, ranks=None, items=None):
    raw = np.asarray(raw, dtype=float)
    count = len(raw)
    columns = [np.arange(count) if column is None else np.array(column) for column in (users, ranks, items)]
    settings = DecisionSettings("rate", rate=share)
    return decide(columns[0], columns[1], raw, columns[2], settings, np.zeros(count + 1)).accepted


@pytest.mark.parametrize(("share", "count"), [(0, 0), (0.04, 0), (0.3, 3), (0.25, 2), (0.96, 10), (1, 10)])
def test_rate_accepts_the_best_share_whatever_the_threshold(share, count):
    raw = np.random.default_rng(0).permutation(10) * 0.01  # none reaches 0.5
    accepted = rate(share, raw)
    assert accepted.sum() == count
    assert set(raw[accepted]) == set(np.sort(raw)[10 - count :])


def test_rate_counts_judged_pairs_alone():
    accepted = rate(0.5, [NAN, 0.1, NAN, 0.2, NAN, 0.3, NAN, 0.4, NAN, NAN])
    assert np.flatnonzero(accepted).tolist() == [5, 7]
    assert rate(1, [NAN, 0.1, NAN]).tolist() == [False, True, False]
    assert not rate(1, [NAN, NAN]).any()


def test_rate_breaks_ties_by_rank_then_item_then_user():
    accepted = rate(0.5, np.ones(6), users=[1, 2, 3, 4, 5, 6], ranks=[2, 0, 1, 1, 0, 1], items=[1, 2, 5, 4, 3, 4])
    assert np.flatnonzero(accepted).tolist() == [1, 3, 4]
    accepted = rate(0.5, np.ones(2), users=[2, 1], ranks=[0, 0], items=[7, 7])
    assert accepted.tolist() == [False, True]


def test_rate_orders_log_odds_that_a_probability_cannot_tell_apart():
    raw = np.array([45.0, 300.0, 60.0, -900.0, -50.0])
    probability = probability_of(raw, Calibration())
    assert probability[:3].tolist() == [1, 1, 1]
    users = np.arange(5)
    decision = decide(users, users, raw, users, DecisionSettings("rate", rate=0.4), np.zeros(6), probability)
    assert np.flatnonzero(decision.accepted).tolist() == [1, 2]


def test_probability_of_log_odds():
    raw = np.array([0.0, np.log(3), -np.log(3), 800.0, -800.0, NAN])
    np.testing.assert_allclose(probability_of(raw, Calibration()), [0.5, 0.75, 0.25, 1, 0, NAN], atol=1e-12)
    np.testing.assert_allclose(Calibration(2.0, -1.0).probability(np.array([0.5, 1.0])), [0.5, 1 / (1 + np.exp(-1))])
    np.testing.assert_array_equal(probability_of(np.array([-1.0, 0.25, 3.0, NAN]), None), [0, 0.25, 1, NAN])


def test_calibrated_is_per_user_by_the_fitted_probability():
    raw = np.array([5.0, 1.0, -3.0, 0.0])
    probability = probability_of(raw, Calibration(-1.0, 0.5))  # a judge that is wrong: the lowest raw is the best
    for kind in ("calibrated", "per_user"):
        settings = DecisionSettings(kind, 0.5, Budget.parse(1))
        decision = decide(np.ones(4, int), np.arange(4), raw, np.arange(4), settings, np.array([0, 1]), probability)
        assert decision.accepted.tolist() == [False, False, True, False]
        np.testing.assert_array_equal(decision.probability, probability)
    settings = DecisionSettings("calibrated", 0.6, Budget.parse(4))
    decision = decide(np.ones(4, int), np.arange(4), raw, np.arange(4), settings, np.array([0, 4]), probability)
    assert decision.accepted.tolist() == [False, False, True, True]


@pytest.mark.parametrize("kind", DECISIONS)
def test_every_kind_leaves_pairs_without_a_verdict_alone(kind):
    raw = np.array([NAN, 0.9, NAN])
    settings = DecisionSettings(kind, 0.0, Budget.parse(3), rate=1.0)
    accepted = decide(np.ones(3, int), np.arange(3), raw, np.arange(3), settings, np.array([0, 3])).accepted
    assert accepted.tolist() == [False, True, False]
