"""Killed with -9 wherever it is, with its runs or without them, `compare` started again ends as an undisturbed one.

By default its runs are made up and take no time, and no page is drawn. With --nightly all is the real command.
"""

from __future__ import annotations

import csv
import random
import time
from pathlib import Path
from typing import Any

import pytest
from fake_runs import FakeProgram
from forked import Command, Program, at_work_in
from test_killed import outcome

from recbole_dtlns.comparison import report
from recbole_dtlns.comparison.run import execute
from recbole_dtlns.files.run_folder import RESULT

WORDS = [
    *("compare", "--datasets=toy", "--models=BPR", "--samplers=dns,mixgcf+pos", "--judges=rule", "--seeds=2"),
    *("--trials=2", "--data_path=data", "--epochs=2", "--embedding_size=8", "--train_batch_size=64"),
    *("--tree_leaf_size=4", "--checkpoint_seconds=0", "--jobs=2"),
]


def compared(folder: Path) -> dict[str, Any]:
    """What a comparison has written, without times: its summary, its choices, and the outcome of every run."""
    with (folder / "summary.csv").open(encoding="utf-8", newline="") as file:
        rows = [{key: text for key, text in row.items() if "seconds" not in key} for row in csv.DictReader(file)]
    texts = [folder / "failed.json", *sorted(folder.rglob("chosen.json"))]
    runs = {str(path.parent.relative_to(folder)): outcome(path.parent) for path in folder.rglob(RESULT)}
    return {"summary": rows, "runs": runs, **{str(path.relative_to(folder)): path.read_text() for path in texts}}


def wait_for_runs_left_behind(home: Path) -> None:
    """A run that outlives its comparison ends by itself; until then it holds the folder."""
    until = time.monotonic() + 300
    while at_work_in(home):
        assert time.monotonic() < until, "a run of a killed comparison does not end"
        time.sleep(0.01)


def test_killed_comparisons_end_as_undisturbed_ones(toy: Path, nightly: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    program, kills = (Command, 60) if nightly else (Program, 3)
    if not nightly:
        monkeypatch.setattr(execute, "command", FakeProgram())
        monkeypatch.setattr(report, "write_report", lambda _, folder: folder / "report.html")
    began = time.monotonic()
    assert program([*WORDS, "--run_dir=whole", "--cache_dir=cache-whole"], toy / "whole.txt").wait() == 0
    longest, expected = time.monotonic() - began, compared(Path("whole"))
    assert len(expected["runs"]) == len(expected["summary"]) == 8
    assert {row["status"] for row in expected["summary"]} == {"done"}
    rng, done, number = random.Random("compare"), 0, 0
    while done < kills:
        number += 1
        folder, output = Path(f"run-{number}"), toy / f"said-{number}.txt"
        words = [*WORDS, f"--run_dir={folder}", f"--cache_dir=cache-{number}"]
        while done < kills and program(words, output).kill(rng.uniform(0, longest), with_children=rng.random() < 0.5):
            done += 1
            wait_for_runs_left_behind(toy)
            if rng.random() < 0.5 and (folder / "plan.yaml").is_file():
                words = ["compare", f"--run_dir={folder}", "--jobs=2"]  # the folder alone is enough
        assert program(words, output).wait() == 0, output.read_text()
        assert "Traceback" not in output.read_text()
        assert compared(folder) == expected
        assert not at_work_in(toy)
        assert not [*folder.rglob("*.partial*"), *folder.rglob("*.lock")]
