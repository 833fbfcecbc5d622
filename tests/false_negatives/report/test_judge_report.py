import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from toy import toy_split

from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.false_negatives.candidates.sources import CandidateSettings
from recbole_dtlns.false_negatives.decide import Calibration
from recbole_dtlns.false_negatives.judges.keep_all import KeepAllJudge
from recbole_dtlns.false_negatives.judges.rule import RuleJudge
from recbole_dtlns.false_negatives.report.candidate_scores import pair_scores
from recbole_dtlns.false_negatives.report.held_in import hold_in
from recbole_dtlns.false_negatives.report.judge_report import judge_report
from recbole_dtlns.files.cache import StageCache
from recbole_dtlns.trees.stage import TreeSettings, build_trees

EVERYTHING = 1 << 40


@pytest.fixture(scope="module")
def full():
    users, items = np.array(toy_split(n_users=300)["train"]).T
    return TrainSplit.from_pairs(users, items)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return StageCache(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def report(full, cache):
    def scores_of(view, users, items):
        return pair_scores(view, users, items, CandidateSettings(), None, cache)

    trees_of = partial(build_trees, settings=TreeSettings(leaf_size=5), cache=cache)
    return partial(judge_report, full, trees_of, scores_of)


def asking(judge_class):
    return lambda context, pairs: judge_class(context).score(pairs.users, pairs.items)[0]


def at_random(context, pairs):
    return np.random.default_rng(0).random(len(pairs))


def test_two_tastes_are_found_by_those_who_look(report):
    made = report({"rule": asking(RuleJudge), "dice": at_random, "keep_all": asking(KeepAllJudge)}, EVERYTHING)
    rows = {row.name: row for row in made.rows}
    assert list(rows) == ["rule", "dice", "keep_all", "popularity", "candidate score"]
    assert rows["rule"].auc > 0.6
    assert rows["rule"].within_users > 0.6
    assert rows["candidate score"].auc > 0.6
    for name in ("dice", "popularity"):
        assert rows[name].auc == pytest.approx(0.5, abs=0.08)
    assert rows["keep_all"].auc == rows["keep_all"].within_users == 0.5
    assert all(row.pairs == made.pairs == 600 and 0 < row.error < 0.03 for row in made.rows)
    assert (made.held_in, made.dropped) == (300, 0)


def test_the_first_judge_is_calibrated(report):
    made = report({"rule": asking(RuleJudge), "dice": at_random}, EVERYTHING)
    other = report({"dice": at_random, "rule": asking(RuleJudge)}, EVERYTHING)
    assert made.calibration.slope > 0.5
    assert abs(other.calibration.slope) < made.calibration.slope
    assert made.calibration.probability(np.array([1.0])) > 0.55
    assert report({"keep": asking(KeepAllJudge)}, EVERYTHING).calibration == Calibration(0.0, pytest.approx(0.0))


def test_codes_without_meaning_tell_nothing(full, cache):
    """Only codes can give a pair away: with the items of both trees exchanged at random the rule is blind."""

    def trees_of(view):
        trees, rng = build_trees(view, TreeSettings(leaf_size=5), cache), np.random.default_rng(0)
        return replace(trees, co=trees.co.shuffled(rng), se=trees.se.shuffled(rng))

    made = judge_report(full, trees_of, lambda *_: None, {"rule": asking(RuleJudge)}, EVERYTHING)
    assert made.rows[0].auc == pytest.approx(0.5, abs=0.08)


def test_judges_see_the_reduced_split_alone(report, full):
    held_in, asked = hold_in(full), []

    def nosy(context, pairs):
        asked.append((context, pairs))
        return np.zeros(len(pairs))

    report({"nosy": nosy}, 100)
    context, pairs = asked[0]
    assert (context.matrix != held_in.view.matrix).nnz == 0
    assert not np.asarray(context.matrix[pairs.users, pairs.items]).any()
    assert len(pairs) == 100
    assert (context.co[1:] >= 0).any(axis=1).all()


def test_the_stages_get_the_reduced_split(full, cache):
    seen = []

    def trees_of(view):
        seen.append(view.train_hash)
        return build_trees(view, TreeSettings(), cache)

    def scores_of(view, users, items):
        seen.append(view.train_hash)
        return np.zeros(len(users))

    judge_report(full, trees_of, scores_of, {"dice": at_random}, 100)
    assert seen == [hold_in(full).view.train_hash] * 2
    assert full.train_hash not in seen


def test_unanswered_pairs_are_counted_and_do_not_count(report):
    def half_silent(context, pairs):
        raw = RuleJudge(context).score(pairs.users, pairs.items)[0]
        return np.where(np.arange(len(pairs)) % 4 == 0, np.nan, raw)

    def silent(context, pairs):
        return np.full(len(pairs), np.nan)

    made = report({"half": half_silent, "silent": silent}, EVERYTHING)
    half, nothing, *_ = made.rows
    assert half.pairs == 450
    assert half.note == "150 of 600 pairs without an answer"
    assert half.auc > 0.6
    assert (nothing.auc, nothing.error, nothing.within_users, nothing.pairs) == (None, None, None, 0)
    made = report({"silent": silent}, EVERYTHING)
    assert made.calibration is None
    assert any("found 0 positive and 0 negative" in note for note in made.notes)


def test_a_source_without_scores_has_an_empty_row(full, cache):
    trees_of = partial(build_trees, settings=TreeSettings(), cache=cache)
    made = judge_report(full, trees_of, lambda *_: None, {}, 100)
    assert [row.name for row in made.rows] == ["popularity", "candidate score"]
    assert made.rows[1].auc is None
    assert made.rows[1].note == "not available on the reduced split"
    assert made.calibration is None


def test_as_json_and_as_text(report):
    made = report({"rule": asking(RuleJudge)}, 200)
    again = json.loads(json.dumps(made.as_dict()))
    assert again == made.as_dict()
    assert again["rows"][0].keys() == {"name", "auc", "error", "within_users", "pairs", "note"}
    assert again["rows"][0]["error"] == made.rows[0].error
    assert again["calibration"].keys() == {"slope", "intercept"}
    assert "200 pairs" in again["notes"][0]
    assert "popularity" in again["notes"][0]
    head, first, *_ = made.table().splitlines()
    assert head.split() == ["scorer", "AUC", "+-", "error", "within", "users", "pairs"]
    row = made.rows[0]
    assert first.split() == ["rule", f"{row.auc:.3f}", f"{row.error:.3f}", f"{row.within_users:.3f}", "200"]
    assert made.notes[0] in made.table()


def test_two_runs_agree(report):
    assert report({"rule": asking(RuleJudge)}, 200) == report({"rule": asking(RuleJudge)}, 200)
    assert report({"rule": asking(RuleJudge)}, 200) != report({"rule": asking(RuleJudge)}, 200, seed=1)


@pytest.mark.parametrize("limit", [0, 1])
def test_nothing_is_built_for_no_pairs(full, limit):
    def unwanted(*_):
        pytest.fail("called")

    made = judge_report(full, unwanted, unwanted, {"rule": unwanted}, limit)
    assert [row.note for row in made.rows] == ["no pairs"] * 3
    assert (made.pairs, made.calibration) == (0, None)
    assert f"a limit of {limit} pairs" in made.notes[-1]


def test_a_judge_must_answer_for_each_pair(report):
    with pytest.raises(ValueError, match=r"judge short gave scores \(99,\); expected \(100,\)"):
        report({"short": lambda context, pairs: np.zeros(len(pairs) - 1)}, 100)
