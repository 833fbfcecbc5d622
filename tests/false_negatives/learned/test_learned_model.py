"""Folds and boosted models."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from recbole_dtlns.false_negatives.learned import model as learned_model
from recbole_dtlns.false_negatives.learned.model import (
    LEAST,
    NEGATIVES,
    RATE,
    RATE_OF_RARE,
    can_be_fitted,
    fit_folds,
    folds_of_users,
    rows_of_a_leaf,
)


@pytest.fixture
def made():
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(100), 20) + 7
    values = rng.normal(size=(2000, 3)).astype(np.float32)
    values[::5, 2] = np.nan  # pairs that a judge was not asked about
    positive = rng.random(2000) < 1 / (1 + np.exp(2 - 2 * values[:, 0]))
    return users, values, positive


def test_a_users_pairs_share_a_fold_and_folds_are_even(made):
    users = np.random.default_rng(1).permutation(made[0])
    folds = folds_of_users(users)
    of_user = {user: set(folds[users == user].tolist()) for user in np.unique(users)}
    assert all(len(folds) == 1 for folds in of_user.values())
    assert np.unique(folds, return_counts=True)[1].tolist() == [500] * 4
    assert set(folds_of_users(np.array([5, 5])).tolist()) == {0}


def test_each_pair_is_answered_by_a_model_that_has_not_seen_its_user(made, monkeypatch):
    users, values, positive = made
    folds = folds_of_users(users)
    seen = {}
    fit = HistGradientBoostingClassifier.fit

    def noted(self, given, truth):
        seen[self.random_state] = given
        return fit(self, given, truth)

    monkeypatch.setattr(HistGradientBoostingClassifier, "fit", noted)
    model, unseen = fit_folds(values, positive, folds)
    assert sorted(seen) == [0, 1, 2, 3]
    boosted = [booster.model for booster in model.boosters]
    for fold in range(4):
        np.testing.assert_array_equal(seen[fold], values[folds != fold])  # of other users alone
        answers = boosted[fold].predict_proba(values[folds == fold])[:, 1]
        np.testing.assert_array_equal(unseen[folds == fold], answers)
    mean = np.mean([trees.predict_proba(values)[:, 1] for trees in boosted], axis=0)
    np.testing.assert_allclose(model.probability(values), mean)
    assert model.sizes == [trees.n_iter_ for trees in boosted]


@pytest.fixture
def rare():
    """Held-in pairs that are 2 % of all, as likely as their one feature says."""
    rng = np.random.default_rng(5)
    users = np.repeat(np.arange(600), 50)
    values = rng.normal(size=(len(users), 1)).astype(np.float32)
    chance = 1 / (1 + np.exp(4.5 - values[:, 0]))
    return users, values, rng.random(len(users)) < chance, chance


def test_rare_held_in_pairs_are_all_read_and_of_the_others_a_few(rare, monkeypatch):
    users, values, positive, _ = rare
    seen = {}
    fit = HistGradientBoostingClassifier.fit

    def noted(self, given, truth):
        seen[self.random_state] = given[:, 0], truth
        return fit(self, given, truth)

    monkeypatch.setattr(HistGradientBoostingClassifier, "fit", noted)
    folds = folds_of_users(users)
    fit_folds(values, positive, folds)
    assert sorted(seen) == list(range(8))  # two models a fold
    for seed, (given, truth) in seen.items():
        others = folds != seed % 4
        np.testing.assert_array_equal(given[truth], values[others & positive, 0])
        assert np.isin(given[~truth], values[others & ~positive, 0]).all()
        assert (~truth).sum() == NEGATIVES * truth.sum()
        assert len(np.unique(given[~truth])) > 0.99 * NEGATIVES * truth.sum()  # none twice; few values are equal
    assert not np.array_equal(seen[0][0], seen[4][0])  # the two models of a fold read different ones


@pytest.mark.parametrize("every_pair", [True, False])
def test_probabilities_keep_their_meaning_where_few_of_the_other_pairs_are_read(rare, every_pair):
    users, values, positive, chance = rare
    model, unseen = fit_folds(values, positive, folds_of_users(users), every_pair)
    assert unseen.mean() == pytest.approx(positive.mean(), rel=0.05)
    assert np.corrcoef(unseen, chance)[0, 1] > 0.9
    assert model.probability(values).mean() == pytest.approx(positive.mean(), rel=0.05)
    assert len(model.boosters) == (4 if every_pair else 8)


def test_a_leaf_holds_one_row_of_500_within_bounds():
    assert [rows_of_a_leaf(rows) for rows in (0, 5499, 5500, 149_999, 150_000, 10**7)] == [10, 10, 11, 299, 300, 300]


def test_rare_held_in_pairs_are_learned_at_the_higher_rate(made, rare):
    users, values, positive, _ = rare
    few = fit_folds(values, positive, folds_of_users(users))[0]
    every = fit_folds(values, positive, folds_of_users(users), every_pair=True)[0]
    common = fit_folds(made[1], made[2], folds_of_users(made[0]))[0]
    rates = [{booster.model.learning_rate for booster in model.boosters} for model in (few, every, common)]
    assert rates == [{RATE_OF_RARE}, {RATE}, {RATE}]


def test_how_many_pairs_are_answered_at_a_time_changes_nothing(made, monkeypatch):
    users, values, positive = made
    model, _ = fit_folds(values, positive, folds_of_users(users))
    whole = model.probability(values)
    monkeypatch.setattr(learned_model, "_ROWS", 7)
    np.testing.assert_array_equal(model.probability(values), whole)


def test_no_boosted_model_answers_more_pairs_at_a_time_than_stay_in_the_cache(made, monkeypatch):
    users, values, positive = made
    model, _ = fit_folds(values, positive, folds_of_users(users))
    asked = []
    predict = HistGradientBoostingClassifier.predict_proba
    monkeypatch.setattr(
        HistGradientBoostingClassifier,
        "predict_proba",
        lambda self, rows: asked.append(len(rows)) or predict(self, rows),
    )
    monkeypatch.setattr(learned_model, "_ROWS", 300)
    for count in (299, 300, 301, 2000):
        asked.clear()
        assert len(model.probability(values[:count])) == count
        assert max(asked) <= 300
        assert sum(asked) == count * len(model.boosters)


def test_what_a_user_likes_does_not_reach_its_own_answers():
    """Labels that only memory can tell: out of fold they cannot be told."""
    rng = np.random.default_rng(3)
    users = np.repeat(np.arange(100), 20)
    values = users[:, None].astype(np.float32)
    positive = np.repeat(rng.random(100) < 0.5, 20)
    unseen = fit_folds(values, positive, folds_of_users(users))[1]
    assert abs(unseen[positive].mean() - unseen[~positive].mean()) < 0.2
    assert abs(fit_folds(values, positive, np.arange(2000) % 4)[1][positive].mean() - 0.5) > 0.2  # leaking folds


def test_the_number_of_threads_changes_nothing(made):
    users, values, positive = made
    folds = folds_of_users(users)
    answers = []
    for threads in (1, 3):
        with threadpool_limits(threads):
            model, unseen = fit_folds(values, positive, folds)
            answers.append((model.probability(values), unseen))
    np.testing.assert_array_equal(answers[0], answers[1])


def test_nothing_to_answer_is_no_error(made):
    users, values, positive = made
    model, _ = fit_folds(values, positive, folds_of_users(users))
    assert model.probability(values[:0]).shape == (0,)


@pytest.mark.parametrize("answered", [0, 1, 150])
def test_a_feature_that_hardly_anybody_knows_is_no_error(made, answered):
    users, values, positive = made
    values[answered:, 2] = np.nan
    assert np.isfinite(fit_folds(values, positive, folds_of_users(users))[1]).all()


def test_the_fewest_pairs_that_can_be_fitted_are(made):
    folds = np.repeat(np.arange(2), 2 * LEAST)
    positive = np.arange(4 * LEAST) % 2 == 0
    assert can_be_fitted(positive, folds)
    values = np.random.default_rng(0).normal(size=(len(folds), 2)).astype(np.float32)
    assert np.isfinite(fit_folds(values, positive, folds)[1]).all()
    positive[0] = False
    assert not can_be_fitted(positive, folds)  # fold 1 is fitted on fold 0
    assert not can_be_fitted(~positive, folds)
    assert not can_be_fitted(positive, np.zeros(len(positive), dtype=int))  # one user
    assert not can_be_fitted(np.zeros(0, dtype=bool), np.zeros(0, dtype=int))
