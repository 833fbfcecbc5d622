"""What Linux has and Windows lacks is not needed to import the package; the lock of a folder has a branch for it."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch

from recbole_dtlns.errors import UserError
from recbole_dtlns.files import machine, owner

# Other packages are imported with everything there; then ours again, without what only a POSIX system has.
WITHOUT_POSIX = """
import os, signal, sys
import recbole_dtlns.quick_start, recbole_dtlns.commands.compare
for name in [name for name in sys.modules if name.partition(".")[0] == "recbole_dtlns"]:
    del sys.modules[name]
for name in ("resource", "fcntl", "pwd", "grp", "termios", "pty", "tty"):
    sys.modules[name] = None
for name in ("sysconf", "sched_getaffinity", "getuid", "geteuid", "fork", "killpg", "uname", "getloadavg"):
    delattr(os, name)
del signal.SIGHUP, signal.SIGKILL
import recbole_dtlns.quick_start, recbole_dtlns.commands.compare
"""


def test_training_and_compare_can_be_imported_without_posix() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_POSIX], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_folder_has_one_owner_where_msvcrt_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not run on Windows: the calls are those of the documentation of msvcrt."""
    taken: list[int] = []

    def locking(file: int, mode: int, size: int) -> None:
        assert (mode, size) == (2, 1)
        if taken:
            raise PermissionError(13, "Permission denied")
        taken.append(file)

    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(locking=locking, LK_NBLCK=2))
    monkeypatch.setattr(owner, "fcntl", None)
    with owner.only_one(tmp_path, "run.lock", "Another run") as lock:
        assert taken == [lock]
        with (
            pytest.raises(UserError, match="Another run is at work"),
            owner.only_one(tmp_path, "run.lock", "Another run"),
        ):
            pass


def test_memory_and_cores_are_told_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    with_proc, resident = machine.peak_memory_mb(), psutil.Process().memory_info().rss / 2**20
    assert with_proc >= 0.99 * resident
    monkeypatch.setattr(machine, "Path", lambda name: Path("no such folder"))
    assert machine.peak_memory_mb() == pytest.approx(resident, rel=0.1)
    monkeypatch.delattr(psutil.Process, "cpu_affinity", raising=False)
    assert machine.usable_cores() == psutil.cpu_count()
    assert machine.machine(torch.device("cpu"))["memory_gb"] > 0.5
