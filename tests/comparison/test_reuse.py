"""Which finished runs a plan uses again, and which plans must not begin in a folder."""

import json
import sys

import pytest
from fake_result import DATA
from fake_runs import FIXED, small_plan

from recbole_dtlns.comparison.run import records, reuse
from recbole_dtlns.comparison.run.records import CHOSEN, FAILED
from recbole_dtlns.comparison.run.reuse import reason_to_refuse, so_far
from recbole_dtlns.config.plugins import load_plugins
from recbole_dtlns.files.cache import file_hash

DNS = "toy/BPR/dns"


@pytest.fixture
def made(compared, toy):
    """`made(plan)` carries a plan out with a made-up program and returns the folder."""

    def carry(plan):
        compared(plan)
        return toy / "compared"

    return carry


def test_a_run_that_failed_before_it_had_a_result_is_still_to_come(made):
    folder, run_id = made(small_plan("dns")), f"{DNS}/seed-3"
    (folder / "runs" / run_id / "result.json").unlink()
    (folder / FAILED).write_text(json.dumps({run_id: "killed"}))
    comparison, _ = so_far(folder, small_plan("dns"))
    assert (comparison.failed, comparison.pending) == ([], [run_id])


def test_trials_and_seeds_under_other_ranges_are_refused(made):
    folder = made(small_plan("dns", trials=3))
    other = small_plan("dns", trials=3, shared_search={"neg_candidates": "choice [3, 4]"})
    assert [run.run_id for run in so_far(folder, other)[0].failed] == [f"{DNS}/trial-1", f"{DNS}/trial-2"]
    assert [run.run_id for run in so_far(folder, small_plan("dns"))[0].failed] == [f"{DNS}/seed-3", f"{DNS}/seed-4"]


def test_trials_that_optuna_would_have_to_propose_count_as_done(made):
    pytest.importorskip("optuna")
    plan = small_plan("dns", trials=3, search="optuna")
    assert len(so_far(made(plan), plan)[0].runs) == 5


@pytest.mark.parametrize(
    "plan",
    [
        small_plan("dns"),
        small_plan("dns", "uniform", seeds=(4, 5)),
        small_plan("dns", trials=3),  # tuned now, with the start values among the trials
        small_plan("dns", models=("LightGCN", "BPR")),
    ],
)
def test_a_plan_that_uses_a_finished_run_may_begin(made, plan):
    assert reason_to_refuse(made(small_plan("dns")), plan) is None


@pytest.mark.parametrize(
    "plan", [small_plan("uniform"), small_plan("dns", seeds=(5, 6)), small_plan("dns", models=("LightGCN",))]
)
def test_a_plan_without_any_of_the_finished_runs_is_refused(made, plan):
    folder = made(small_plan("dns"))
    reason = reason_to_refuse(folder, plan)
    assert reason.startswith(
        f"{folder} holds 2 finished runs, such as {DNS}/seed-3, and this plan asks for none of them"
    )
    assert "as well, or choose another run_dir" in reason
    for path in folder.rglob("result.json"):
        path.unlink()
    assert reason_to_refuse(folder, plan) is None  # nothing is lost


def test_a_folder_without_a_plan_has_none_to_keep(toy):
    assert reason_to_refuse(toy / "compared", small_plan("dns")) is None


def test_a_plan_that_fits_no_finished_run_is_refused_with_the_difference(made):
    folder = made(small_plan("dns"))
    longer = {**FIXED, "epochs": 9}
    for wider in ({}, {"trials": 3}, {"seeds": (3, 4, 5)}):
        reason = reason_to_refuse(folder, small_plan("dns", fixed=longer, **wider))
        assert "No finished run in" in reason
        assert "epochs is 2, the plan asks for 9" in reason
    path = folder / "runs" / DNS / "seed-3" / "result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "versions": {"recbole_dtlns": "0.0.1"}}))
    assert reason_to_refuse(folder, small_plan("dns")) is None  # seed 4 fits
    assert "made by version 0.0.1" in reason_to_refuse(folder, small_plan("dns", seeds=(3,)))


def test_runs_that_a_plugin_was_changed_after_are_refused(made, toy, monkeypatch):
    plugin = toy / "mine.py"
    plugin.write_text("# first")
    load_plugins(plugin)
    plan = small_plan("dns", fixed={**FIXED, "plugins": str(plugin)})
    folder = made(plan)
    for path in folder.rglob("result.json"):
        result = json.loads(path.read_text())
        plugins = [{"file": "mine.py", "sha256": file_hash(plugin)}]
        path.write_text(json.dumps({**result, "config": {"plugins": str(plugin)}, "plugins": plugins}))
    assert so_far(folder, plan)[0].failed == []
    plugin.write_text("# second")
    assert so_far(folder, plan)[0].failed == []  # what runs is still the first
    for name in [name for name in sys.modules if name.startswith("recbole_dtlns_plugin_")]:
        monkeypatch.delitem(sys.modules, name)
    load_plugins(plugin)
    comparison, reason = so_far(folder, plan)
    assert len(comparison.failed) == 2
    assert "was made with another content of the plugin" in comparison.failed[0].reason
    assert reason.startswith(f"No finished run in {folder} fits this plan")


@pytest.mark.parametrize("name", ["result.json", "config.yaml"])
@pytest.mark.parametrize("content", [None, "", "[1]", "{", "[" * 100_000])
def test_a_run_that_cannot_be_read_is_no_reason_against_a_plan(made, name, content):
    folder = made(small_plan("dns", seeds=(3,)))
    path = folder / "runs" / DNS / "seed-3" / name
    path.unlink() if content is None else path.write_text(content)
    wider = small_plan("dns")
    assert reason_to_refuse(folder, wider) is None
    comparison, _ = so_far(folder, wider)
    gone = name == "result.json" and content is None
    assert len(comparison.failed) == (0 if gone else 1)
    assert comparison.pending == [f"{DNS}/seed-3"] * gone + [f"{DNS}/seed-4"]


def test_a_result_that_may_not_be_read_fails_its_run_alone(made, monkeypatch):
    folder, read = made(small_plan("dns")), records.read_result

    def denied(home):
        if home.name == "seed-3":
            raise PermissionError("denied")
        return read(home)

    monkeypatch.setattr(records, "read_result", denied)
    assert [run.reason for run in so_far(folder, small_plan("dns"))[0].failed] == ["denied"]


@pytest.mark.parametrize("content", ["", "[1]", "{", "[" * 100_000, '{"keys": [1]}', '{"keys": null}', '{"trial": 0}'])
def test_a_damaged_choice_of_the_search_is_made_again_by_a_start(made, content):
    plan = small_plan("dns", trials=3)
    folder = made(plan)
    path = folder / "runs" / DNS / CHOSEN
    chosen = path.read_text()
    path.write_text(content)
    assert len(so_far(folder, plan)[0].runs) == 5
    assert reason_to_refuse(folder, plan) is None
    made(plan)
    assert path.read_text() == chosen


def test_what_nobody_foresaw_is_no_reason_against_a_plan(made, monkeypatch):
    folder = made(small_plan("dns"))

    def failing(plan, run, keys):
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(reuse, "run_config", failing)
    assert reason_to_refuse(folder, small_plan("dns")) is None
    assert [run.reason for run in so_far(folder, small_plan("dns"))[0].failed] == ["by nothing"] * 2


def test_runs_of_other_data_are_a_reason_only_where_none_is_left(made):
    folder = made(small_plan("dns"))
    path = folder / "runs" / DNS / "seed-4" / "result.json"
    other = {**DATA, "split_hash": "other", "train_hash": "t"}
    path.write_text(json.dumps({**json.loads(path.read_text()), "data": other}))
    assert [run.run_id for run in so_far(folder, small_plan("dns"))[0].failed] == [f"{DNS}/seed-4"]
    assert reason_to_refuse(folder, small_plan("dns")) is None


@pytest.mark.parametrize(
    "plan", [small_plan("dns"), small_plan("uniform"), small_plan("dns", fixed={**FIXED, "epochs": 9})]
)
def test_one_reading_of_the_results_tells_what_is_found_and_why_a_plan_is_refused(made, monkeypatch, plan):
    folder, read, homes = made(small_plan("dns")), records.read_result, []
    monkeypatch.setattr(records, "read_result", lambda home: homes.append(home.name) or read(home))
    _, reason = so_far(folder, plan)
    assert homes == ([] if plan.cells()[0].row.name == "uniform" else ["seed-3", "seed-4"])
    assert reason == reason_to_refuse(folder, plan)
