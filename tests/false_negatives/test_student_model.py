import functools
import pickle

import numpy as np
import pytest

from recbole_dtlns.false_negatives.judges.rule import RuleJudge
from recbole_dtlns.false_negatives.student import model
from recbole_dtlns.false_negatives.student.features import pair_features
from recbole_dtlns.false_negatives.student.folds import out_of_fold
from recbole_dtlns.false_negatives.student.model import SURE, Student, student_scores
from tests.false_negatives.test_student_features import random_context

CONTEXT = random_context(0, users=80, items=60, depths=(6, 5), density=0.15)
USERS, ITEMS = np.repeat(np.arange(1, 80), 20), np.random.default_rng(1).integers(1, 60, 79 * 20)
FEATURES = pair_features(CONTEXT, USERS, ITEMS)
RULE = RuleJudge(CONTEXT).score(USERS, ITEMS)[0]
TRAIN = USERS < 40


def test_it_learns_the_margins_of_a_rule():
    margins = 8 * (RULE - 0.5)
    predicted = Student.fit(FEATURES[TRAIN], margins[TRAIN]).predict(FEATURES[~TRAIN])
    assert predicted.dtype == np.float64
    assert np.corrcoef(predicted, margins[~TRAIN])[0, 1] > 0.98
    assert np.abs(predicted - margins[~TRAIN]).mean() < 0.6


def test_yes_and_no_become_log_odds():
    label = RULE >= 0.7
    student = Student.fit(FEATURES[TRAIN], np.where(label, SURE, -SURE)[TRAIN])
    predicted = student.predict(FEATURES[~TRAIN])
    assert student.log_odds
    assert ((predicted >= 0) == label[~TRAIN]).mean() > 0.95
    assert np.abs(predicted).max() <= SURE
    chance = 1 / (1 + np.exp(-predicted))
    assert abs(chance.mean() - label[~TRAIN].mean()) < 0.05


@pytest.mark.parametrize(("no", "yes"), [(0.0, 1.0), (-3.0, 5.0), (20.0, 21.0), (-SURE, 0.0)])
def test_two_other_answers_keep_their_scale(no, yes):
    label = RULE >= 0.7
    student = Student.fit(FEATURES[TRAIN], np.where(label, yes, no)[TRAIN])
    part = (student.predict(FEATURES[~TRAIN]) - no) / (yes - no)
    assert not student.log_odds
    assert -0.6 < part.min() < part.max() < 1.6
    assert ((part >= 0.5) == label[~TRAIN]).mean() > 0.95


def test_out_of_fold_predictions_are_of_other_users():
    margins = 8 * (RULE - 0.5)
    margins[::7] = np.nan
    predicted = out_of_fold(FEATURES, margins, USERS, folds=3)
    fold = (USERS - 1) % 3
    expected = Student.fit(FEATURES[fold != 1], margins[fold != 1]).predict(FEATURES[fold == 1])
    np.testing.assert_array_equal(predicted[fold == 1], expected)
    assert not np.isnan(predicted).any()


def test_folds_learn_yes_and_no_as_log_odds():
    label, folds = RULE >= 0.7, functools.partial(out_of_fold, FEATURES, users=USERS, folds=2)
    gaps = np.where(np.arange(len(label)) % 3 == 0, np.nan, label)
    predicted = folds(gaps)
    np.testing.assert_array_equal(predicted, folds(2 * SURE * gaps - SURE))
    assert predicted.min() < -2 < 2 < predicted.max()
    assert np.isnan(folds(np.ones(len(label)))).all()


def test_folds_are_on_one_scale_where_some_have_two_answers_only():
    """One user has a third answer: the fold that leaves it out must not turn to log-odds."""
    margins = np.where(RULE >= 0.7, 21.0, 20.0)
    margins[USERS == 5] = 20.5
    predicted = out_of_fold(FEATURES, margins, USERS)
    assert 19 < predicted.min() < predicted.max() < 22


def test_one_answer_is_repeated_for_all():
    student = Student.fit(FEATURES, np.full(len(FEATURES), 2.5))
    assert (student.predict(FEATURES) == 2.5).all()


def test_a_few_extreme_margins_do_not_bend_the_fit():
    margins = 8 * (RULE - 0.5)
    spoilt = margins.copy()
    spoilt[np.flatnonzero(TRAIN)[:3]] = 1e6
    predicted = Student.fit(FEATURES[TRAIN], spoilt[TRAIN]).predict(FEATURES[~TRAIN])
    assert np.abs(predicted - margins[~TRAIN]).mean() < 0.6


def test_pairs_without_an_answer_are_left_out():
    margins = 8 * (RULE - 0.5)
    gaps = np.where(np.arange(len(margins)) % 3 == 0, np.nan, margins)
    with_gaps, without = Student.fit(FEATURES, gaps), Student.fit(FEATURES[~np.isnan(gaps)], gaps[~np.isnan(gaps)])
    np.testing.assert_array_equal(with_gaps.predict(FEATURES), without.predict(FEATURES))


@pytest.mark.parametrize("margins", [8 * (RULE - 0.5), np.where(RULE >= 0.7, SURE, -SURE)])
def test_the_same_seed_gives_the_same_student(margins):
    first, second, other = (Student.fit(FEATURES, margins, seed).predict(FEATURES) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()
    again = pickle.loads(pickle.dumps(Student.fit(FEATURES, margins)))
    np.testing.assert_array_equal(again.predict(FEATURES), first)


def test_scores_of_pairs_do_not_depend_on_blocks(monkeypatch):
    student = Student.fit(FEATURES, 8 * (RULE - 0.5))
    expected = student.predict(FEATURES)
    monkeypatch.setattr(model, "_BLOCK", 100)
    np.testing.assert_allclose(student_scores(student, CONTEXT, USERS, ITEMS), expected)
    np.testing.assert_allclose(student.predict(FEATURES), expected)
    none = np.zeros(0, dtype=np.int64)
    assert student_scores(student, CONTEXT, none, none).shape == (0,)


def test_unknown_digits_can_be_predicted():
    student = Student.fit(FEATURES, 8 * (RULE - 0.5))
    assert np.isfinite(student.predict(FEATURES + 100)).all()


def test_refusals():
    with pytest.raises(ValueError, match="at least one margin"):
        Student.fit(FEATURES[:2], np.array([np.nan, np.nan]))
    with pytest.raises(ValueError, match="finite"):
        Student.fit(FEATURES[:2], np.array([0.0, np.inf]))
    with pytest.raises(ValueError, match="3 margins for 2 rows"):
        Student.fit(FEATURES[:2], np.zeros(3))
    with pytest.raises(ValueError, match=r"Found 2 features; the student was fitted on \d+"):
        Student.fit(FEATURES, RULE).predict(FEATURES[:, :2])
