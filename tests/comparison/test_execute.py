"""Runs in processes: which are made, which are found, what a failure says, and what Ctrl-C leaves."""

import json
from pathlib import Path

import pytest
from fake_result import DATA
from fake_runs import DIE, FIXED, made_result, small_plan

from recbole_dtlns.comparison.run import execute
from recbole_dtlns.comparison.run.chain import Chain
from recbole_dtlns.comparison.run.execute import (
    DONE,
    FAILED_RUN,
    Outcome,
)
from recbole_dtlns.comparison.run.records import read_comparison
from recbole_dtlns.comparison.run.reuse import so_far
from recbole_dtlns.comparison.run.runs import runs_of
from recbole_dtlns.comparison.run.same_inputs import SameInputs
from recbole_dtlns.comparison.search.optuna_trials import OptunaTrials
from recbole_dtlns.errors import UserError


def ids(program):
    return [run_id for run_id, _ in program.started]


def test_chain_of_a_cell(compared, toy):
    comparison, program = compared(small_plan("dns", trials=3))
    assert ids(program) == [f"toy/BPR/dns/{name}" for name in ("trial-0", "trial-1", "trial-2", "seed-3", "seed-4")]
    scores = {
        run.trial: run.result["best_valid_result"]["ndcg@20"] for run in comparison.trials_of("toy", "BPR", "dns")
    }
    best = max(scores, key=scores.get)
    chosen = json.loads((toy / "compared/runs/toy/BPR/dns/chosen.json").read_text())
    assert chosen["trial"] == best
    tried = program.keys[f"toy/BPR/dns/trial-{best}"].get("neg_candidates")
    assert [program.keys[f"toy/BPR/dns/seed-{seed}"].get("neg_candidates") for seed in (3, 4)] == [tried, tried]
    assert [entry["score"] for entry in chosen["scores"]] == [scores[trial] for trial in range(3)]


def test_checkpoints_of_trials_alone_are_deleted(compared, toy):
    compared(small_plan("dns", trials=2))
    kept = sorted(path.parent.name for path in (toy / "compared").rglob("checkpoint.pth"))
    assert kept == ["seed-3", "seed-4"]
    assert not list((toy / "compared").rglob("stderr.txt"))


def test_finished_runs_are_not_repeated_in_a_wider_plan(compared):
    compared(small_plan("dns"))
    comparison, program = compared(small_plan("dns", "mixgcf", seeds=(3, 4, 5)))
    assert ids(program) == ["toy/BPR/dns/seed-5"] + [f"toy/BPR/mixgcf/seed-{seed}" for seed in (3, 4, 5)]
    assert len(comparison.runs) == 6


def test_failed_run_is_named_and_tried_again(compared, toy):
    bad = "toy/BPR/uniform/seed-3"
    comparison, _ = compared(small_plan(), {bad: DIE}, jobs=2)
    assert [(run.run_id, run.reason) for run in comparison.failed] == [(bad, "ValueError: no such thing")]
    assert len(comparison.runs) == 3
    assert "epoch 1" in (toy / "compared/runs" / bad / "stderr.txt").read_text()
    assert [run.run_id for run in read_comparison(toy / "compared").failed] == [bad]
    assert f"{bad},BPR,toy,uniform,none,honest,3,failed" in (toy / "compared/summary.csv").read_text()
    comparison, program = compared(small_plan())
    assert ids(program) == [bad]
    assert not comparison.failed
    assert not read_comparison(toy / "compared").failed


def test_trials_that_fail_leave_the_choice_to_the_others(compared):
    comparison, program = compared(small_plan("dns", trials=2), {"toy/BPR/dns/trial-1": DIE})
    assert [run.run_id for run in comparison.failed] == ["toy/BPR/dns/trial-1"]
    assert "neg_candidates" not in program.keys["toy/BPR/dns/seed-3"]
    assert len(comparison.seeds_of("toy", "BPR", "dns")) == 2


def test_seeds_without_a_trial_to_choose_are_named(compared):
    plan = small_plan("dns", "uniform", trials=2)
    comparison, _ = compared(plan, {f"toy/BPR/dns/trial-{number}": DIE for number in (0, 1)})
    reasons = {run.run_id: run.reason for run in comparison.failed}
    assert set(reasons) == {f"toy/BPR/dns/{name}" for name in ("trial-0", "trial-1", "seed-3", "seed-4")}
    assert "None of the 2 trials" in reasons["toy/BPR/dns/seed-3"]
    assert "no such thing" in reasons["toy/BPR/dns/seed-3"]
    assert len(comparison.seeds_of("toy", "BPR", "uniform")) == 2


def test_another_configuration_is_refused_with_the_difference(compared, toy):
    compared(small_plan("dns"))
    comparison, program = compared(small_plan("dns", "uniform", fixed={**FIXED, "epochs": 9}))
    assert ids(program) == ["toy/BPR/uniform/seed-3", "toy/BPR/uniform/seed-4"]
    reason = comparison.failed[0].reason
    assert "epochs is 2, the plan asks for 9" in reason
    assert "Remove that folder" in reason
    assert "embedding_size" not in reason
    assert [run.run_id for run in read_comparison(toy / "compared").failed] == [
        "toy/BPR/dns/seed-3",
        "toy/BPR/dns/seed-4",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda result: {**result, "versions": {"recbole_dtlns": "0.0.1"}}, "made by version 0.0.1"),
        (lambda result: {key: value for key, value in result.items() if key != "seconds"}, "seconds"),
        (lambda result: [], "damaged"),
        (lambda result: {**result, "seconds": {"training": "abc"}}, "seconds.training"),
        (lambda result: {**result, "best_valid_result": {"ndcg@20": [1]}}, "best_valid_result.ndcg@20"),
        (lambda result: {**result, "test_result": {"ndcg@20": True}}, "test_result.ndcg@20"),
        (lambda result: {**result, "data": {**result["data"], "split_hash": ["s"]}}, "data.split_hash"),
        (lambda result: {**result, "data": {**result["data"], "train_hash": ["t"]}}, "data.train_hash"),
        (lambda result: {key: value for key, value in result.items() if key != "marks"}, "marks"),
        (lambda result: {**result, "external": [{"file": "a"}]}, "external"),
    ],
)
def test_unusable_results_are_failed_and_left_alone(compared, toy, change, message):
    compared(small_plan("dns"))
    path = toy / "compared/runs/toy/BPR/dns/seed-3/result.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    before = path.read_text()
    comparison, program = compared(small_plan("dns"))
    assert (len(comparison.failed), len(comparison.runs), program.started) == (1, 1, [])
    assert message in comparison.failed[0].reason
    assert path.read_text() == before


def test_a_result_whose_configuration_is_gone_is_failed(compared, toy):
    compared(small_plan("dns"))
    (toy / "compared/runs/toy/BPR/dns/seed-3/config.yaml").unlink()
    comparison, program = compared(small_plan("dns"))
    assert (len(comparison.failed), len(comparison.runs), program.started) == (1, 1, [])
    assert "no config.yaml" in comparison.failed[0].reason


def test_what_nobody_foresaw_fails_one_run_alone(compared, monkeypatch):
    def score(result, config):
        if result["seed"] == 3:
            raise ZeroDivisionError("by nothing")
        return None

    monkeypatch.setattr(execute, "valid_score", score)
    comparison, _ = compared(small_plan("dns"))
    assert [(run.run_id, run.reason) for run in comparison.failed] == [
        ("toy/BPR/dns/seed-3", "ZeroDivisionError: by nothing")
    ]
    assert len(comparison.runs) == 1


def made_from(run, **changes):
    """A program that writes a result with these fields changed."""
    home = f"compared/runs/{run}"
    return (
        f"import json, pathlib; home = pathlib.Path({home!r}); result = json.loads((home / 'made.json').read_text())\n"
        f"result.update({changes!r}); (home / 'result.json').write_text(json.dumps(result))"
    )


OTHER_SPLIT = {"data": {**DATA, "split_hash": "other", "train_hash": "t"}}


def test_runs_of_another_split_than_those_already_there_fail_whatever_their_order(compared):
    compared(small_plan("dns"))
    bad = "toy/BPR/uniform/seed-4"
    comparison, _ = compared(small_plan("uniform", "dns"), {bad: made_from(bad, **OTHER_SPLIT)})
    assert [run.run_id for run in comparison.failed] == [bad]
    for word in ("split_hash is other", "theirs is s", "Remove that folder"):
        assert word in comparison.failed[0].reason
    # The first run to be looked at is the one that differs, and all are on disk.
    bad = "toy/BPR/ahns/seed-3"
    comparison, _ = compared(small_plan("ahns", "dns"), {bad: made_from(bad, **OTHER_SPLIT)})
    again, program = compared(small_plan("ahns", "dns"))
    assert [run.run_id for run in comparison.failed] == [run.run_id for run in again.failed] == [bad]
    assert not program.started
    assert [run.run_id for run in so_far(again.folder, again.plan)[0].failed] == [bad]


def test_a_file_that_was_replaced_between_two_runs_fails_the_later_one(compared):
    first, second = (
        [{"kind": "judge_file", "file": "v.tsv", "sha256": digest * 20, "train_hash": None, "foreign": False}]
        for digest in ("ab", "cd")
    )
    runs = {f"toy/BPR/dns+pos@rule/seed-{seed}": external for seed, external in ((3, first), (4, second), (5, first))}
    plan = small_plan("dns+pos", seeds=(3, 4, 5), judges=("rule",))
    comparison, _ = compared(plan, {run: made_from(run, external=external) for run, external in runs.items()})
    assert [run.run_id for run in comparison.failed] == ["toy/BPR/dns+pos@rule/seed-4"]
    assert "sha256 of judge_file is cdcdcdcdcdcd, theirs is abababababab" in comparison.failed[0].reason


def test_sequential_models_have_a_split_of_their_own():
    same = SameInputs()
    plan = small_plan("dns")
    run = runs_of(plan, plan.cells()[0])[0]
    made, other = made_result(run), made_result(run, **OTHER_SPLIT)
    same.check("toy", "BPR", made, Path("a"))
    same.check("toy", "EASE", made, Path("b"))
    same.check("toy", "SASRec", other, Path("c"))
    with pytest.raises(UserError, match="split_hash"):
        same.check("toy", "EASE", other, Path("d"))


def test_data_sets_and_files_are_compared_with_themselves_alone():
    same, (run, *_) = SameInputs(), runs_of(small_plan("dns"), small_plan("dns").cells()[0])

    def judged(file, digest):
        external = [{"kind": "judge_file", "file": file, "sha256": digest, "foreign": False}]
        return made_result(run, config={"judge_file": file}, external=external)

    same.check("toy", "BPR", judged("a.tsv", "1"), Path("a"))
    same.check("toy", "BPR", judged("b.tsv", "2"), Path("b"))
    same.check("other", "BPR", made_result(run, **OTHER_SPLIT), Path("c"))
    with pytest.raises(UserError, match="sha256 of judge_file is 2, theirs is 1"):
        same.check("toy", "LightGCN", judged("a.tsv", "2"), Path("d"))


def test_a_plugin_is_compared_by_its_content():
    same, (run, *_) = SameInputs(), runs_of(small_plan("dns"), small_plan("dns").cells()[0])

    def made_with(paths, *digests):
        plugins = [{"file": Path(path).name, "sha256": digest} for path, digest in zip(paths, digests, strict=True)]
        return made_result(run, config={"plugins": " ".join(paths)}, plugins=plugins)

    both = ["a/mine.py", "b/mine.py"]
    same.check("toy", "BPR", made_with(both, "1", "2"), Path("a"))
    same.check("toy", "BPR", made_with(both[1:], "2"), Path("b"))
    same.check("toy", "BPR", made_result(run, config={"plugins": "a/mine.py"}), Path("c"))  # of an earlier version
    with pytest.raises(UserError, match=r"sha256 of the plugin mine\.py is 3, theirs is 2"):
        same.check("toy", "LightGCN", made_with(both, "1", "3"), Path("d"))


def test_optuna_chain(compared, toy):
    pytest.importorskip("optuna")
    plan = small_plan("dns", trials=4, search="optuna", shared_search={"neg_candidates": "choice [5, 10, 20, 40]"})
    _, program = compared(plan)
    tried = [program.keys[f"toy/BPR/dns/trial-{number}"].get("neg_candidates", "10") for number in range(4)]
    assert sorted(tried) == ["10", "20", "40", "5"]
    assert program.keys["toy/BPR/dns/seed-3"]["neg_candidates"] == "40"
    again, program = compared(plan)
    assert (len(again.runs), program.started) == (6, [])


def test_optuna_that_runs_out_of_settings_goes_on_to_the_seeds(toy, monkeypatch):
    pytest.importorskip("optuna")
    plan = small_plan("dns", trials=3, search="optuna")
    chain = Chain(plan, plan.cells()[0], toy / "compared")
    (job,) = chain.start()
    monkeypatch.setattr(chain._optuna, "ask", lambda: None)
    jobs = chain.after(Outcome(job, DONE, score=0.3, result=made_result(job.run)))
    assert [later.run.seed for later in jobs] == [3, 4]
    assert [run.trial for run in chain.needless] == [1, 2]


def test_trials_that_a_search_does_not_need_are_forgotten(compared, monkeypatch):
    pytest.importorskip("optuna")
    asks = iter([{}, None])
    monkeypatch.setattr(OptunaTrials, "ask", lambda trials: next(asks))
    comparison, program = compared(small_plan("dns", trials=3, search="optuna"))
    assert ids(program) == [f"toy/BPR/dns/{name}" for name in ("trial-0", "seed-3", "seed-4")]
    assert not comparison.pending
    assert not comparison.failed


def test_the_earlier_of_equal_trials_is_chosen_and_failed_ones_have_no_say(toy):
    plan = small_plan("dns", trials=3)
    chain = Chain(plan, plan.cells()[0], toy / "compared")
    jobs = chain.start()
    outcomes = [
        Outcome(jobs[0], FAILED_RUN, reason="x"),
        Outcome(jobs[1], DONE, score=-0.2),
        Outcome(jobs[2], DONE, score=-0.2),
    ]
    assert chain.after(outcomes[2]) == chain.after(outcomes[0]) == []
    assert [job.keys for job in chain.after(outcomes[1])] == [jobs[1].keys] * 2
