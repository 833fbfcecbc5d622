"""The program in a process of its own that begins at once: a copy of this one, so that nothing is imported again."""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import psutil

from recbole_dtlns.cli import main


class Program:
    """A command at work in a copy of this process.

    Args:
        words: of the command.
        output: file for all that it says.
        largest_file: bytes after which it cannot write further, as on a full disk.
        unread: nobody reads its standard output.
    """

    def __init__(
        self, words: Sequence[str], output: Path, largest_file: int | None = None, unread: bool = False
    ) -> None:
        self.pid = os.fork()
        if self.pid == 0:
            self._be(list(words), output, largest_file, unread)
        self.status: int | None = None

    def _be(self, words: list[str], output: Path, largest_file: int | None, unread: bool) -> None:
        status = 99
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for name in (None, "recbole_dtlns"):  # pytest's, and those of a comparison
                logging.getLogger(name).handlers.clear()
            sys.stdout = sys.stderr = file = output.open("w", buffering=1, encoding="utf-8")
            os.dup2(file.fileno(), 2)  # for processes that it starts
            if unread:
                end, start = os.pipe()
                os.close(end)
                sys.stdout = open(start, "w", encoding="utf-8")  # noqa: SIM115
            if largest_file is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
            status = main(words)
            sys.stdout.flush()
        finally:
            os._exit(status)

    def kill(self, after: float, with_children: bool = False) -> bool:
        """Kill it with -9 after some seconds, and what it has started with it; false where it has ended before."""
        until = time.monotonic() + after
        while time.monotonic() < until:
            if self._ended():
                return False
            time.sleep(0.002)
        started = psutil.Process(self.pid).children(recursive=True) if with_children else []
        for pid in (self.pid, *(child.pid for child in started)):
            with contextlib.suppress(ProcessLookupError):  # a child that has just ended
                os.kill(pid, signal.SIGKILL)
        return self.wait() == -signal.SIGKILL

    def wait(self) -> int:
        """Its exit status; -9 where it was killed."""
        while not self._ended():
            time.sleep(0.005)
        assert self.status is not None
        return self.status

    def wait_for(self, path: Path, seconds: float = 60) -> None:
        """Wait until it has made a file."""
        until = time.monotonic() + seconds
        while not path.exists():
            assert time.monotonic() < until, f"there is no {path}"
            assert not self._ended(), f"it ended without {path}"
            time.sleep(0.005)

    def _ended(self) -> bool:
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = os.waitstatus_to_exitcode(status) if pid else None
        return self.status is not None


def at_work_in(folder: Path) -> list[int]:
    """Processes whose working directory this is, without this one."""
    processes = psutil.process_iter(["pid", "cwd"])
    return [seen.pid for seen in processes if seen.info["cwd"] == str(folder) and seen.pid != os.getpid()]


class KilledAtWrite(Program):
    """A command that is killed with -9 when it is about to give a file or folder its name for the `number`th time."""

    def __init__(self, words: Sequence[str], output: Path, number: int) -> None:
        self._left = number
        super().__init__(words, output)

    def _be(self, *arguments: Any) -> None:
        for name in ("replace", "rename"):
            setattr(Path, name, self._counting(getattr(Path, name)))
        super()._be(*arguments)

    def _counting(self, stock: Callable[..., Path]) -> Callable[..., Path]:
        def counting(path: Path, target: Path) -> Path:
            self._left -= 1
            if self._left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return stock(path, target)

        return counting


class ForkedRun(Program):
    """Stands in for the `subprocess.Popen` of a run of a comparison: the same words in a copy of this process."""

    def __init__(self, words: Sequence[str], stdout: IO[bytes], env: dict[str, str], **_: object) -> None:
        self._env = env
        super().__init__(words[words.index("recbole_dtlns") + 1 :], Path(stdout.name))

    def _be(self, words: list[str], *rest: Any) -> None:
        os.setsid()
        os.environ.update(self._env)
        super()._be(words, *rest)

    def send_signal(self, number: int) -> None:
        """As `subprocess.Popen` does."""
        os.kill(self.pid, number)


class Command(Program):
    """The real command, which imports everything anew."""

    def __init__(self, words: Sequence[str], output: Path) -> None:
        with output.open("wb") as file:
            self._child = subprocess.Popen([sys.executable, "-m", "recbole_dtlns", *words], stdout=file, stderr=file)
        self.pid, self.status = self._child.pid, None
