"""One judging, many decisions: what is asked, what is reused, what stays open."""

import numpy as np
import pytest

from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.judges import JUDGES, RuleJudge
from recbole_dtlns.false_negatives.judges.base import InterruptedAnswers, Judge
from recbole_dtlns.false_negatives.judges.store import VerdictStore


def pairs(identified):
    return list(zip(identified.inferred.users.tolist(), identified.inferred.items.tolist(), strict=True))


def same(first, second):
    np.testing.assert_array_equal(first.inferred.weight, second.inferred.weight)
    assert pairs(first) == pairs(second)


def test_log_odds_become_probabilities_and_weights(run, oracle):
    identified = run(judge="oracle", judge_decision="threshold", judge_report=False, positive_weight=0.25)
    assert 0 < len(identified.inferred) < identified.counts["pairs"] == 360
    assert identified.inferred.probability.min() >= 0.5
    np.testing.assert_array_equal(identified.inferred.weight, 0.25 * identified.inferred.probability)
    rule = run(judge="rule", judge_decision="threshold", judge_threshold=0.6)  # where the oracle's margins change sign
    assert pairs(rule) == pairs(identified)
    assert identified.judging["label_mass"] == 0.25


@pytest.mark.parametrize(
    "keys",
    [
        {"judge_decision": "rate"},
        {"judge_decision": "rate", "judge_rate": 0.5},
        {"judge_decision": "threshold", "judge_threshold": 0.9},
        {"positives_per_user": "50%"},
        {"judge_decision": "calibrated", "judge_threshold": 0.6},
    ],
    ids=lambda keys: "-".join(map(str, keys.values())),
)
def test_another_decision_asks_nothing(run, oracle, keys):
    first = run(judge="oracle")
    assert "judging" not in first.cached
    assert first.counts["llm_calls"] == len(oracle.asked) == first.counts["prompt_tokens"] / 3 > 0
    asked = len(oracle.asked)
    second = run(judge="oracle", **keys)
    assert len(oracle.asked) == asked
    assert (second.counts["llm_calls"], second.counts["prompt_tokens"]) == (0, 0)
    assert "judging" in second.cached
    assert second.judging["report"]["rows"] == first.judging["report"]["rows"]
    assert pairs(second) != pairs(first)


def test_rate_accepts_the_best_share(run, oracle):
    identified = run(judge="oracle", judge_decision="rate", judge_rate=0.1, judge_report=False)
    assert identified.counts["accepted"] == 36
    none = run(judge="oracle", judge_decision="rate", judge_rate=0, judge_report=False)
    assert none.counts["accepted"] == 0


def test_a_larger_top_k_asks_about_new_pairs_alone(run, oracle):
    few = run(judge="oracle", judge_report=False, candidate_topk=4)
    before, oracle.asked = set(oracle.asked), []
    many = run(judge="oracle", judge_report=False, candidate_topk=8)
    assert (few.counts["pairs"], many.counts["pairs"]) == (240, 480)
    assert oracle.asked
    assert not before & set(oracle.asked)
    assert many.counts["llm_calls"] == len(oracle.asked)


def test_a_limit_leaves_pairs_unjudged_and_counts_them(run, oracle):
    identified = run(
        judge="oracle", judge_report=False, llm_max_pairs=50, judge_decision="threshold", judge_threshold=0
    )
    assert identified.counts["unjudged"] == 360 - 48  # whole users of six pairs
    assert identified.counts["accepted"] == 48
    assert identified.counts["unreadable"] == 0
    assert "judging" not in identified.cached
    again = run(judge="oracle", judge_report=False, llm_max_pairs=50, judge_decision="rate", judge_rate=0.5)
    assert again.counts["accepted"] == 24  # of the judged pairs
    assert again.counts["llm_calls"] == 0
    assert "judging" not in again.cached  # for some pairs are still open
    nothing = run(judge="oracle", llm_max_pairs=0)
    assert (nothing.counts["unjudged"], nothing.counts["accepted"], nothing.counts["llm_calls"]) == (360, 0, 0)


def test_the_limit_also_bounds_the_report(run, oracle):
    identified = run(judge="oracle", llm_max_pairs=20)
    assert 0 < identified.judging["report"]["pairs"] <= 20
    assert identified.counts["llm_calls"] <= 40


def test_shards_together_are_everything(run, oracle):
    parts = [run(judge="oracle", shard=f"{part}/3") for part in (1, 2, 3)]
    assert [part.judging["report"] for part in parts] == [None] * 3
    assert sum(part.counts["pairs"] - part.counts["unjudged"] for part in parts) == 360
    assert all(0 < part.counts["unjudged"] < 360 for part in parts)
    asked = len(oracle.asked)
    whole = run(judge="oracle", judge_report=False)
    assert len(oracle.asked) == asked
    assert (whole.counts["llm_calls"], whole.counts["unjudged"]) == (0, 0)
    assert "judging" in whole.cached
    assert sorted(pair for part in parts for pair in pairs(part)) == pairs(whole)  # users are decided upon whole


def test_ctrl_c_keeps_what_was_judged_and_the_next_run_goes_on(run, oracle):
    oracle.interrupt_after = 3
    cut = run(judge="oracle", judge_report=False)
    assert cut.interrupted
    assert cut.counts["unjudged"] == 360 - 3 * 8 * 6
    assert 0 < cut.counts["accepted"] <= 3 * 8 * 2
    assert cut.counts["unreadable"] == 0
    oracle.interrupt_after, before = None, len(oracle.asked)
    whole = run(judge="oracle", judge_report=False)
    assert not whole.interrupted
    assert whole.counts["unjudged"] == 0
    assert len(oracle.asked) - before == whole.counts["llm_calls"]
    assert len(set(oracle.asked)) == len(oracle.asked)
    assert set(pairs(cut)) < set(pairs(whole))
    (run.folder / "cache" / "verdicts.sqlite").unlink()
    same(run(judge="oracle", judge_report=False), whole)


@pytest.mark.parametrize("decision", ["per_user", "calibrated"])
@pytest.mark.parametrize("after", [0, 3])
def test_ctrl_c_during_the_report_asks_no_candidate(run, oracle, after, decision):
    oracle.interrupt_after = after
    cut = run(judge="oracle", judge_decision=decision)
    assert cut.interrupted
    assert (cut.counts["unjudged"], cut.counts["accepted"], cut.counts["unreadable"]) == (360, 0, 0)
    assert oracle.calls == after
    oracle.interrupt_after = None
    whole = run(judge="oracle", judge_decision=decision)
    assert not whole.interrupted
    assert len(set(oracle.asked)) >= len(oracle.asked) - 360  # the two splits number users and items alike
    assert whole.judging["report"]["rows"][0]["pairs"] == whole.judging["report"]["pairs"]


def test_calibrated_fits_probabilities_and_weighs_with_them(run, oracle):
    plain = run(judge="oracle")
    identified = run(judge="oracle", judge_decision="calibrated", judge_threshold=0.3)
    line = identified.judging["calibration"]
    assert line == identified.judging["report"]["calibration"]
    assert plain.judging["calibration"] is None
    assert 0 < line["slope"] < 1  # the oracle is far too sure of itself
    assert identified.inferred.probability.max() < 1
    np.testing.assert_array_equal(identified.inferred.weight, 0.5 * identified.inferred.probability)
    best = 1 / (1 + np.exp(-line["slope"] * oracle.answer(1.0) - line["intercept"]))
    assert identified.inferred.probability.max() == pytest.approx(best)
    counts = np.unique(identified.inferred.users, return_counts=True)[1]
    assert counts.max() == 2  # calibrated is per_user by fitted probabilities
    assert identified.inferred.probability.min() >= 0.3


def test_calibrated_without_held_in_pairs_says_why(run, oracle):
    with pytest.raises(UserError, match=r"judge_decision=calibrated: .*Nothing to report on"):
        run(judge="oracle", judge_decision="calibrated", llm_max_pairs=0)


@pytest.mark.parametrize(
    "keys",
    [
        {"judge_decision": "threshold"},
        {"judge_decision": "rate", "judge_rate": 0.37},
        {"judge_decision": "calibrated", "judge_threshold": 0.3},
        {"positives_per_user": 3},
    ],
    ids=lambda keys: str(next(iter(keys.values()))),
)
@pytest.mark.parametrize("suffix", ["tsv", "parquet"])
def test_judge_file_decides_as_the_run_that_wrote_the_file(run, oracle, keys, suffix):
    path = run.folder / f"v.{suffix}"
    first = run(judge="oracle", export_verdicts=str(path), **keys)
    if keys.get("judge_decision") == "calibrated":
        keys = {**keys, "judge_decision": "per_user"}  # the file holds calibrated probabilities
    second = run(judge="file", judge_file=str(path), **keys)
    assert len(first.inferred) > 0
    same(second, first)


def test_judge_file_is_never_asked_about_held_in_pairs(run):
    for keys in ({"judge_decision": "calibrated"}, {"judge_report": True}):
        with pytest.raises(UserError, match="judge=file answers no questions"):
            run(judge="file", judge_file="v.tsv", **keys)


def test_rate_on_a_file_with_gaps_decides_alike(run, oracle):
    class Gaps(oracle):
        """Two answers, some unreadable: ties are decided by the rank, and ranks have gaps."""

        gives_log_odds = False

        def score(self, users, items):
            mass = super().score(users, items)[1]
            rule = RuleJudge(self.context).score(users, items)[0]
            return np.where((users * 7 + items) % 3 == 0, np.nan, (rule >= 0.6).astype(float)), mass

    JUDGES["oracle"] = Gaps
    path = run.folder / "v.tsv"
    keys = {"judge_decision": "rate", "judge_rate": 0.15}
    first = run(judge="oracle", export_verdicts=str(path), judge_report=False, **keys)
    assert first.counts["unreadable"] > 60
    assert first.counts["accepted"] == round(0.15 * (360 - first.counts["unreadable"]))
    same(run(judge="file", judge_file=str(path), **keys), first)


def test_a_threshold_that_separates_nothing_is_said(run, oracle, caplog):
    run(judge="oracle", judge_report=False)
    assert "reach judge_threshold" not in caplog.text
    (run.folder / "cache" / "verdicts.sqlite").unlink()
    oracle.answer = staticmethod(lambda rule: 5 + rule)
    run(judge="oracle", judge_report=False)
    assert "100.0 % of the judged pairs reach judge_threshold" in caplog.text
    caplog.clear()
    run(judge="oracle", judge_report=False, judge_decision="rate")
    assert "reach judge_threshold" not in caplog.text


def test_a_small_label_mass_is_said(run, oracle, caplog, monkeypatch):
    identified = run(judge="oracle", judge_report=False)
    assert "another llm_prompt" not in caplog.text
    stock = oracle.score
    monkeypatch.setattr(oracle, "score", lambda self, *pairs: (stock(self, *pairs)[0], np.full(len(pairs[0]), 0.01)))
    monkeypatch.setattr(oracle, "revision", "2")
    identified = run(judge="oracle", judge_report=False)
    assert identified.judging["label_mass"] == pytest.approx(0.01)
    assert "another llm_prompt" in caplog.text


def test_long_histories_are_cut_for_a_judge_that_reads_them(run, oracle):
    seen = []

    class Reader(oracle):
        reads_history = True

        def score(self, users, items):
            seen.append(np.diff(self.context.matrix.indptr)[users].max())
            return super().score(users, items)

    JUDGES["oracle"] = Reader
    run(judge="oracle", judge_report=False, llm_max_history=5)
    assert max(seen) == 5
    seen.clear()
    run(judge="oracle", judge_report=False)
    assert max(seen) > 5


def test_a_plain_class_with_options_of_its_own_is_a_judge(run, monkeypatch):
    class Plain:
        """Nothing but the four things that a judge must have; no `on`, no `usage`."""

        name, revision = "plain", "1"

        def __init__(self, context):
            self.least = context.options["candidate_topk"]  # there on the reduced split too

        def settings(self):
            return {}

        def score(self, users, items):
            return (items % 2 == 0).astype(float), None

    assert Judge not in Plain.__mro__
    monkeypatch.setitem(JUDGES, "plain", Plain)
    identified = run(judge="plain")
    assert identified.judging["report"] is None  # no language model judges
    assert identified.counts["llm_calls"] == 0
    reported = run(judge="plain", judge_report=True)
    assert [row["name"] for row in reported.judging["report"]["rows"]] == [
        *("plain", "rule", "popularity", "candidate score")
    ]


def test_a_larger_top_k_asks_nothing_again_of_long_histories(run, oracle):
    class Reader(oracle):
        reads_history = True

    JUDGES["oracle"] = Reader
    run(judge="oracle", judge_report=False, candidate_topk=5, llm_max_history=5)
    before, Reader.asked[:] = set(Reader.asked), []
    run(judge="oracle", judge_report=False, candidate_topk=8, llm_max_history=5)
    assert Reader.asked
    assert not before & set(Reader.asked)


def test_answers_that_came_before_ctrl_c_are_kept(run, oracle):
    sizes = []

    class Half(oracle):
        def score(self, users, items):
            raw, mass = super().score(users, items)
            sizes.append(len(raw))
            if type(self).calls == 2:
                raw[len(raw) // 2 :] = np.nan
                raise InterruptedAnswers(raw, mass)
            return raw, mass

    def stored():
        with VerdictStore(run.folder / "cache" / "verdicts.sqlite") as store:
            return len(store)

    JUDGES["oracle"] = Half
    assert run(judge="oracle", judge_report=False).interrupted
    before = stored()
    assert before == sizes[0] + sizes[1] // 2
    whole = run(judge="oracle", judge_report=False)
    assert stored() - before == whole.counts["llm_calls"]
    assert whole.counts["unreadable"] == 0
