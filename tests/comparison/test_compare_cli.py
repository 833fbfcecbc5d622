"""The real command line: a comparison of two rows over two seeds on toy, and what a second start does."""

import importlib.util
import json
import subprocess
from types import SimpleNamespace

import pytest
from forked import ForkedRun
from toy import toy_split, write_pairs

from recbole_dtlns import cli
from recbole_dtlns.commands import compare
from recbole_dtlns.comparison import report
from recbole_dtlns.comparison.run.records import read_comparison
from recbole_dtlns.engines import local
from recbole_dtlns.quick_start import run_recbole_dtlns

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

WORDS = [
    *("--datasets=toy", "--models=BPR", "--samplers=dns,mixgcf+pos", "--data_path=data", "--run_dir=compared"),
    *("--epochs=2", "--embedding_size=8", "--train_batch_size=64", "--tree_leaf_size=4", "--jobs=2", "--seed=5"),
    "--judges=rule",
]
SEEDS = ["toy/BPR/dns/seed-5", "toy/BPR/dns/seed-6", "toy/BPR/mixgcf+pos@rule/seed-5", "toy/BPR/mixgcf+pos@rule/seed-6"]


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """Exit status of the finished comparison; the working directory holds data/toy and compared/.

    Its runs are copies of this process; tests/test_quickstart.py starts them as `compare` does.
    """
    home = tmp_path_factory.mktemp("comparison")
    write_pairs(home / "data" / "toy", toy_split())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setattr(local, "subprocess", SimpleNamespace(**{**vars(subprocess), "Popen": ForkedRun}))
        yield home, cli.main(["compare", *WORDS, "--seeds=2"])


def modified(home):
    return {path: path.stat().st_mtime_ns for path in (home / "compared/runs").rglob("*")}


def test_everything_is_there(compared):
    home, status = compared
    assert status == 0
    folder = home / "compared"
    for name in ("plan.yaml", "fixed.yaml", "summary.csv", "report.html", "compare.log"):
        assert (folder / name).is_file()
    comparison = read_comparison(folder)
    assert [run.run_id for run in comparison.runs] == SEEDS  # --seeds=2: seed and seed + 1
    assert comparison.failed == comparison.pending == []
    assert {run.result["split_seed"] for run in comparison.runs} == {5}
    assert [run.result["judge"] for run in comparison.runs] == ["none", "none", "rule", "rule"]
    log = (folder / "compare.log").read_text()
    assert "[4/4] done in" in log
    end = log[log.index("Rows by test, the best first.") :]
    assert " is first of 2 on NDCG@20" in end  # of dns and mixgcf+pos, whichever it is
    assert "Wrote to compared: summary.csv, report.html, report/ and runs/" in end


def test_a_run_does_not_depend_on_those_beside_it(compared):
    """Two runs at a time give what one alone gives."""
    home, _ = compared
    alone = run_recbole_dtlns(
        model="BPR",
        dataset="toy",
        config_file_list=["compared/fixed.yaml"],
        config_dict={"neg_sampler": "dns", "judge": "none", "seed": 6, "split_seed": 5, "run_dir": "alone"},
    )
    beside = json.loads((home / "compared/runs" / SEEDS[1] / "result.json").read_text())
    assert beside["test_result"] == pytest.approx(dict(alone["test_result"]))


def test_second_start_repeats_nothing_and_names_a_damaged_run(compared, capsys, monkeypatch):
    """The run folder alone is enough: the plan lies in it."""
    home, _ = compared
    path = home / "compared/runs" / SEEDS[0] / "result.json"
    whole, before = path.read_text(), modified(home)
    with monkeypatch.context() as patch:
        patch.setattr(report, "write_report", lambda _, folder: folder / "report.html")
        assert cli.main(["compare", "--run_dir=compared"]) == 0
    assert "0 runs to make; 4 runs finished before." in capsys.readouterr().err
    assert modified(home) == before
    path.write_text(whole[: len(whole) // 2])
    (home / "compared/report.html").unlink()
    before = modified(home)
    assert cli.main(["compare", "--run_dir=compared"]) == 1
    assert f"{SEEDS[0]} failed:" in capsys.readouterr().err
    assert modified(home) == before
    assert (home / "compared/report.html").is_file()
    assert f"{SEEDS[0]},BPR,toy,dns,none,honest,5,failed" in (home / "compared/summary.csv").read_text()
    path.write_text(whole)


def test_a_plan_that_no_finished_run_fits_changes_nothing(compared, capsys):
    home, _ = compared
    before = {path: path.read_bytes() for path in (home / "compared").rglob("*") if path.is_file()}
    assert cli.main(["compare", *WORDS, "--seeds=2", "--learning_rate=0.5"]) == 2
    output = capsys.readouterr().err
    assert "No finished run in compared fits this plan." in output
    assert "learning_rate is 0.001, the plan asks for 0.5" in output
    assert {path: path.read_bytes() for path in (home / "compared").rglob("*") if path.is_file()} == before


def test_a_plan_without_any_of_the_finished_runs_changes_nothing(compared, capsys):
    home, _ = compared
    words = [word for word in WORDS if not word.startswith("--samplers")]
    before = {path: path.read_bytes() for path in (home / "compared").rglob("*") if path.is_file()}
    assert cli.main(["compare", *words, "--samplers=uniform", "--seeds=2"]) == 2
    told = f"compared holds 4 finished runs, such as {SEEDS[0]}, and this plan asks for none of them"
    output = capsys.readouterr().err
    assert told in output
    assert "compared/plan.yaml as well, or choose another run_dir." in output
    assert cli.main(["compare", *words, "--samplers=uniform", "--seeds=2", "--dry_run"]) == 0
    output = capsys.readouterr().out
    assert f"A start is refused. {told}" in output
    assert "estimated cost" not in output
    assert {path: path.read_bytes() for path in (home / "compared").rglob("*") if path.is_file()} == before


def test_one_damaged_run_does_not_keep_the_others_of_a_wider_plan_from_being_made(compared, capsys):
    words = [word for word in WORDS if not word.startswith(("--samplers", "--run_dir"))]
    words += ["--samplers=dns", "--run_dir=cut"]
    assert cli.main(["compare", *words, "--seeds=1"]) == 0
    path = compared[0] / "cut/runs" / SEEDS[0] / "result.json"
    path.write_text(path.read_text()[:100])
    capsys.readouterr()
    assert cli.main(["compare", *words, "--seeds=2"]) == 1
    assert f"{SEEDS[0]} failed: " in capsys.readouterr().err
    assert [run.run_id for run in read_comparison(compared[0] / "cut").runs] == [SEEDS[1]]


def test_trials_do_not_read_test_and_one_that_fails_is_named(compared, capsys):
    """The folder of trial 1 holds the state of another run, so that the program refuses to go on from it."""
    home, _ = compared
    bad = home / "tuned/runs/toy/BPR/dns/trial-1"
    bad.mkdir(parents=True)
    (bad / "config.yaml").write_text("epochs: 99\n")
    (bad / "resume.pth").write_text("")
    words = [word for word in WORDS if not word.startswith(("--samplers", "--run_dir"))]
    assert cli.main(["compare", *words, "--samplers=dns", "--trials=2", "--run_dir=tuned"]) == 1
    assert "toy/BPR/dns/trial-1 failed:" in capsys.readouterr().err
    comparison = read_comparison(home / "tuned")
    assert "another configuration" in comparison.failed[0].reason
    (trial,) = comparison.trials_of("toy", "BPR", "dns")
    assert trial.result["test_result"] is None
    assert trial.result["best_valid_result"]
    assert not (trial.folder / "checkpoint.pth").exists()
    (run,) = comparison.seeds_of("toy", "BPR", "dns")
    assert run.result["test_result"]
    assert (run.folder / "checkpoint.pth").is_file()
    assert run.chosen() == {
        "trial": 0,
        "keys": {},
        "scores": [{"trial": 0, "score": trial.result["best_valid_result"]["ndcg@20"], "keys": {}}],
    }


def test_dry_run_writes_nothing(compared, capsys):
    home, _ = compared
    before = sorted(home.rglob("*"))
    assert cli.main(["compare", *WORDS, "--seeds=3", "--dry_run"]) == 0
    output = capsys.readouterr().out
    assert "6 runs, 4 of them finished" in output
    assert "2 of 3 done" in output
    assert "estimated cost" in output
    assert sorted(home.rglob("*")) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--jobs=0"], "--jobs=0"),
        (["--samplers=dsn"], "dns"),
        (["--run_dir=two words"], "space"),
        (["--run_dir=data/toy/train.txt"], "file"),
        (["--plan=none.yaml"], "none.yaml"),
        ([f"--run_dir=compared/runs/{SEEDS[0]}"], "holds a single run"),
    ],
)
def test_bad_input_ends_with_2_before_any_work(compared, capsys, words, message):
    home, _ = compared
    before = sorted(home.rglob("*"))
    assert cli.main(["compare", "--datasets=toy", "--models=BPR", "--data_path=data", *words]) == 2
    assert message in capsys.readouterr().err
    assert sorted(home.rglob("*")) == before


def test_missing_report_packages_are_named_before_any_work(compared, capsys, monkeypatch):
    home, _ = compared
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "jinja2" else find(name, *rest)
    )
    assert cli.main(["compare", "--datasets=toy", "--data_path=data", "--models=BPR", "--run_dir=elsewhere"]) == 2
    assert "pip install 'recbole-dtlns[report]'" in capsys.readouterr().err
    assert not (home / "elsewhere").exists()
    assert cli.main(["compare", *WORDS, "--seeds=2", "--dry_run"]) == 0  # which makes no report


@pytest.mark.parametrize(
    ("words", "jobs", "gpus"),
    [((), 1, []), (("--gpus=0, 1",), 2, ["0", "1"]), (("--gpus=0,1", "--jobs=3"), 3, ["0", "1"])],
)
def test_there_are_as_many_jobs_as_gpus_unless_their_number_is_given(compared, monkeypatch, words, jobs, gpus):
    asked = []
    monkeypatch.setattr(compare, "_dry_run", lambda plan, folder, *rest: asked.append(rest[:2]) or 0)
    start = [word for word in WORDS if not word.startswith("--jobs")]
    assert cli.main(["compare", *start, *words, "--dry_run"]) == 0
    assert asked == [(jobs, gpus)]
