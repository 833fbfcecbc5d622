"""Full and forbidden disks: one line with path, reason and what to do, exit 2, and nothing computed is lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from forked import Program
from test_killed import SHARED, TRAINING, outcome

from recbole_dtlns.cli import main
from recbole_dtlns.files.partial import clear_partials, partial_path


def line_of(capfd: pytest.CaptureFixture[str]) -> str:
    """The one line that the program ends with."""
    text = capfd.readouterr().err
    assert "Traceback" not in text
    (line,) = [line for line in text.splitlines() if line.startswith("recbole-dtlns: ")]
    return line


@pytest.fixture
def trained(toy: Path) -> Path:
    """A working directory with a finished run in `run` and an empty file `taken`."""
    assert main([*TRAINING, "--run_dir=run", "--cache_dir=cache"]) == 0
    Path("taken").touch()
    return toy


LONG = "n" * 300
WRONG_PATHS = {
    "a run below a file": ([*TRAINING, "--run_dir=taken/run", "--cache_dir=cache"], "taken/run: Not a directory"),
    "a cache below a file": (["identify", *SHARED, "--judge=rule", "--cache_dir=taken/x"], "taken/x/"),
    "a run with a long name": ([*TRAINING, f"--run_dir={LONG}"], "File name too long. Choose a shorter name."),
    "a report below a file": (["report", "run", "--out=taken/x"], "Not a directory"),
    "a report over a file": (["report", "run", "--out=taken"], "taken is a file"),
    "lists into a folder": (["recommend", "run", "--output=cache"], "cache is a folder"),
    "lists below a file": (["recommend", "run", "--output=taken/x"], "there is no folder"),
    "lists onto a full device": (["recommend", "run", "--output=/dev/full"], "/dev/full: No space left on device"),
    "conversion below a file": (["convert", "data/toy", "taken"], "Not a directory"),
    "a comparison below a file": (["compare", "--datasets=toy", "--data_path=data", "--run_dir=taken/x"], "taken/x"),
    "a model that is a folder": (["recommend", "broken"], "broken holds no checkpoint.pth"),
    "a log that is a folder": ([*TRAINING, "--run_dir=logged", "--cache_dir=cache"], "run.log: Is a directory"),
}


def test_wrong_paths_are_one_line(trained: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for folder in ("broken/checkpoint.pth", "logged/run.log"):
        Path(folder).mkdir(parents=True)
    capfd.readouterr()
    for name, (words, expected) in WRONG_PATHS.items():
        assert main(list(words)) == 2, name
        assert expected in line_of(capfd), name


def test_lists_are_written_aside_and_wrong_input_leaves_the_old_file(
    trained: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lists, link = Path("lists.tsv"), Path("link.tsv")
    old = "user\titem\trank\tscore\nold\n"
    lists.write_text(old)
    link.symlink_to(lists)
    left = Path("lists.tsv.old-machine.1.partial")  # of a process that was killed long ago
    left.touch()
    os.utime(left, (0, 0))
    for words in (["--users=nobody"], ["--topk=0"], ["--topk=²"]):
        assert main(["recommend", "run", f"--output={lists}", *words]) == 2
        assert lists.read_text() == old
    assert main(["recommend", "run", f"--output={link}", "--topk=3"]) == 0
    assert link.is_symlink()
    assert len(lists.read_text().splitlines()) == 1 + 60 * 3
    assert not left.exists()
    for name in ("result.json", "checkpoint.pth"):
        before = Path("run", name).read_bytes()
        assert main(["recommend", "run", f"--output=run/{name}", "--topk=3"]) == 2
        assert "is there already and holds no lists" in capfd.readouterr().err
        assert Path("run", name).read_bytes() == before


@pytest.mark.parametrize("room", [3000, 8000])
def test_a_full_disk_ends_a_run_with_one_line_and_the_same_command_goes_on(toy: Path, room: int) -> None:
    """No file may become larger than `room` bytes; the checkpoint has some 20,000."""
    words, output = [*TRAINING, "--run_dir=run", "--cache_dir=cache"], toy / "said.txt"
    assert Program(words, output, largest_file=room).wait() == 2
    assert "Traceback" not in output.read_text()
    (line,) = [line for line in output.read_text().splitlines() if line.startswith("recbole-dtlns: ")]
    assert line.endswith("see `ulimit -f`.")
    assert Program(words, output).wait() == 0, output.read_text()
    assert main([*TRAINING, "--run_dir=whole", "--cache_dir=other"]) == 0
    assert outcome(Path("run")) == outcome(Path("whole"))
    assert not [*toy.rglob("*.partial*")]


def test_training_goes_on_where_its_state_cannot_be_saved(trained: Path) -> None:
    """The state is only for runs that are cut off, so a run does not end for want of it."""
    words, output = [word.replace("embedding_size=8", "embedding_size=64") for word in TRAINING], trained / "said.txt"
    assert main([*words, "--run_dir=wide", "--cache_dir=cache"]) == 0
    room = (trained / "wide" / "checkpoint.pth").stat().st_size + 2000  # the state is larger: it has random states
    assert Program([*words, "--run_dir=again", "--cache_dir=cache"], output, largest_file=room).wait() == 0
    assert "resume.pth cannot be written (File too large). Training goes on" in output.read_text()
    assert outcome(Path("again")) == outcome(Path("wide"))


def test_only_files_of_processes_that_are_no_more_are_cleared(tmp_path: Path) -> None:
    mine = partial_path(tmp_path / "a.npz", ".npz")
    dead = mine.with_name(mine.name.replace(f".{os.getpid()}.", ".999999999."))
    elsewhere, other = tmp_path / "c.tsv.another-machine.999999999.partial", tmp_path / "a.partial.txt"
    of_the_user = tmp_path / "film.partial"
    for path in (mine, dead, elsewhere, other, of_the_user):
        path.touch()
    dead.with_name(dead.name.removesuffix(".npz")).mkdir()
    clear_partials(tmp_path, tmp_path / "absent")
    assert sorted(tmp_path.iterdir()) == sorted([mine, elsewhere, other, of_the_user])
    for path in (elsewhere, of_the_user):
        os.utime(path, (0, 0))
    clear_partials(tmp_path)
    assert not elsewhere.exists()
    assert of_the_user.exists()  # its name is none of ours, however old it is
    clear_partials(tmp_path, owned=True)
    assert list(tmp_path.iterdir()) == [other]


def test_a_reader_that_has_enough_is_no_fault(trained: Path) -> None:
    output = trained / "said.txt"
    assert Program(["recommend", "run", "--topk=40"], output, unread=True).wait() == 0
    assert output.read_text() == ""


def test_a_tiny_disk(toy: Path, nightly: bool) -> None:
    """A real file system without room, where this user may make one."""
    if not nightly or shutil.which("unshare") is None:
        pytest.skip("nightly, where unshare is allowed")
    mount = "mount -t tmpfs -o size={size}k tmpfs disk && exec {python} -m recbole_dtlns {words}"
    Path("disk").mkdir()
    for size in (4, 40, 200):
        words = " ".join([*TRAINING, "--run_dir=disk/run", "--cache_dir=cache"])
        script = mount.format(size=size, python=sys.executable, words=words)
        done = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, check=False)
        if "Operation not permitted" in done.stderr:
            pytest.skip("file systems cannot be made here")
        assert "Traceback" not in done.stderr
        assert done.returncode in (0, 2), done.stderr
        assert done.returncode == 0 or "No space left on device" in done.stderr
