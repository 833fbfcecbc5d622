import numpy as np
import pytest

from recbole_dtlns.false_negatives.report.auc import AUC, auc, within_user_auc

YES, NO = True, False


@pytest.mark.parametrize(
    ("positive", "score", "expected"),
    [
        ([YES, YES, NO, NO], [3, 4, 1, 2], 1.0),
        ([YES, YES, NO, NO], [1, 2, 3, 4], 0.0),
        ([YES, NO, YES, NO], [1, 1, 1, 1], 0.5),
        ([YES, YES, NO, NO], [2, 1, 1, 0], 3.5 / 4),
        ([YES, NO, NO, NO, NO], [5, 5, 5, 1, 9], 2 / 4),
        ([YES, NO], [np.inf, -np.inf], 1.0),
    ],
)
def test_known_answers(positive, score, expected):
    area = auc(np.array(positive), np.array(score, dtype=float))
    assert area.value == pytest.approx(expected)
    assert area.pairs == len(positive)


def test_every_comparison_counts_once():
    rng = np.random.default_rng(0)
    positive, score = rng.random(80) < 0.3, rng.integers(0, 9, 80).astype(float)
    won = np.sign(score[positive][:, None] - score[~positive]) / 2 + 0.5
    assert auc(positive, score).value == pytest.approx(won.mean())


def test_unanswered_pairs_are_left_out_and_counted():
    positive = np.array([YES, YES, YES, NO, NO, NO])
    score = np.array([3, np.nan, 1, 2, np.nan, 0])
    assert auc(positive, score).value == pytest.approx(0.75)
    assert auc(positive, score).pairs == 4


@pytest.mark.parametrize("positive", [[YES, YES], [NO, NO], []])
def test_one_class_alone_has_no_auc(positive):
    score = np.arange(float(len(positive)))
    assert auc(np.array(positive, dtype=bool), score) == AUC(None, None, len(positive))
    assert within_user_auc(np.ones(len(positive), dtype=int), np.array(positive, dtype=bool), score) is None


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_the_error_is_that_of_repeated_samples(shift):
    rng = np.random.default_rng(1)
    positive = np.arange(200) < 80
    score = rng.normal(size=200) + shift * positive
    again = []
    for _ in range(400):
        rows = np.concatenate([rng.integers(0, 80, 80), rng.integers(80, 200, 120)])
        again.append(auc(positive[rows], score[rows]).value)
    assert auc(positive, score).error == pytest.approx(np.std(again), rel=0.15)


@pytest.mark.parametrize(("n_positive", "n_negative"), [(12, 300), (300, 12)])
def test_the_error_is_exact_for_exponential_scores(n_positive, n_negative):
    """Hanley and McNeil's formula holds for them; few positives cost more than few negatives, or less."""
    rng = np.random.default_rng(3)
    positive = np.arange(n_positive + n_negative) < n_positive
    samples = [auc(positive, rng.exponential(np.where(positive, 5.0, 1.0))) for _ in range(600)]
    errors = np.mean([sample.error for sample in samples])
    assert errors == pytest.approx(np.std([sample.value for sample in samples]), rel=0.12)


def test_within_users_only_pairs_of_one_user_are_compared():
    users = np.array([7, 7, 2, 2, 2, 9])
    positive = np.array([YES, NO, YES, NO, NO, YES])
    score = np.array([1.0, 0.0, 100.0, 100.0, 200.0, 5.0])  # user 7 wins 1 of 1, user 2 half of 2; 9 has no negative
    assert within_user_auc(users, positive, score) == pytest.approx((1 + 0.25) / 2)


def test_within_users_equals_the_mean_of_each_users_auc():
    rng = np.random.default_rng(2)
    users, positive = rng.integers(0, 12, 150), rng.random(150) < 0.5
    score = rng.integers(0, 5, 150) + 10.0 * users  # between users it would be another value
    score[rng.random(150) < 0.1] = np.nan
    each = [auc(positive[users == user], score[users == user]).value for user in range(12)]
    assert within_user_auc(users, positive, score) == pytest.approx(
        np.mean([value for value in each if value is not None])
    )
    mixed = rng.permutation(150)
    assert within_user_auc(users[mixed], positive[mixed], score[mixed]) == pytest.approx(
        within_user_auc(users, positive, score)
    )
