"""Every run of a plan has a folder, a command, and the configuration that the command comes to."""

import sys

import pytest
import yaml
from fake_runs import FIXED, small_plan

from recbole_dtlns.commands.arguments import config_files, flags
from recbole_dtlns.comparison.run.campaign import write_plan
from recbole_dtlns.comparison.run.config_of_run import run_config
from recbole_dtlns.comparison.run.runs import Run, command, run_flags, runs_of, seeds_of, spell, trials_of
from recbole_dtlns.config.run_config import Config
from recbole_dtlns.files.run_folder import config_hash


def test_run_ids():
    plan = small_plan("dtl_ns", "recbole:uniform", noise=(0.0, 0.1), judges=("rule",))
    ids = [run.run_id for cell in plan.cells() for run in runs_of(plan, cell)]
    assert ids[0] == "toy/BPR/dtl_ns@rule/seed-3"
    assert "toy/BPR/recbole-uniform/noise-0.1/seed-4" in ids
    assert len(ids) == len(set(ids)) == 3 * 2 * 2  # dtl_ns, mixgcf+pos beside it, recbole:uniform


def test_trials_before_seeds_and_with_the_first_seed():
    plan = small_plan("dns", trials=3)
    (cell,) = plan.cells()
    assert [(run.seed, run.trial) for run in runs_of(plan, cell)] == [(3, 0), (3, 1), (3, 2), (3, None), (4, None)]


@pytest.mark.parametrize(("row", "trials"), [("dns", 0), ("dns", 1), ("uniform", 4)])
def test_no_tuning_runs_where_there_is_nothing_to_choose(row, trials):
    plan = small_plan(row, trials=trials)
    assert trials_of(plan, plan.cells()[0]) == []


def test_trials_never_evaluate_test():
    plan = small_plan("dns", trials=2)
    (cell,) = plan.cells()
    assert all(run_flags(plan, run, {})["evaluate_test"] == "false" for run in trials_of(plan, cell))
    assert not any("evaluate_test" in run_flags(plan, run, {}) for run in seeds_of(plan, cell))


def test_split_seed_is_the_same_for_all_seeds():
    plan = small_plan("dns")
    flags = [run_flags(plan, run, {}) for run in seeds_of(plan, plan.cells()[0])]
    assert [(keys["seed"], keys["split_seed"]) for keys in flags] == [("3", "7"), ("4", "7")]


def test_chosen_keys_win_over_those_of_the_row():
    plan = small_plan("EASE")
    assert run_flags(plan, Run(plan.cells()[0], 3), {"reg_weight": 9.0})["reg_weight"] == "9.0"


def test_command_comes_to_the_expected_configuration(toy):
    """The words, parsed as the program does, with fixed.yaml read from the folder."""
    plan = small_plan("dns+tree", trials=2, fixed={**FIXED, "learning_rate": 1e-5, "metrics": ["NDCG", "ItemCoverage"]})
    write_plan(plan, toy / "compared")
    run = trials_of(plan, plan.cells()[0])[1]
    chosen = {"neg_candidates": 5, "alpha_co": 0.3}
    words = command(plan, run, chosen, toy / "compared", gpu="1")
    assert words[:3] == [sys.executable, "-m", "recbole_dtlns"]
    given = flags(words[3:])
    assert given["run_dir"] == str(toy / "compared" / "runs" / run.run_id)
    files = config_files(given)
    made = Config(given.pop("model"), given.pop("dataset"), files, None, given)
    expected = run_config(plan, run, chosen)
    assert made.settings.neg_candidates == 5
    assert made["learning_rate"] == 1e-5
    assert made["gpu_id"] == "1"
    assert config_hash(made.resolved()) == config_hash(expected.resolved())
    other = run_config(plan, run, {**chosen, "alpha_co": 0.1})
    assert config_hash(made.resolved()) != config_hash(other.resolved())


def test_config_files_come_before_the_shared_keys(toy):
    (toy / "mine.yaml").write_text("epochs: 9\nlearning_rate: 0.5\n")
    plan = small_plan("dns", config_files=("mine.yaml",))
    config = run_config(plan, Run(plan.cells()[0], 3), {})
    assert (config["epochs"], config["learning_rate"]) == (2, 0.5)
    words = command(plan, Run(plan.cells()[0], 3), {}, toy)
    assert f"--config_files=mine.yaml {toy / 'fixed.yaml'}" in words


def test_plan_files_hold_the_plan(toy):
    plan = small_plan("dns")
    write_plan(plan, toy / "compared")
    assert yaml.safe_load((toy / "compared" / "plan.yaml").read_text()) == plan.as_dict()
    assert yaml.safe_load((toy / "compared" / "fixed.yaml").read_text()) == FIXED


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (False, "false"), (None, "None"), (1e-5, "1e-05"), ([64, 32], "[64, 32]")]
)
def test_spell(value, text):
    assert spell(value) == text
