"""Two commands on one folder: the second is told to wait, and nothing of the first is touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from forked import Program

from recbole_dtlns.cli import main
from recbole_dtlns.files.owner import RUN_LOCK, only_one
from recbole_dtlns.files.run_folder import CONFIG, read_result

SHARED = ("--dataset=toy", "--data_path=data", "--run_dir=run", "--tree_leaf_size=4", "--judge=rule")
LONG = (*SHARED, "--model=BPR", "--epochs=100000", "--stopping_step=100000", "--seed=1")


@pytest.mark.parametrize("second", [(*SHARED, "--model=BPR", "--epochs=1", "--seed=2"), ("identify", *SHARED)])
def test_a_run_folder_has_one_owner(second: tuple[str, ...], toy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    first = Program(LONG, toy / "first.txt")
    try:
        first.wait_for(Path("run") / "epochs.csv")
        before = (Path("run") / CONFIG).read_bytes()
        assert main(list(second)) == 2
        assert "Another run is at work in run. Wait for it, or choose another run_dir." in capfd.readouterr().err
        assert (Path("run") / CONFIG).read_bytes() == before
    finally:
        first.kill(0)


def test_a_lock_dies_with_its_holder_and_leaves_no_file(toy: Path) -> None:
    first = Program(LONG, toy / "first.txt")
    first.wait_for(Path("run") / CONFIG)
    assert first.kill(0)
    assert (Path("run") / RUN_LOCK).is_file()
    assert main(["identify", *SHARED]) == 0
    assert read_result(Path("run"))["model"] is None
    assert not (Path("run") / RUN_LOCK).exists()


def test_the_lock_of_a_run_that_was_killed_behind_its_result_goes(toy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["identify", *SHARED]) == 0
    (Path("run") / RUN_LOCK).touch()
    assert main(["identify", *SHARED]) == 2
    assert "already holds a finished run" in capfd.readouterr().err
    assert not (Path("run") / RUN_LOCK).exists()


def test_who_opened_a_lock_that_was_then_removed_does_not_own_the_folder(toy: Path) -> None:
    """Between opening and locking, the owner may have ended and removed the file that was opened."""
    with only_one(toy / "run", RUN_LOCK, "Another run") as lock:
        (toy / "run" / RUN_LOCK).unlink()
        with only_one(toy / "run", RUN_LOCK, "Another run") as new:
            assert not os.path.sameopenfile(lock, new)
        assert not (toy / "run" / RUN_LOCK).exists()


def test_one_cache_serves_two_at_once(toy: Path) -> None:
    words = ("identify", "--dataset=toy", "--data_path=data", "--cache_dir=cache", "--tree_leaf_size=4", "--judge=rule")
    both = [Program([*words, f"--run_dir=run-{n}"], toy / f"said-{n}.txt") for n in range(2)]
    assert [program.wait() for program in both] == [0, 0], (toy / "said-0.txt").read_text()
    files = [(Path(f"run-{n}") / "inferred_positives.tsv").read_bytes() for n in range(2)]
    assert files[0] == files[1]
