"""A flipped bit in any file that we write gives the right result or an error of ours, never another result."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cut_off import cut_off_in_epoch
from test_killed import SHARED, TRAINING, outcome
from toy import toy_split, write_pairs

from recbole_dtlns.cli import main
from recbole_dtlns.comparison.run.records import read_comparison
from recbole_dtlns.errors import UserError
from recbole_dtlns.evaluation.loading import load_run
from recbole_dtlns.files.saved_state import read_state
from recbole_dtlns.training.resume import RESUME


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run `whole`, one that was cut off, `cut`, and their caches."""
    home = tmp_path_factory.mktemp("made")
    write_pairs(home / "data" / "toy", toy_split())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        assert main([*TRAINING, "--run_dir=whole", "--cache_dir=cache"]) == 0
        cut_off_in_epoch(patch, 2)
        assert main([*TRAINING, "--run_dir=cut", "--cache_dir=cache"]) == 130
        assert (home / "cut" / RESUME).is_file()
    return home


@pytest.fixture
def copy(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of its own with all that `made` holds."""
    shutil.copytree(made, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"


def flips(path: Path, number: int) -> Iterator[tuple[int, int]]:
    """Flip a bit, one after the other; yields its place. The file is whole again afterwards."""
    whole, rng = path.read_bytes(), random.Random(path.name)
    for _ in range(number):
        place, bit = rng.randrange(len(whole)), rng.randrange(8)
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
        yield place, bit
    path.write_bytes(whole)


def same_or_refused(read: Callable[[], Any], expected: Any) -> bool:
    """Whether reading gives what is expected (true) or our own error; an error of another kind is not caught."""
    try:
        return bool(read() == expected)
    except UserError:
        return True


@pytest.mark.parametrize("path", ["whole/checkpoint.pth", "cut/resume.pth"])
def test_no_flip_in_a_saved_state_is_read(copy: Path, path: str, nightly: bool) -> None:
    for place in flips(copy / path, 20000 if nightly else 150):
        with pytest.raises(UserError, match=r"checksum|cannot be read"):
            pytest.fail(f"read with a flip at {place}: {type(read_state(copy / path))}")


def test_a_flipped_checkpoint_or_state_ends_the_command(copy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for path, words in (
        ("whole/checkpoint.pth", ["recommend", "whole"]),
        ("cut/resume.pth", [*TRAINING, "--run_dir=cut", "--cache_dir=cache"]),
    ):
        for _ in flips(copy / path, 1):
            assert main(words) == 2
            assert f"{path} is damaged" in capfd.readouterr().err


@pytest.mark.parametrize("name", ["result.json", "epochs.csv", "hardness.csv", "per_user.npz", "checksums.json"])
def test_no_flip_in_a_file_of_a_run_reaches_a_report(copy: Path, name: str, nightly: bool) -> None:
    def read() -> str:
        record = read_comparison(copy / "whole").runs[0]
        users, values = record.per_user() or ((), {})
        return repr((record.result, record.epochs(), record.hardness(), [*users], {k: [*v] for k, v in values.items()}))

    expected = read()
    for place in flips(copy / "whole" / name, 5000 if nightly else 40):
        assert same_or_refused(read, expected), (name, place)


def test_no_flip_in_inferred_positives_reaches_a_loaded_run(copy: Path) -> None:
    for _ in flips(copy / "whole" / "inferred_positives.tsv", 2):
        with pytest.raises(UserError, match=r"inferred_positives\.tsv is damaged"):
            load_run(copy / "whole")


def test_a_flip_in_the_configuration_of_a_run_that_goes_on_is_harmless_or_refused(copy: Path, nightly: bool) -> None:
    kept = copy / "kept"
    shutil.copytree(copy / "cut", kept)
    for place in flips(kept / "config.yaml", 200 if nightly else 3):
        shutil.rmtree(copy / "cut")
        shutil.copytree(kept, copy / "cut")
        status = main([*TRAINING, "--run_dir=cut", "--cache_dir=cache"])
        assert status == 2 or (status == 0 and outcome(copy / "cut") == outcome(copy / "whole")), place


def test_flips_in_the_cache_change_no_result(copy: Path, nightly: bool) -> None:
    expected = (copy / "whole" / "inferred_positives.tsv").read_bytes()
    files = sorted(path for path in (copy / "cache").rglob("*") if path.is_file() and path.stat().st_size)
    assert {path.suffix for path in files} >= {".npz", ".json", ".inter", ".sqlite"}
    kinds = {path.name.partition("-")[0] + path.suffix: path for path in files}
    for number, path in enumerate(kinds.values()):
        for place in flips(path, 30 if nightly else 1):
            run = f"run-{number}-{place[0]}-{place[1]}"
            status = main(["identify", *SHARED, "--judge=rule", f"--run_dir={run}", "--cache_dir=cache"])
            inferred = copy / run / "inferred_positives.tsv"
            assert status == 2 or (status == 0 and inferred.read_bytes() == expected), (path, place)


def test_two_flips_that_hide_the_checksum_do_not_help(copy: Path) -> None:
    """A state without our checksum is refused as one of an earlier version."""
    path = copy / "whole" / "checkpoint.pth"
    whole = bytearray(path.read_bytes())
    whole[whole.rindex(b"dtlns-sha256")] ^= 1
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)
    with pytest.raises(UserError, match="has no checksum"):
        read_state(path)
