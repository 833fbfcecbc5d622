"""The folder of a comparison, read back."""

import json

import numpy as np
import pytest
from fake_runs import made_result, small_plan, write_made

from recbole_dtlns.comparison.run.campaign import write_plan
from recbole_dtlns.comparison.run.records import FAILED, Comparison, read_comparison
from recbole_dtlns.comparison.run.runs import runs_of
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.run_checksums import write_with_checksums


@pytest.fixture
def folder(tmp_path):
    """A finished comparison: two trials and two seeds of dns, two seeds of each other row."""
    plan = small_plan("dns", "dtl_ns", "EASE", trials=2, noise=(0.0, 0.1), models=("BPR", "LightGCN"), judges=("rule",))
    write_plan(plan, tmp_path)
    for cell in plan.cells():
        for run in runs_of(plan, cell):
            write_made(tmp_path, run)
    return tmp_path


def test_groups_labels_and_references(folder):
    comparison = read_comparison(folder)
    assert comparison.groups() == [("toy", "BPR"), ("toy", "LightGCN")]
    assert comparison.labels("toy", "BPR") == ["dns", "dtl_ns@rule", "mixgcf+pos@rule"]
    assert comparison.labels("toy", "EASE") == ["EASE"]
    assert {label: len(runs) for label, runs in comparison.references("toy").items()} == {"EASE": 2}
    assert not comparison.failed
    assert not comparison.pending


def test_seeds_and_trials_are_kept_apart(folder):
    comparison = read_comparison(folder)
    assert [(run.seed, run.trial) for run in comparison.seeds_of("toy", "BPR", "dns")] == [(3, None), (4, None)]
    assert [run.trial for run in comparison.trials_of("toy", "BPR", "dns")] == [0, 1]
    assert [run.noise for run in comparison.seeds_of("toy", "BPR", "dns", 0.1)] == [0.1, 0.1]
    assert comparison.seeds_of("toy", "BPR", "mixgcf") == []


def test_a_row_with_trials_alone_is_none_of_the_rows_of_a_table(folder):
    for seed in ("seed-3", "seed-4"):
        for home in (folder / "runs/toy/BPR/dns", folder / "runs/toy/BPR/dns/noise-0.1"):
            (home / seed / "result.json").unlink()
    comparison = read_comparison(folder)
    assert comparison.trials_of("toy", "BPR", "dns")
    assert comparison.labels("toy", "BPR") == ["dtl_ns@rule", "mixgcf+pos@rule"]
    only = Comparison(folder, "x", comparison.plan, [run for run in comparison.runs if run.trial is not None])
    assert only.groups() == []


def test_seeds_are_in_order_whatever_the_plan_says(tmp_path):
    plan = small_plan("dns", seeds=(4, 3))
    write_plan(plan, tmp_path)
    for run in runs_of(plan, plan.cells()[0]):
        write_made(tmp_path, run)
    assert [run.seed for run in read_comparison(tmp_path).seeds_of("toy", "BPR", "dns")] == [3, 4]


def test_labels_name_row_and_judge(folder):
    (record, _) = read_comparison(folder).seeds_of("toy", "BPR", "mixgcf+pos@rule")
    assert (record.sampler, record.judge, record.run_id) == ("mixgcf+pos", "rule", "toy/BPR/mixgcf+pos@rule/seed-3")


def test_one_bad_run_spoils_nothing_else(folder):
    runs = folder / "runs" / "toy" / "BPR" / "dns"
    (runs / "seed-3" / "result.json").write_text('{"model": "BPR"')
    (runs / "seed-4" / "result.json").write_text('{"model": "BPR"}')
    (runs / "trial-0" / "result.json").write_text("[]")
    (runs / "trial-1" / "result.json").unlink()
    comparison = read_comparison(folder)
    reasons = {run.run_id.rpartition("/")[2]: run.reason for run in comparison.failed}
    assert set(reasons) == {"seed-3", "seed-4", "trial-0"}
    assert "damaged" in reasons["seed-3"]
    assert "dataset" in reasons["seed-4"]
    assert comparison.pending == ["toy/BPR/dns/trial-1"]
    assert comparison.seeds_of("toy", "BPR", "dns") == []
    assert len(comparison.seeds_of("toy", "BPR", "dtl_ns@rule")) == 2


def test_recorded_failures_are_failures(folder):
    (folder / FAILED).write_text(json.dumps({"toy/BPR/dns/seed-3": "made by version 0"}))
    comparison = read_comparison(folder)
    assert [(run.run_id, run.reason) for run in comparison.failed] == [("toy/BPR/dns/seed-3", "made by version 0")]
    (folder / FAILED).write_text("{")
    assert not read_comparison(folder).failed


def test_a_trial_that_the_search_did_without_is_not_pending(folder):
    home = folder / "runs" / "toy" / "BPR" / "dns"
    (home / "trial-1" / "result.json").unlink()
    assert read_comparison(folder).pending == ["toy/BPR/dns/trial-1"]
    (home / "chosen.json").write_text(json.dumps({"trial": 0, "keys": {"neg_candidates": 5}, "scores": []}))
    comparison = read_comparison(folder)
    assert comparison.pending == []
    assert comparison.seeds_of("toy", "BPR", "dns")[0].chosen()["keys"] == {"neg_candidates": 5}
    assert comparison.seeds_of("toy", "BPR", "dtl_ns@rule")[0].chosen() is None


def test_files_of_a_run(folder):
    run = read_comparison(folder).seeds_of("toy", "BPR", "dns")[0]
    assert run.per_user() is None
    assert run.epochs() == run.hardness() == {}
    np.savez(run.folder / "per_user.npz", users=np.array(["u1"]), **{"ndcg@20": np.array([0.5], dtype=np.float32)})
    (run.folder / "epochs.csv").write_text("epoch,train_loss,seconds,ndcg@20\n0,1.5,2,\n1,1.2,4,0.3\n")
    users, values = run.per_user()
    assert (users.tolist(), values["ndcg@20"].tolist()) == (["u1"], [0.5])
    assert run.epochs()[1] == {"train_loss": 1.2, "seconds": 4.0, "ndcg@20": 0.3}
    assert run.epochs()[0]["ndcg@20"] is None


@pytest.mark.parametrize(("kind", "name"), [("per_user", "per_user.npz"), ("epochs", "epochs.csv")])
def test_a_file_that_its_run_has_written_and_that_is_gone_is_refused(folder, kind, name):
    """It is not taken for one that the run never had."""
    run = read_comparison(folder).seeds_of("toy", "BPR", "dns")[0]
    (run.folder / name).write_bytes(b"")
    write_with_checksums(run.folder / "result.json", (run.folder / "result.json").read_bytes(), [name])
    (run.folder / name).unlink()
    with pytest.raises(UserError, match=rf"{name} is missing: its run has written it\. Restore it or repeat the run"):
        getattr(run, kind)()
    (run.folder / "checksums.json").unlink()  # what the message says
    assert not getattr(run, kind)()


@pytest.mark.parametrize(
    ("changes", "label"),
    [
        ({"neg_sampler": "dtl_ns", "judge": "rule", "config": {"tree_view": True}}, "dtl_ns@rule"),
        ({"neg_sampler": "mixgcf", "judge": "keep_all", "config": {}}, "mixgcf+pos@keep_all"),
        ({"neg_sampler": "mixgcf", "judge": "rule", "positives_loss": "list"}, "mixgcf+list@rule"),
        ({"neg_sampler": "mixgcf", "judge": "learned", "positives_loss": "list"}, "mixgcf+list@learned"),
        ({"neg_sampler": "dns", "config": {"tree_view": True}}, "dns+tree"),
        ({"neg_sampler": None, "model": "EASE"}, "EASE"),
    ],
)
def test_single_run(tmp_path, changes, label):
    run = runs_of(small_plan("dns"), small_plan("dns").cells()[0])[0]
    (tmp_path / "result.json").write_text(json.dumps(made_result(run, **changes)))
    comparison = read_comparison(tmp_path)
    assert comparison.plan is None
    assert [record.label for record in comparison.runs] == [label]
    assert comparison.groups() == [("toy", comparison.runs[0].model)]


def test_a_folder_of_neither_kind(tmp_path):
    with pytest.raises(UserError, match=r"plan\.yaml"):
        read_comparison(tmp_path)
