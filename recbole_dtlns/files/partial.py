"""Files that are being written: their names, and what a process that was killed has left of them."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shutil
import time
from pathlib import Path

import psutil

_NODE = re.sub(r"\W+", "-", platform.node())[:40] or "node"
_NAME = re.compile(r"^.+\.(?P<node>[\w-]+)\.(?P<pid>\d+)\.partial(?:\.npz)?$")
_OLD_SECONDS = 86400.0


def partial_path(path: Path, ending: str = "") -> Path:
    """Where this process writes a file or folder before it gets its name: `NAME.MACHINE.PROCESS.partial`."""
    return path.with_name(f"{path.name[:150]}.{_NODE}.{os.getpid()}.partial{ending}")


def clear_partials(*folders: Path, owned: bool = False) -> None:
    """Remove what processes that are no more were writing in these folders; one that is not there has none.

    Args:
        folders: to look at, without the folders in them.
        owned: nobody else writes there, so that all of it is left over. Otherwise what a process of another machine
            writes goes when it is a day old.
    """
    for folder in folders:
        for path in folder.glob("*.partial*") if folder.is_dir() else ():
            if path.name.endswith((".partial", ".partial.npz")) and (owned or _is_left_over(path)):
                with contextlib.suppress(OSError):
                    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _is_left_over(path: Path) -> bool:
    match = _NAME.match(path.name)
    if match is None:  # no file of ours
        return False
    if match["node"] == _NODE and not _is_alive(int(match["pid"])):
        return True
    try:
        return time.time() - path.lstat().st_mtime > _OLD_SECONDS
    except OSError:
        return False


def _is_alive(pid: int) -> bool:
    try:
        return psutil.pid_exists(pid)
    except OverflowError:  # no process has such a number, so that no process of ours has written the file
        return True
