"""Files that are being written: their names, and what a process that was killed has left of them."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shutil
import time
from pathlib import Path

_NODE = re.sub(r"\W+", "-", platform.node())[:40] or "node"
_NAME = re.compile(r"^.+?\.(?:(?P<node>[\w-]+)\.)?(?P<pid>\d+)\.partial(?:\.npz)?$")
_OLD_SECONDS = 86400.0


def partial_path(path: Path, ending: str = "") -> Path:
    """Where this process writes a file or folder before it gets its name: `NAME.MACHINE.PROCESS.partial`."""
    return path.with_name(f"{path.name[:150]}.{_NODE}.{os.getpid()}.partial{ending}")


def clear_partials(*folders: Path) -> None:
    """Remove what processes that are no more were writing in these folders.

    What a process of another machine writes goes when it is a day old. A folder that is not there has none.
    """
    for folder in folders:
        for path in folder.glob("*.partial*") if folder.is_dir() else ():
            if _is_left_over(path):
                with contextlib.suppress(OSError):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()


def _is_left_over(path: Path) -> bool:
    match = _NAME.match(path.name)
    if match is None:
        return False
    if match["node"] in (None, _NODE) and not _is_alive(int(match["pid"])):
        return True
    try:
        return time.time() - path.lstat().st_mtime > _OLD_SECONDS
    except OSError:
        return False


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
