"""`judge=learned` as a stage: what decides it, what it is told by other judges, what it says about itself."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits
from toy import toy_split, write_pairs

from recbole_dtlns.cli import main
from recbole_dtlns.config.judge_checks import check_judge
from recbole_dtlns.config.run_config import Config
from recbole_dtlns.data.build import read_training_part
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.identification import held_in_pairs, learning, rebuild
from recbole_dtlns.false_negatives.identification.stage import identify
from recbole_dtlns.false_negatives.judges import JUDGES
from recbole_dtlns.false_negatives.judges.base import Judge
from recbole_dtlns.false_negatives.learned.features import GROUPS

PROGRAM = Path(__file__).parents[3] / "run_recbole_dtlns.py"
LEARNED = {"judge": "learned", "candidate_topk": 12, "judge_report": False}


def pairs(identified):
    return list(zip(identified.inferred.users.tolist(), identified.inferred.items.tolist(), strict=True))


class Knowing(Judge):
    """Knows all of train, the held-in pairs of a reduced split too, and answers about every second user."""

    name, revision = "knowing", "1"
    asks_model = False
    train: set  # (user token, item token)
    view_of: dict  # rows of a matrix -> view

    def __init__(self, context):
        self.context = context

    def settings(self):
        return {}

    def score(self, users, items):
        view = type(self).view_of[self.context.matrix.nnz]
        names = zip(view.users[users].tolist(), view.items[items].tolist(), strict=True)
        raw = np.array([float(pair in type(self).train) for pair in names])
        return np.where(users % 2 == 0, raw, np.nan), None


@pytest.fixture
def knowing(monkeypatch):
    """The judge `knowing`, known to the configuration."""
    kind = type("Mine", (Knowing,), {"train": set(toy_split(300)["train"]), "view_of": {}})
    monkeypatch.setitem(JUDGES, "knowing", kind)
    hold_in, other_judges = learning.hold_in, learning.other_judges

    def noted(view, *rest):
        kind.view_of[view.matrix.nnz] = view
        held_in = hold_in(view, *rest)
        kind.view_of[held_in.view.matrix.nnz] = held_in.view
        return held_in

    def asked(names, view, *rest):
        kind.view_of[view.matrix.nnz] = view
        return other_judges(names, view, *rest)

    monkeypatch.setattr(learning, "hold_in", noted)
    monkeypatch.setattr(learning, "other_judges", asked)
    return kind


def test_probabilities_are_some_and_the_judge_tells_what_it_is(shared_run):
    identified = shared_run(**LEARNED, positives_per_user=3)
    assert identified.counts["pairs"] == len(identified.judged.probability) == 60 * 12
    assert (identified.judged.probability > 0).all()
    assert (identified.judged.probability < 1).all()
    assert identified.counts["accepted"] == 3 * 60  # per_user takes the best, however unlikely
    np.testing.assert_array_equal(identified.inferred.weight, 0.5 * identified.inferred.probability)
    report = identified.judging["learned"]
    assert set(report["features"].values()) == set(GROUPS) - {"judges"}
    assert report["left_out"] == {"EASE 100": "is the candidate source itself"}
    assert sum(row["pairs"] for row in report["reliability"]) == report["pairs"]
    assert sum(row["pairs"] * row["found"] for row in report["reliability"]) == pytest.approx(report["held_in"])
    assert report["groups"] is None
    assert set(report["ndcg@20"]) == {"judge", "candidate source", "difference"}
    assert identified.judging["judge"]["judge"] == "learned"


def test_the_judge_tells_held_in_pairs_from_others(shared_run):
    """Two tastes: what is of the user's own half is likelier."""
    judged = shared_run(**LEARNED).judged
    view = shared_run(**LEARNED).view
    own = np.array([int(token[1:]) % 2 for token in view.users[judged.users]])
    half = np.array([int(token[1:]) // 20 for token in view.items[judged.items]])
    assert judged.probability[own == half].mean() > 1.3 * judged.probability[own != half].mean()


def test_a_second_run_fits_nothing_and_gives_the_same(run, monkeypatch):
    first = run(**LEARNED)
    assert "judging" not in first.cached
    monkeypatch.setattr(learning, "fit_folds", lambda *_: pytest.fail("fitted again"))
    second = run(**LEARNED)
    assert "judging" in second.cached
    assert pairs(second) == pairs(first)
    np.testing.assert_array_equal(second.judged.probability, first.judged.probability)
    assert second.judging["learned"] == first.judging["learned"]
    assert pairs(run(**LEARNED, positives_per_user=1)) != pairs(first)


@pytest.mark.parametrize(
    "keys",
    [
        {"candidate_topk": 13},
        {"candidate_config": {"l2": 7}},
        {"candidate_source": "EASE,UserKNN"},
        {"candidate_memory_gb": 0.1},
        {"tree_leaf_size": 9},
        {"shuffle_codes": True},
        {"learned_from": "rule"},
    ],
    ids=lambda keys: next(iter(keys)),
)
def test_whatever_decides_the_probabilities_fits_anew(shared_run, keys):
    """No other test here runs with these keys in the shared cache."""
    first, second = shared_run(**LEARNED), shared_run(**{**LEARNED, **keys})
    assert "judging" not in second.cached
    assert second.judged.probability.tolist() != first.judged.probability.tolist()


def test_item_vectors_of_the_held_in_splits_are_part_of_the_key(run):
    """Vectors that give the real tree the same codes may give the reduced one others."""
    path, rows = run.folder / "toy.itememb", np.random.default_rng(0).normal(size=(40, 3))
    for scale in (1.0, 2.0):
        lines = [f"i{item}\t{' '.join(map(str, row))}" for item, row in enumerate((scale * rows).tolist())]
        lines = ["iid:token\titem_emb:float_seq", *lines]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        identified = run(**LEARNED, item_vectors=str(path))
        assert "judging" not in identified.cached
    assert "judging" in run(**LEARNED, item_vectors=str(path)).cached


def test_the_rule_as_evidence_is_a_feature_and_a_group(run):
    identified = run(**{**LEARNED, "judge_report": None}, learned_from="rule")
    report = identified.judging["learned"]
    assert report["features"]["judge rule"] == "judges"
    assert [row["group"] for row in report["groups"]] == ["all", *GROUPS]
    assert identified.judging["judge"]["settings"] == {"learned_from": ["rule"]}
    for row in report["groups"][1:]:
        for measure in ("log_loss", "auc", "ndcg@20"):
            assert set(row["lost"][measure]) == {"value", "low", "high"}


def test_a_judge_that_knows_the_truth_is_worth_much_though_it_answers_half_of_the_users(run, knowing, caplog):
    caplog.set_level("INFO")
    write_pairs(run.folder / "data" / "toy", toy_split(300))
    keys = {**LEARNED, "judge_report": None, "tree_leaf_size": 1}  # answers are kept by codes: one of its own an item
    identified = run(**keys, learned_from="knowing")
    groups = {row["group"]: row for row in identified.judging["learned"]["groups"]}
    for measure in ("log_loss", "auc", "ndcg@20"):
        assert groups["judges"]["lost"][measure]["low"] > 0
    assert groups["semantic tree"]["lost"]["auc"]["high"] < groups["judges"]["lost"]["auc"]["low"]
    assert groups["judges"]["lost"]["auc"]["value"] > 3 * groups["candidate source"]["lost"]["auc"]["value"]
    assert "NDCG@20 lost without the judges (1 features): +" in caplog.text
    assert identified.counts["unreadable"] == 0  # of the learned judge, which answers all


def test_trees_with_shuffled_codes_are_worth_nothing(tmp_path):
    """Codes that mean nothing on real data: nothing is lost without them, and alone they tell nothing."""
    keys = {"judge": "learned", "shuffle_codes": True, "candidate_topk": 20, "checkpoint_dir": str(tmp_path)}
    config = Config("BPR", "ml-100k", config_dict=keys)
    identified = identify(read_training_part(config, tmp_path), config.settings, config.method, tmp_path)
    groups = {row["group"]: row for row in identified.judging["learned"]["groups"]}
    for group in ("structural tree", "semantic tree"):
        for measure in ("log_loss", "auc", "ndcg@20"):
            assert groups[group]["lost"][measure]["low"] <= 0
        alone = groups[group]["alone"]["auc"]
        assert abs(alone["value"] - 0.5) < 0.02
        assert alone["low"] < 0.5 < alone["high"]
    assert groups["other scorers"]["lost"]["auc"]["low"] > 0


def test_trees_know_something_where_tastes_are_plain(run):
    write_pairs(run.folder / "data" / "toy", toy_split(200))
    report = run(judge="learned", candidate_topk=25).judging["learned"]  # some of the other half too
    groups = {row["group"]: row for row in report["groups"]}
    assert groups["structural tree"]["alone"]["auc"]["low"] > 0.5
    assert groups["semantic tree"]["alone"]["auc"]["low"] > 0.5


@pytest.fixture
def read(monkeypatch):
    """The features that each fit has read, float32 [n, F]."""
    fit, values_read = learning.fit_folds, []
    monkeypatch.setattr(
        learning, "fit_folds", lambda values, *rest, **more: values_read.append(values) or fit(values, *rest, **more)
    )
    return values_read


def test_what_costs_nothing_is_asked_about_all_held_in_splits_a_language_model_about_the_first(run, oracle, read):
    run(**LEARNED, learned_from="rule,oracle")
    rule, oracle_says = read[-1][:, -2], read[-1][:, -1]
    first = len(rule) // learning.DRAWS
    assert not np.isnan(rule).any()
    assert not np.isnan(oracle_says[:first]).all()
    assert np.isnan(oracle_says[first:]).all()


def test_a_plugins_judge_that_may_ask_a_model_is_limited_though_it_counts_nothing(run, knowing):
    knowing.asks_model = True
    asked = run(**LEARNED, learned_from="knowing", llm_max_pairs=100).judging["learned"]["asked"]
    assert asked["judges"] == ["knowing"]
    assert 0 < asked["pairs"] <= 100


def test_a_student_asks_its_teacher_about_train_and_the_first_held_in_split_alone(run, oracle, read):
    identified = run(**LEARNED, learned_from="student", student_teacher="oracle", student_users=60)
    says = read[-1][:, -1]
    first = len(says) // learning.DRAWS
    assert not np.isnan(says[:first]).any()
    assert np.isnan(says[first:]).all()
    assert 0 < identified.counts["llm_calls"] <= 2 * 60 * 12


def test_other_judges_are_asked_once_about_each_split(run, oracle):
    first = run(**LEARNED, learned_from="oracle")
    assert first.counts["llm_calls"] == len(oracle.asked) > 60 * 12
    before = len(oracle.asked)
    second = run(**LEARNED, learned_from="oracle")
    assert len(oracle.asked) == before
    assert second.counts["llm_calls"] == 0
    assert "judging" in second.cached
    np.testing.assert_array_equal(second.judged.probability, first.judged.probability)


def test_ctrl_c_while_another_judge_answers_keeps_its_answers(run, oracle):
    oracle.interrupt_after = 3
    with pytest.raises(KeyboardInterrupt):
        run(**LEARNED, learned_from="oracle")
    before = len(oracle.asked)
    run(**LEARNED, learned_from="oracle")
    whole = len(oracle.asked)
    assert whole > before > 0
    (run.folder / "cache" / "verdicts.sqlite").unlink()
    run(**LEARNED, learned_from="oracle")  # the cache has the probabilities, not the answers about the whole of train
    assert len(oracle.asked) > whole


def test_scorers_that_have_no_room_are_recorded(run):
    report = run(**LEARNED, candidate_memory_gb=0.1).judging["learned"]
    assert {"EASE 100", "EASE 1000"} <= set(report["left_out"])
    assert report["left_out"]["ItemKNN"] == "is the candidate source itself"  # in place of EASE
    assert not {name for name in report["features"] if name.startswith("EASE")}


def test_threshold_and_rate_go_by_the_probability(shared_run, caplog):
    every = shared_run(**LEARNED).judged.probability
    identified = shared_run(**LEARNED, judge_decision="threshold", judge_threshold=0.07)
    assert identified.counts["accepted"] == (every >= 0.07).sum() > 0
    assert "judge_threshold" not in caplog.text
    assert shared_run(**LEARNED, judge_decision="threshold").counts["accepted"] == 0
    assert f"No pair reaches judge_threshold=0.5: the largest probability is {every.max():.3g}." in caplog.text
    assert shared_run(**LEARNED, judge_decision="rate", judge_rate=0.1).counts["accepted"] == 72


def test_the_threshold_is_not_blamed_where_something_else_accepts_nothing(shared_run, caplog):
    identified = shared_run(**LEARNED, judge_decision="per_user", judge_threshold=0.01, positives_per_user=0)
    assert identified.counts["accepted"] == 0
    assert "judge_threshold" not in caplog.text


def test_too_little_to_learn_from_is_said(run):
    with pytest.raises(UserError, match=r"candidates that are held-in training pairs, and .* larger candidate_topk"):
        run(**{**LEARNED, "candidate_topk": 0})


def test_codes_made_elsewhere_are_said_to_know_the_held_in_pairs(run, caplog):
    path = run.folder / "codes.txt"
    path.write_text("".join(f"i{item}: {item % 4}-{item % 3}\n" for item in range(40)), encoding="utf-8")
    run(**LEARNED, codes_se=str(path))
    assert caplog.text.count("know the held-in pairs: what they are worth is overstated") == 1


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"learned_from": "bogus"}, "no judge 'bogus' to learn from"),
        ({"learned_from": "rule, keep_all"}, "no judge 'keep_all' to learn from"),
        ({"learned_from": "learned"}, "no judge 'learned' to learn from"),
        ({"learned_from": "llm"}, "llm_model"),
        ({"judge_decision": "calibrated"}, "its raw scores are probabilities"),
        ({"candidate_source": "file", "candidate_file": "x.tsv"}, "fits the candidate source again"),
        ({"candidate_checkpoint": "saved/run"}, "fits the candidate source again"),
        ({"shard": "1/2"}, "fitted on all users at once"),
        ({"judge_refresh": 2}, "judge=learned cannot"),
    ],
    ids=lambda value: "-".join(f"{key}={given}" for key, given in value.items()) if isinstance(value, dict) else "",
)
def test_what_cannot_be_had_is_refused_before_any_work(toy_data, keys, message):
    config = Config("BPR", "toy", config_dict={"data_path": str(toy_data), "judge": "learned", **keys})
    with pytest.raises(UserError, match=message):
        check_judge(config.settings, config.method)


def test_held_in_splits_get_candidates_and_trees_of_their_own(run, monkeypatch):
    seen = []
    find = rebuild.find_candidates
    monkeypatch.setattr(
        rebuild, "find_candidates", lambda view, *rest: seen.append(view.matrix.nnz) or find(view, *rest)
    )
    identified = run(**LEARNED)
    assert len(seen) == learning.DRAWS
    assert max(seen) < identified.view.matrix.nnz


def test_each_held_in_split_has_a_line_and_what_is_said_of_its_trees_is_not_repeated(run, caplog):
    caplog.set_level("INFO")
    run(**LEARNED, tree_leaf_size=1)
    lines = [message for message in caplog.messages if message.startswith("Held-in split ")]
    assert [line.split(":")[0] for line in lines] == [f"Held-in split {n} of {learning.DRAWS}" for n in range(1, 6)]
    assert all("60 users" in line and "of whose 60 held-in pairs are among 720 candidates" in line for line in lines)
    assert caplog.text.count("the two views are one") == caplog.text.count("Trees ready in") == 1


@pytest.mark.parametrize(("most_users", "splits"), [(1000, learning.DRAWS), (90, 3), (60, 2), (31, 1), (20, 1)])
def test_the_more_users_the_fewer_held_in_splits(shared_run, monkeypatch, most_users, splits):
    view = shared_run(**LEARNED).view
    monkeypatch.setattr(learning, "MOST_USERS", most_users)
    held_in = learning.held_in_splits(view)
    assert len(held_in) == splits
    assert len({tuple(zip(split.users, split.items, strict=True)) for split in held_in}) == splits
    assert {len(split.users) + split.dropped for split in held_in} == {60}  # one of 10 pairs of each user


def test_where_users_are_many_one_split_is_learnt_from_and_all_are_judged(run, monkeypatch):
    monkeypatch.setattr(learning, "MOST_USERS", 40)
    monkeypatch.setattr(held_in_pairs, "MOST_USERS", 40)
    found = []
    find = rebuild.find_candidates
    monkeypatch.setattr(rebuild, "find_candidates", lambda *given: found.append(find(*given)) or found[-1])
    identified = run(**LEARNED)
    assert [len(np.unique(result.candidates.users)) for result in found] == [40]
    assert identified.judging["learned"]["pairs"] == 40 * 12
    assert len(np.unique(identified.judged.users)) == 60
    assert (identified.judged.probability > 0).all()


def test_neither_threads_nor_the_order_of_lines_change_a_byte(tmp_path):
    content = []
    for number, threads in enumerate(("1", "2")):
        parts = toy_split()
        if number:
            parts["train"] = parts["train"][::-1]
        write_pairs(tmp_path / threads / "data" / "toy", parts)
        given = [
            f"--data_path={tmp_path / threads / 'data'}",
            "--dataset=toy",
            "--judge=learned",
            "--judge_report=false",
        ]
        given += ["--tree_leaf_size=4", f"--run_dir={tmp_path / threads / 'run'}", "--candidate_topk=12"]
        given += [f"--cache_dir={tmp_path / threads / 'cache'}"]
        if threads == "1":
            with threadpool_limits(1):  # torch has one thread in these tests
                assert main(["identify", *given]) == 0
        else:
            environment = {**os.environ, "OMP_NUM_THREADS": threads}
            subprocess.run(
                [sys.executable, str(PROGRAM), "identify", *given], env=environment, check=True, capture_output=True
            )
        content.append((tmp_path / threads / "run" / "inferred_positives.tsv").read_bytes())
    assert content[0] == content[1]
    assert content[0].count(b"\n") == 1 + 5 * 60
