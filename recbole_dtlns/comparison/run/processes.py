"""One comparison a folder, and an orderly end on any signal."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from recbole_dtlns.errors import UserError

LOCK = "compare.lock"


@contextmanager
def only_one(folder: Path) -> Iterator[int]:
    """Hold the folder of a comparison; gives the descriptor of its lock.

    Processes that inherit the descriptor hold the folder too: if the comparison is killed outright, it cannot be
    started again while its runs are still at work.

    Raises:
        UserError: another comparison, or a run of one, is at work in the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(
                f"Another compare, or a run that one has left behind, is at work in {folder}. Wait for it, or choose "
                "another run_dir."
            ) from None
        yield lock
    finally:
        os.close(lock)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block as Ctrl-C does, and Ctrl-C also where a shell has switched it off.

    Where SIGHUP is ignored it stays so: under nohup the end of the terminal is not the end of the comparison.
    """
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, _interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
