"""`--dry_run`: what a start would use and refuse, and what one epoch of each model says of the cost."""

import dataclasses
import json

import pytest
from fake_runs import FIXED, FakeProgram, small_plan, write_made

from recbole_dtlns.comparison.run import execute, outlook
from recbole_dtlns.comparison.run.campaign import carry_out, write_plan
from recbole_dtlns.comparison.run.config_of_run import run_config
from recbole_dtlns.comparison.run.outlook import cost_text, plan_text
from recbole_dtlns.comparison.run.reuse import so_far
from recbole_dtlns.comparison.run.runs import runs_of
from recbole_dtlns.files.run_folder import CONFIG, write_config

DNS = "toy/BPR/dns"


@pytest.fixture
def made(toy, monkeypatch):
    """`made(plan)` carries a plan out with a made-up program and returns the folder."""

    def carry(plan):
        monkeypatch.setattr(execute, "command", FakeProgram())
        write_plan(plan, toy / "compared")
        carry_out(plan, toy / "compared", 1)
        return toy / "compared"

    return carry


def test_finished_runs_under_the_keys_of_the_search_count_as_done(made):
    plan = small_plan("dns", trials=3)
    folder = made(plan)
    assert json.loads((folder / "runs" / DNS / "chosen.json").read_text())["keys"]  # not the start values
    comparison, _ = so_far(folder, plan)
    assert (len(comparison.runs), comparison.failed, comparison.pending) == (5, [], [])
    assert "5 runs, 5 of them finished" in plan_text(comparison, plan)
    assert "nothing is left" in cost_text(comparison, plan, 1, [])


def test_a_plan_in_words_names_the_keys_of_all_runs_and_those_of_a_judge(toy):
    plan = small_plan("dns", judge_keys={"keep_all": {"candidate_topk": 3}, "rule": {}})
    lines = plan_text(so_far(toy / "compared", plan)[0], plan).splitlines()
    assert next(line for line in lines if line.startswith("shared by all runs: split_seed=")).count("epochs=2")
    assert "of judge keep_all alone: candidate_topk=3" in lines
    assert not any("judge rule" in line for line in lines)


def test_what_a_start_would_refuse_is_not_done_and_costs_nothing(made):
    folder = made(small_plan("dns"))
    longer = small_plan("dns", fixed={**FIXED, "epochs": 9})
    comparison, _ = so_far(folder, longer)
    assert [run.run_id for run in comparison.failed] == [f"{DNS}/seed-3", f"{DNS}/seed-4"]
    text = plan_text(comparison, longer)
    assert "2 runs, 0 of them finished" in text
    assert "left, 2 refused" in text
    assert f"refused: {DNS}/seed-3: " in text
    assert "epochs is 2, the plan asks for 9" in text
    assert "nothing is left" in cost_text(comparison, longer, 1, [])


@pytest.fixture
def timed(toy, monkeypatch):
    """The program made up: 10 s a run, of which 2 are an epoch and 1 its evaluation; plans and jobs that were timed."""
    seen, program = [], FakeProgram()

    class Timed(execute.Runner):
        def __call__(self, job):
            seen.append((self._plan.fixed, self._folder, job.run))
            return dataclasses.replace(super().__call__(job), seconds=10.0)

    monkeypatch.setattr(outlook, "Runner", Timed)
    monkeypatch.setattr(execute, "command", program)
    return seen, program


def test_one_epoch_of_each_model_is_timed_as_a_trial_in_a_folder_of_its_own(toy, timed):
    seen, program = timed
    fixed = {**FIXED, "epochs": 100, "eval_step": 2, "stopping_step": 3}
    plan = small_plan("uniform", "dns", "EASE", fixed=fixed)
    text = cost_text(so_far(toy / "compared", plan)[0], plan, 2, ["5"])
    # BPR: 7 s once, and 2 + 1/2 an epoch, 10 or 100 of them, in 4 runs. EASE: 10 s in 2 runs. Two at a time.
    assert "74 s (early stopping at once) to 9 min (all epochs) with 2 runs at a time" in text
    assert [run.run_id for *_, run in seen] == ["toy/BPR/uniform/trial-0", "toy/EASE/EASE/trial-0"]
    assert all((keys["epochs"], keys["eval_step"]) == (1, 1) for keys, *_ in seen)
    assert {gpu for _, gpu in program.started} == {"5"}
    assert {keys["evaluate_test"] for keys in program.keys.values()} == {"false"}
    assert not any(folder.exists() for _, folder, _ in seen)
    assert not (toy / "compared").exists()


def test_a_model_that_cannot_be_timed_is_named_and_finished_runs_are_better_than_timing(toy, timed):
    seen, program = timed
    program.instead["toy/BPR/dns/trial-0"] = "import sys; sys.exit('no such thing')"
    plan = small_plan("dns", "EASE")
    text = cost_text(so_far(toy / "compared", plan)[0], plan, 1, [])
    assert "20 s (early" in text
    assert "toy/BPR could not be timed: no such thing" in text
    seen.clear()
    run = runs_of(plan, plan.cells()[1])[0]
    write_config(write_made(toy / "compared", run) / CONFIG, run_config(plan, run, {}).resolved())
    assert "estimated cost of what is left" in cost_text(so_far(toy / "compared", plan)[0], plan, 1, [])
    assert not seen
