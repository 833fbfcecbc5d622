"""judge=student: most verdicts come from a student of a language model, and it judges online."""

import numpy as np
import pytest

from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.identification.during_training import OnlineJudge
from recbole_dtlns.false_negatives.judges import JUDGES, RuleJudge

KEYS = {"judge": "student", "student_teacher": "oracle", "student_users": 20, "student_share": 0.1}


def test_the_teacher_is_asked_about_its_share(run, oracle):
    identified = run(**KEYS, judge_report=False)
    assert identified.counts["llm_calls"] == len(oracle.asked) <= 20 * 6 + 36
    assert len(oracle.asked) > 20 * 6 * 0.8  # equal questions are asked once
    assert (identified.counts["unjudged"], identified.counts["unreadable"]) == (0, 0)
    assert identified.judging["student"]["labelled_users"] == 20
    whole = run(judge="oracle", judge_report=False, judge_decision="threshold")
    taught = run(**KEYS, judge_report=False, judge_decision="threshold")
    assert taught.counts["llm_calls"] == 0  # asked before, and the choice of users is the same
    of_teacher, of_student = (set(zip(f.inferred.users, f.inferred.items, strict=True)) for f in (whole, taught))
    assert len(of_teacher & of_student) / len(of_teacher | of_student) > 0.85  # it imitates


def test_the_students_cut_is_the_threshold_as_log_odds(run, oracle):
    assert run(**KEYS, judge_report=False).judging["student"]["cut"] == 0
    identified = run(**KEYS, judge_report=False, judge_threshold=0.9)
    assert identified.judging["student"]["cut"] == pytest.approx(np.log(9))


def test_the_report_of_a_student_names_its_teacher(run, oracle, tmp_path):
    path = tmp_path / "v.tsv"
    identified = run(**KEYS, export_verdicts=str(path))
    assert [row["name"] for row in identified.judging["report"]["rows"]][:3] == ["oracle", "student", "rule"]
    again = run(judge="file", judge_file=str(path))
    assert again.inferred.items.tolist() == identified.inferred.items.tolist()


@pytest.mark.parametrize("calibrated", [False, True])
def test_a_teacher_of_yes_and_no_is_imitated_in_probabilities(run, oracle, calibrated):
    class YesNo(oracle):
        gives_log_odds = False

        @staticmethod
        def answer(rule):
            return (rule >= 0.6).astype(float)

    JUDGES["oracle"] = YesNo
    decision = "calibrated" if calibrated else "threshold"
    identified = run(**KEYS, judge_decision=decision, judge_threshold=0.3, export_verdicts=str(run.folder / "v.tsv"))
    raw = np.loadtxt(run.folder / "v.tsv", skiprows=1, usecols=4)
    assert len(raw) == 360
    assert 0 < raw.min() < 0.01 < 0.99 < raw.max() < 1  # +-6 as log-odds
    assert ((raw > 0.05) & (raw < 0.95)).any()  # the student is not always sure
    if not calibrated:
        accepted = np.loadtxt(run.folder / "v.tsv", skiprows=1, usecols=3)
        np.testing.assert_array_equal(accepted, raw >= 0.3)
    assert identified.judging["student"]["notes"][0].startswith("The teacher gave two answers, 0 and 1")


def test_a_student_without_a_language_model_has_a_row_too(run, oracle):
    oracle.__init__ = lambda self, context: setattr(self, "context", context)
    oracle.usage = None
    oracle.score = lambda self, users, items: RuleJudge(self.context).score(users, items)
    oracle.on = lambda self, context: type(self)(context)
    oracle.gives_log_odds = False
    identified = run(**KEYS, judge_report=True)
    assert [row["name"] for row in identified.judging["report"]["rows"]][:2] == ["oracle", "student"]
    assert identified.counts["llm_calls"] == 0


@pytest.mark.parametrize("after", [1, 4])
def test_ctrl_c_while_the_teacher_answers(run, oracle, after):
    oracle.interrupt_after = after  # blocks of eight users: the first round takes three
    cut = run(**KEYS, judge_report=False)
    assert cut.interrupted
    assert cut.counts["unjudged"] > 0
    assert cut.counts["unreadable"] == 0
    oracle.interrupt_after = None
    whole = run(**KEYS, judge_report=False)
    assert len(set(oracle.asked)) == len(oracle.asked)
    (run.folder / "cache" / "verdicts.sqlite").unlink()
    fresh = run(**KEYS, judge_report=False)
    assert fresh.inferred.items.tolist() == whole.inferred.items.tolist()
    np.testing.assert_array_equal(fresh.inferred.probability, whole.inferred.probability)


@pytest.mark.parametrize("judge", ["student", "rule", "keep_all"])
def test_the_online_judge_asks_no_teacher_and_sees_train_alone(run, oracle, judge):
    keys = {**KEYS, "judge": judge, "judge_report": False, "judge_refresh": 2}
    identified = run(**keys)
    assert isinstance(identified.online, OnlineJudge)
    asked = len(oracle.asked)
    scores = np.random.default_rng(0).random(identified.view.matrix.shape)
    inferred = identified.online.infer(lambda users: scores[users], "mine")
    assert len(oracle.asked) == asked
    assert 0 < len(inferred) <= 2 * identified.view.n_users
    users, items = (np.searchsorted(names[1:], tokens) + 1 for names, tokens in
                    ((identified.view.users, inferred.users), (identified.view.items, inferred.items)))  # fmt: skip
    assert identified.view.matrix[users, items].sum() == 0
    best = np.where(identified.view.matrix.toarray() > 0, -1, scores)[:, 1:].argsort(axis=1)[:, ::-1][:, :6] + 1
    assert all(item in best[user] for user, item in zip(users, items, strict=True))
    assert run(**{**keys, "judge_refresh": None}).online is None


def test_the_online_judge_takes_candidate_topk_of_each_user(run):
    identified = run(judge="keep_all", judge_refresh=1, judge_decision="threshold", candidate_topk=7)
    inferred = identified.online.infer(lambda users: np.ones((len(users), identified.view.n_items + 1)), "flat")
    assert np.unique(inferred.users, return_counts=True)[1].tolist() == [7] * 60


def test_the_online_judge_decides_as_the_offline_stage_did(run, oracle):
    identified = run(**KEYS, judge_refresh=1, judge_decision="calibrated", judge_threshold=0.3)
    line = identified.judging["calibration"]
    assert identified.online.calibration.slope == line["slope"]
    inferred = identified.online.infer(lambda users: np.ones((len(users), identified.view.n_items + 1)), "flat")
    assert 0.3 <= inferred.probability.min() <= inferred.probability.max() < 1
    np.testing.assert_array_equal(inferred.weight, 0.5 * inferred.probability)


def test_the_online_student_of_yes_and_no_gives_probabilities(run, oracle):
    oracle.gives_log_odds = False
    oracle.answer = staticmethod(lambda rule: (rule >= 0.6).astype(float))
    identified = run(**KEYS, judge_refresh=1, judge_report=False)
    users = np.repeat(np.arange(1, 61), 40)
    raw = identified.online.raw_of(users, np.tile(np.arange(1, 41), 60))
    assert 0 < raw.min() < 0.05 < 0.95 < raw.max() < 1


def test_a_teacher_that_reads_histories_is_asked_what_it_would_be_asked_without_a_student(run, oracle):
    class Reader(oracle):
        reads_history = True

    JUDGES["oracle"] = Reader
    run(judge="oracle", judge_report=False, llm_max_history=5)
    Reader.asked[:] = []
    run(judge="student", student_teacher="oracle", judge_report=False, student_users=10, llm_max_history=5)
    assert Reader.asked == []


def test_a_limit_is_the_teachers_and_not_the_students(run, oracle):
    identified = run(judge="student", student_teacher="oracle", judge_report=False, student_users=20, llm_max_pairs=100)
    assert 48 <= identified.counts["llm_calls"] <= 100
    assert identified.counts["unjudged"] == 0


def test_students_are_not_sharded(run, oracle):
    with pytest.raises(UserError, match="every part would fit a student of its own"):
        run(judge="student", student_teacher="oracle", shard="1/2")
