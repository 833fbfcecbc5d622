"""A folder has one owner at a time: a lock that dies with the process that holds it."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recbole_dtlns.errors import UserError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)

RUN_LOCK = "run.lock"


@contextmanager
def only_one(folder: Path, lock_name: str, who: str) -> Iterator[int]:
    """Own a folder, made where it is missing; gives the descriptor of its lock.

    Processes that inherit the descriptor own the folder too, so that it stays theirs if their parent is killed. The
    lock file is removed at the end, but on Windows, which removes no open file. Where the file system has no locks, a
    warning says so.

    Args:
        folder: to own.
        lock_name: of the lock file in it.
        who: the others that may be at work there, for the message.

    Raises:
        UserError: another process owns the folder.
        OSError: the folder cannot be made or written.
    """
    path = folder / lock_name
    lock = _locked(path, who)
    try:
        yield lock
    finally:
        if _is_of(lock, path):  # while it is still ours: who opens it now finds it gone and makes a new one
            with contextlib.suppress(OSError):
                path.unlink()
        os.close(lock)


def _locked(path: Path, who: str) -> int:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(lock)
        except BlockingIOError:
            os.close(lock)
            raise UserError(f"{who} is at work in {path.parent}. Wait for it, or choose another run_dir.") from None
        except OSError as error:
            logger.warning(
                "%s cannot be locked (%s): see to it that no other command writes into this folder meanwhile.",
                *(path, error.strerror),
            )
            return lock
        if _is_of(lock, path):
            return lock
        os.close(lock)  # its last owner has just removed the file


def _lock(file: int) -> None:
    """Lock an open file until it is closed or its process ends; BlockingIOError where another process has it."""
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    import msvcrt

    try:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
    except PermissionError as error:
        raise BlockingIOError(*error.args) from error


def _is_of(lock: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(lock), path.stat())
    except OSError:
        return False
