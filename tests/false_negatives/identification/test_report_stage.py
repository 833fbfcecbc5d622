"""The judge's report as a stage: who is in it, when it is made, what it may know."""

import json

import pytest
from toy import toy_split, write_pairs

from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.judges import JUDGES


def names(identified):
    return [row["name"] for row in identified.judging["report"]["rows"]]


def rows(identified):
    return {row["name"]: row for row in identified.judging["report"]["rows"]}


def test_a_language_model_is_reported_on_beside_everything_cheaper(run, oracle):
    identified = run(judge="oracle")
    assert names(identified) == ["oracle", "student", "rule", "popularity", "candidate score"]
    table = rows(identified)
    assert all(row["auc"] is not None for row in table.values())
    assert table["oracle"]["auc"] == table["rule"]["auc"]  # it says what the rule says, on another scale
    assert table["rule"]["auc"] > 0.6 > 0.5 + abs(table["popularity"]["auc"] - 0.5)
    assert json.loads(json.dumps(identified.judging)) == identified.judging


@pytest.mark.parametrize(("wanted", "made"), [(None, False), (True, True), (False, False)])
def test_the_rule_is_reported_on_when_asked_for(run, wanted, made):
    identified = run(judge="rule", judge_report=wanted)
    assert (identified.judging["report"] is not None) == made
    if made:
        assert names(identified) == ["rule", "popularity", "candidate score"]


def test_no_report_means_no_questions_about_it(run, oracle):
    without = run(judge="oracle", judge_report=False)
    assert without.judging["report"] is None
    calls = without.counts["llm_calls"]
    with_it = run(judge="oracle", judge_report=True)
    assert 0 < with_it.counts["llm_calls"] <= with_it.judging["report"]["pairs"]
    assert calls <= 360


def test_the_number_of_pairs_is_a_key(run, oracle):
    assert run(judge="oracle", judge_report_pairs=30).judging["report"]["pairs"] <= 30
    assert run(judge="oracle").judging["report"]["pairs"] > 30


def test_keep_all_knows_nothing(run, caplog):
    table = rows(run(judge="keep_all", judge_report=True))
    assert table["keep_all"]["auc"] == 0.5
    assert "keep_all tells held-in pairs from unseen ones no better than chance" in caplog.text


def test_the_report_needs_no_held_out_pairs_and_ignores_them(run, oracle, tmp_path):
    first = run(judge="oracle")
    data = tmp_path / "data" / "toy"
    write_pairs(data, {**toy_split(), "valid": [("u1", "i0"), ("new", "i3")], "test": [("u2", "other")]})
    (tmp_path / "cache" / "verdicts.sqlite").unlink()
    second = run(judge="oracle")
    assert second.judging == first.judging
    assert second.counts == first.counts
    assert second.inferred.users.tolist() == first.inferred.users.tolist()
    assert second.inferred.items.tolist() == first.inferred.items.tolist()


def test_ready_codes_know_the_held_in_pairs(run, oracle, caplog):
    items = sorted({item for _, item in toy_split()["train"]})
    codes = run.folder / "codes.txt"
    codes.write_text("".join(f"{item}: {number % 5}-{number % 3}\n" for number, item in enumerate(items)))
    run(judge="oracle", codes_co=str(codes), codes_se=str(codes))
    assert "know the held-in pairs" in caplog.text


def test_an_unknown_teacher_is_refused(run):
    for teacher in ("nobody", "student", "file"):
        with pytest.raises(UserError, match=f"no judge '{teacher}' that answers questions"):
            run(judge="student", student_teacher=teacher)
    assert "student" not in JUDGES


def test_the_reports_trees_are_made_as_the_real_ones(run, caplog):
    with caplog.at_level("DEBUG", "recbole_dtlns.trees"):
        run(judge="rule", judge_report=True, candidate_source="BPR", candidate_config={"epochs": 1})
    made = [record for record in caplog.records if "the semantic one is made from" in record.getMessage()]
    assert [record.levelname for record in made] == ["INFO", "DEBUG"]
    assert all("made from BPR" in record.getMessage() for record in made)
    assert sum("Training the candidate model BPR" in message for message in caplog.messages) == 2  # once a split
