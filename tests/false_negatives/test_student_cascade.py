import json
from dataclasses import replace

import numpy as np
import pytest

from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.candidates.ranking import ranked_by_order
from recbole_dtlns.false_negatives.judges.judging import Verdicts
from recbole_dtlns.false_negatives.judges.rule import RuleJudge
from recbole_dtlns.false_negatives.student.cascade import CascadeSettings, judge_with_student
from recbole_dtlns.false_negatives.student.model import SURE, student_scores
from recbole_dtlns.false_negatives.student.report import imitation, least_certain
from tests.false_negatives.test_student_features import random_context

CONTEXT = random_context(0, users=120, items=60, depths=(6, 5), density=0.15)
CANDIDATES, _ = ranked_by_order(
    np.repeat(np.arange(1, 120), 10),
    np.concatenate([np.random.default_rng(user).permutation(np.arange(1, 60))[:10] for user in range(1, 120)]),
    "test",
)
SETTINGS = CascadeSettings(users=40, share=0.2)
EVERYTHING = CascadeSettings(users=200)


class Teacher:
    """Answers by a function of the rule's score, and remembers what it was asked."""

    def __init__(self, answer=lambda raw: 8 * (raw - 0.6), interrupt_at=None):
        self.answer, self.interrupt_at, self.questions = answer, interrupt_at, []

    def margins(self, candidates=CANDIDATES):
        return self.answer(RuleJudge(CONTEXT).score(candidates.users, candidates.items)[0])

    def __call__(self, candidates):
        self.questions.append(list(zip(candidates.users.tolist(), candidates.items.tolist(), strict=True)))
        raw = self.margins(candidates)
        interrupted = len(self.questions) - 1 == self.interrupt_at
        if interrupted:
            raw[len(raw) // 2 :] = np.nan
        return Verdicts(raw, raw / 100, len(raw) - 1, 1, int(np.isnan(raw).sum()), interrupted)


def ask_all(teacher, settings=SETTINGS, candidates=CANDIDATES):
    return judge_with_student(teacher, CONTEXT, candidates, settings)


def test_the_teacher_is_asked_about_whole_users_and_the_share_and_never_twice():
    teacher = Teacher()
    result = ask_all(teacher)
    first, second = teacher.questions
    assert len({user for user, _ in first}) == 40
    assert len(first) == 40 * 10
    assert len(second) == round(0.2 * len(CANDIDATES))
    assert len({*first, *second}) == len(first) + len(second) == result.asked.sum()
    assert result.verdicts.asked == len(first) + len(second) - 2
    assert (result.verdicts.reused, result.verdicts.unjudged, result.verdicts.interrupted) == (2, 0, False)


def test_answers_come_from_the_teacher_where_it_was_asked_and_else_from_the_student():
    teacher = Teacher()
    result = ask_all(teacher)
    raw, asked = result.verdicts.raw, result.asked
    np.testing.assert_array_equal(raw[asked], teacher.margins()[asked])
    np.testing.assert_array_equal(result.verdicts.mass[asked], teacher.margins()[asked] / 100)
    assert np.isnan(result.verdicts.mass[~asked]).all()
    predicted = student_scores(result.student, CONTEXT, CANDIDATES.users, CANDIDATES.items)
    np.testing.assert_allclose(raw[~asked], predicted[~asked])
    unlabelled = ~np.isin(CANDIDATES.users, [user for user, _ in teacher.questions[0]])
    assert np.abs(predicted[unlabelled & asked]).max() <= np.abs(predicted[~asked]).min()  # nearest to the cut of 0
    assert ((raw >= 0) == (teacher.margins() >= 0)).mean() > 0.99
    assert result.report.cut == 0
    assert result.report.notes == []
    assert result.report.auc > 0.98


def test_it_is_reproducible_and_the_choice_of_users_depends_on_their_numbers_alone():
    first, again, other = Teacher(), Teacher(), Teacher()
    a, b = ask_all(first), ask_all(again)
    ask_all(other, replace(SETTINGS, seed=1))
    np.testing.assert_array_equal(a.verdicts.raw, b.verdicts.raw)
    assert a.report == b.report
    assert {user for user, _ in first.questions[0]} != {user for user, _ in other.questions[0]}
    fewer = Teacher()
    ask_all(fewer, candidates=CANDIDATES.take(CANDIDATES.ranks < 5))
    assert {user for user, _ in first.questions[0]} == {user for user, _ in fewer.questions[0]}


def test_few_users_are_all_asked_and_the_student_is_only_reported():
    teacher = Teacher()
    result = ask_all(teacher, EVERYTHING)
    assert len(teacher.questions) == 1
    assert result.asked.all()
    np.testing.assert_array_equal(result.verdicts.raw, teacher.margins())
    assert (result.report.labelled_users, result.report.labelled_pairs) == (119, 1190)
    assert result.report.held_out_pairs == 300  # a quarter of 119 users is 30
    assert result.student is not None


def test_the_report_is_of_users_that_the_student_did_not_see():
    """A teacher whose answers are noise cannot be imitated on other users, however well its labels are learned."""
    noise = np.random.default_rng(0).normal(size=len(CANDIDATES))
    place = {pair: n for n, pair in enumerate(zip(CANDIDATES.users, CANDIDATES.items, strict=True))}

    def ask(candidates):
        raw = noise[[place[pair] for pair in zip(candidates.users, candidates.items, strict=True)]]
        return Verdicts(raw, np.full(len(raw), np.nan), len(raw), 0)

    report = judge_with_student(ask, CONTEXT, CANDIDATES, EVERYTHING).report
    assert abs(report.auc - 0.5) < 0.12


@pytest.mark.parametrize("shift", [100.0, -100.0])
def test_margins_on_one_side_are_cut_at_their_median(shift):
    teacher = Teacher(lambda raw: 8 * raw + shift)
    result = ask_all(teacher)
    asked_users = np.isin(CANDIDATES.users, [user for user, _ in teacher.questions[0]])
    median = np.median(teacher.margins()[asked_users])
    assert result.report.cut == median
    assert "their middle" in result.report.notes[0]
    predicted = student_scores(result.student, CONTEXT, CANDIDATES.users, CANDIDATES.items)
    sent = result.asked & ~asked_users
    assert np.abs(predicted[sent] - median).max() <= np.abs(predicted[~result.asked] - median).min()
    assert 0.3 < result.report.positive_share < 0.9


def test_yes_and_no_become_log_odds():
    teacher = Teacher(lambda raw: (raw >= 0.7).astype(float))
    result = ask_all(teacher, replace(SETTINGS, cut=0.5))
    raw = result.verdicts.raw
    np.testing.assert_array_equal(raw[result.asked], np.where(teacher.margins() == 1, SURE, -SURE)[result.asked])
    assert np.abs(raw).max() <= SURE
    assert ((raw >= 0) == (teacher.margins() == 1)).mean() > 0.98
    assert "two answers, 0 and 1" in result.report.notes[0]


def test_yes_and_no_are_told_apart_by_the_cut_in_later_answers_too():
    """A third answer that comes only in the second round counts as the cut says."""
    teacher = Teacher(lambda raw: (raw >= 0.7).astype(float))

    def ask(candidates):
        answers = teacher(candidates)
        return answers if len(teacher.questions) == 1 else replace(answers, raw=np.where(answers.raw == 1, 0.35, 0.25))

    result = judge_with_student(ask, CONTEXT, CANDIDATES, replace(SETTINGS, cut=0.3))
    second = result.asked & ~np.isin(CANDIDATES.users, [user for user, _ in teacher.questions[0]])
    np.testing.assert_array_equal(result.verdicts.raw[second], np.where(teacher.margins()[second] == 1, SURE, -SURE))


@pytest.mark.parametrize("cut", [0.0, 1.5, 9.0])
def test_two_answers_on_one_side_of_the_cut_keep_their_scale(cut):
    low, high = (2.0, 5.0) if cut < 2 else (1.0, 4.0)
    teacher = Teacher(lambda raw: np.where(raw >= 0.7, high, low))
    result = ask_all(teacher, replace(SETTINGS, cut=cut))
    raw, asked = result.verdicts.raw, result.asked
    np.testing.assert_array_equal(raw[asked], teacher.margins()[asked])
    assert low - 1.5 < raw.min() < low + 1 < high - 1 < raw.max() < high + 1.5
    assert not result.student.log_odds
    assert result.report.cut == (low + high) / 2
    assert "their middle" in result.report.notes[0]
    assert ((raw >= result.report.cut) == (teacher.margins() == high)).mean() > 0.98
    assert 0 < result.report.positive_share < 1
    assert result.report.negative_recall > 0.9


def test_an_answer_equal_to_the_cut_is_yes():
    result = ask_all(Teacher(lambda raw: np.where(raw >= 0.7, 5.0, 2.0)), replace(SETTINGS, cut=5.0))
    assert set(np.unique(result.verdicts.raw[result.asked])) == {-SURE, SURE}
    low = ask_all(Teacher(lambda raw: np.where(raw >= 0.7, 5.0, 2.0)), replace(SETTINGS, cut=2.0))
    assert set(np.unique(low.verdicts.raw[low.asked])) == {2.0, 5.0}


@pytest.mark.parametrize("cut", [-np.inf, np.inf])
def test_a_report_with_an_infinite_cut_is_strict_json(cut):
    report = ask_all(Teacher(lambda raw: np.full(len(raw), 3.0)), replace(SETTINGS, cut=cut)).report
    assert report.cut == cut
    assert json.loads(json.dumps(report.as_dict(), allow_nan=False))["cut"] is None
    assert replace(report, cut=0.5).as_dict()["cut"] == 0.5


def test_the_teacher_is_asked_about_no_more_pairs_than_the_limit():
    free, cut_share, few = Teacher(), Teacher(), Teacher()
    ask_all(free)
    result = ask_all(cut_share, replace(SETTINGS, most=451))
    assert cut_share.questions[0] == free.questions[0]  # 400 pairs of 40 users fit
    assert len(cut_share.questions[1]) == 51
    assert set(cut_share.questions[1]) < set(free.questions[1])
    assert result.asked.sum() == 451
    assert not np.isnan(result.verdicts.raw).any()
    result = ask_all(few, replace(SETTINGS, most=129))
    asked = [user for user, _ in few.questions[0]]
    assert len(set(asked)) == 12
    assert set(asked) < {user for user, _ in free.questions[0]}
    assert [len(questions) for questions in few.questions] == [120, 9]
    assert (result.report.labelled_users, result.verdicts.unjudged) == (12, 0)


def test_a_limit_that_is_used_up_or_never_reached():
    exact, never, unlimited = Teacher(), Teacher(), Teacher()
    assert ask_all(exact, replace(SETTINGS, most=400)).report.cascade_agreement is not None
    assert [len(questions) for questions in exact.questions] == [400]
    a, b = ask_all(never, replace(SETTINGS, most=10_000)), ask_all(unlimited)
    assert never.questions == unlimited.questions
    assert a.report == b.report
    everything = ask_all(Teacher(), replace(EVERYTHING, most=len(CANDIDATES)))
    assert everything.asked.all()


def test_users_are_taken_in_order_until_one_does_not_fit():
    """A later user with fewer pairs does not jump the queue: what is asked does not depend on who is small."""
    free = Teacher()
    ask_all(free)
    order = np.random.default_rng(SETTINGS.seed).permutation(CONTEXT.matrix.shape[0])
    queue = sorted({user for user, _ in free.questions[0]}, key=lambda user: order[user])
    small = CANDIDATES.take((CANDIDATES.users != queue[10]) | (CANDIDATES.ranks < 3))
    teacher = Teacher()
    ask_all(teacher, replace(SETTINGS, most=96), candidates=small)
    assert {user for user, _ in teacher.questions[0]} == set(queue[:9])


def test_the_report_tells_of_the_share_that_the_limit_leaves():
    report = ask_all(Teacher(), replace(SETTINGS, most=400)).report
    assert report.cascade_agreement == report.agreement
    assert ask_all(Teacher()).report.cascade_agreement > report.agreement


@pytest.mark.parametrize("most", [0, 79])
def test_a_limit_without_room_for_a_student_is_refused_before_asking(most):
    teacher = Teacher()
    with pytest.raises(UserError, match=rf"llm_max_pairs is {most}, room for all pairs of {most // 10} users.* 8 "):
        ask_all(teacher, replace(SETTINGS, most=most))
    assert teacher.questions == []
    assert ask_all(teacher, replace(SETTINGS, most=80)).asked.sum() == 80
    four = CANDIDATES.take(CANDIDATES.users <= 4)
    assert ask_all(Teacher(), replace(SETTINGS, most=40), candidates=four).asked.all()
    with pytest.raises(UserError, match="llm_max_pairs is 39"):
        ask_all(Teacher(), replace(SETTINGS, most=39), candidates=four)
    none = ask_all(Teacher(), replace(SETTINGS, most=0), candidates=CANDIDATES.take(CANDIDATES.users == 0))
    assert none.student is None


def test_one_answer_to_everything():
    result = ask_all(Teacher(lambda raw: np.full(len(raw), 3.0)))
    assert (result.verdicts.raw == 3).all()
    report = result.report
    assert (report.agreement, report.positive_share) == (1, 1)
    assert report.auc is report.negative_recall is report.balanced_accuracy is None
    assert "same answer, 3" in report.notes[0]
    assert json.loads(json.dumps(report.as_dict()))["cascade_negative_recall"] is None


def test_pairs_without_an_answer_get_the_students_and_are_not_asked_again():
    teacher = Teacher(lambda raw: np.where(np.arange(len(raw)) % 4 == 0, np.nan, 8 * (raw - 0.6)))
    result = ask_all(teacher)
    first, second = (set(questions) for questions in teacher.questions)
    assert not first & second
    assert not np.isnan(result.verdicts.raw).any()
    assert result.asked.sum() == sum(len(q) - len(range(0, len(q), 4)) for q in teacher.questions)
    assert result.report.labelled_pairs == 300


def test_an_interruption_leaves_open_what_nobody_answered():
    early = ask_all(Teacher(interrupt_at=0))
    assert early.student is early.report is None
    assert early.verdicts.interrupted
    assert early.asked.sum() == 200
    assert early.verdicts.unjudged == np.isnan(early.verdicts.raw).sum() == len(CANDIDATES) - 200
    teacher = Teacher(interrupt_at=1)
    late = ask_all(teacher)
    open_pairs = len(teacher.questions[1]) - len(teacher.questions[1]) // 2
    assert late.verdicts.interrupted
    assert late.verdicts.unjudged == np.isnan(late.verdicts.raw).sum() == open_pairs
    assert late.student is not None


def test_refusals():
    with pytest.raises(UserError, match=r"answered pairs of 0 users; a student needs 8"):
        ask_all(Teacher(lambda raw: raw * np.nan))
    with pytest.raises(UserError, match=r"answered pairs of 0 users"):
        ask_all(Teacher(lambda raw: raw * np.nan), EVERYTHING)
    few = Teacher(lambda raw: np.where(np.arange(len(raw)) < 70, raw, np.nan))
    with pytest.raises(UserError, match=r"answered pairs of 7 users.*llm_max_pairs"):
        ask_all(few)
    for name, value in (("users", 7), ("share", 1.1), ("share", -0.1), ("held_out", 0.0), ("held_out", 1.0)):
        with pytest.raises(UserError, match="expected"):
            CascadeSettings(**{name: value})


def test_a_handful_of_users():
    result = ask_all(Teacher(), candidates=CANDIDATES.take(CANDIDATES.users <= 4))
    assert result.asked.all()
    assert any("Only 4 labelled users" in note for note in result.report.notes)
    single = ask_all(Teacher(), candidates=CANDIDATES.take(CANDIDATES.users == 1))
    assert (single.report.held_out_pairs, single.report.agreement) == (0, None)
    none = ask_all(Teacher(), candidates=CANDIDATES.take(CANDIDATES.users == 0))
    assert len(none.verdicts.raw) == 0
    assert none.student is None


def test_known_numbers():
    margins = np.array([2.0, 2.0, 2.0, 2.0, 2.0, 2.0, -1.0, -1.0, -1.0, -1.0])
    predicted = np.array([3.0, 3.0, 3.0, 3.0, 0.4, -0.2, -3.0, 0.3, 2.0, 0.1])
    numbers = imitation(margins, predicted, cut=0.0, share=0.2)
    assert numbers == pytest.approx(
        {
            "positive_share": 0.6,
            "agreement": 0.6,  # the last three and the -0.2 are wrong
            "balanced_accuracy": (5 / 6 + 1 / 4) / 2,
            "negative_recall": 1 / 4,
            "auc": (4 * 4 + 3 + 1) / 24,
            "cascade_agreement": 0.8,  # 0.1 and -0.2 are sent
            "cascade_negative_recall": 1 / 2,
        }
    )
    assert imitation(margins, predicted, cut=1.0, share=0.0)["negative_recall"] == 3 / 4


def test_the_least_certain():
    assert least_certain(np.array([5.0, 1.5, -1.0, 0.5, 1.0]), 1.0, 3).tolist() == [1, 3, 4]
    assert least_certain(np.zeros(4), 0.0, 2).tolist() == [0, 1]
    assert least_certain(np.zeros(2), 0.0, 9).tolist() == [0, 1]
