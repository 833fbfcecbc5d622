"""Killed with -9 wherever it is, a command that is repeated ends with the result of an undisturbed one."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest
from forked import Command, Program

from recbole_dtlns.cli import main
from recbole_dtlns.files.run_folder import INFERRED, read_result

SHARED = ("--dataset=toy", "--data_path=data", "--tree_leaf_size=4", "--checkpoint_seconds=0")
TRAINING = (*SHARED, "--model=BPR", "--embedding_size=8", "--epochs=3", "--judge=rule", "--train_batch_size=100")
COMMANDS = {"train": TRAINING, "identify": ("identify", *SHARED, "--judge=rule")}


def outcome(folder: Path) -> dict[str, Any]:
    """What a run gives, without times and machine."""
    result, inferred = read_result(folder), folder / INFERRED
    kept = ("test_result", "best_valid_result", "best_epoch", "data", "identification", "overlap")
    return {**{key: result[key] for key in kept}, "inferred": inferred.read_bytes() if inferred.is_file() else None}


@pytest.mark.parametrize("name", COMMANDS)
def test_killed_runs_end_as_undisturbed_ones(name: str, toy: Path, nightly: bool) -> None:
    words, kills = COMMANDS[name], 100 if nightly else 10
    program = Command if nightly else Program
    assert main([*words, "--run_dir=whole", "--cache_dir=cache-whole"]) == 0
    began = time.monotonic()
    assert program([*words, "--run_dir=again", "--cache_dir=cache-again"], toy / "again.txt").wait() == 0
    longest, expected = time.monotonic() - began, outcome(Path("whole"))
    assert outcome(Path("again")) == expected
    rng, done, number = random.Random(name), 0, 0
    while done < kills:
        number += 1
        repeated = [*words, f"--run_dir=run-{number}", f"--cache_dir=cache-{number}"]
        output = toy / f"said-{number}.txt"
        while program(repeated, output).kill(rng.uniform(0, longest)):
            done += 1
            if done >= kills:
                has_ended = Path(f"run-{number}", "result.json").exists()  # then the kill came after the last write
                assert has_ended or program(repeated, output).wait() == 0, output.read_text()
                break
        assert "Traceback" not in output.read_text()
        assert outcome(Path(f"run-{number}")) == expected
        assert not [*toy.rglob("*.partial*"), *toy.rglob("*.lock")]  # the last run has cleaned up
