"""Start the processes of a run on this machine, watch them, and hand back what rank 0 returns."""

from __future__ import annotations

import datetime
import logging
import os
import pickle
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from recbole_dtlns.errors import UserError
from recbole_dtlns.processes.group import Meeting, taking_part, this_rank

_STOCK_PORT = 5678  # RecBole's
_INTERRUPTED = 130
_SECONDS_TO_END = 30  # rank 0 may be writing what it has
_REACH = datetime.timedelta(seconds=20)  # this machine itself, under the address that the user gave
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


class ProcessEnded(RuntimeError):
    """A process of a run ended early; the message says which, and how."""


@dataclass(frozen=True)
class Processes:
    """The processes of a run, from RecBole's keys.

    Attributes:
        here: on this machine (`nproc`).
        size: on all machines (`world_size`).
        offset: rank of the first one here (`group_offset`).
        ip, port: of the machine of rank 0; port None: a free one, on several machines RecBole's 5678.
    """

    here: int
    size: int
    offset: int
    ip: str
    port: int | None


def run_in_processes(processes: Processes, work: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Call `work(*arguments)` in every process of a run, and return what the first process here returns.

    Args:
        processes: how many, and where they meet.
        work: a function of a module; each process finds its rank with `this_rank`.
        arguments: picklable.

    Raises:
        UserError: the port is taken, or `work` raised one.
        ProcessEnded: a process was killed.
        Exception: what `work` raised first, on whichever rank; the others are ended.
    """
    with tempfile.TemporaryDirectory(prefix="recbole-dtlns-") as folder, _store(processes) as port:
        meeting = Meeting(processes.ip, port, processes.size, processes.offset, Path(folder))
        with _deaf_to_interrupts():  # else Ctrl-C shows a traceback of each process that still imports its modules
            started = mp.spawn(
                _work, (meeting, processes.here, work, arguments), nprocs=processes.here, join=False
            ).processes
        try:
            failed = _first_to_fail(started)
        except KeyboardInterrupt:
            _interrupt(started, meeting)
            raise
        except BaseException:
            _end(started)
            raise
        if failed is None:
            return _outcome(meeting.scratch / "outcome-0").value
        codes = [process.exitcode for process in started]
        _end(started)
        raise _reason(meeting, failed, codes)


@contextmanager
def _store(processes: Processes) -> Iterator[int]:
    """The port of the store where the processes meet; the program that starts rank 0 holds it."""
    port = processes.port
    if port is None:
        port = 0 if processes.here == processes.size else _STOCK_PORT
    if processes.offset:
        yield port
        return
    try:
        store = dist.TCPStore(processes.ip, port, is_master=True, wait_for_workers=False, timeout=_REACH)
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"ip={processes.ip}, port={port}: the processes of the run cannot meet there "
            f"({str(error).splitlines()[0][:200]}). Give the address of this machine, and a free port."
        ) from error
    yield store.port


def _first_to_fail(processes: Sequence[Any]) -> int | None:
    """Wait until all processes have ended well, or one has not: its number."""
    running = {process.sentinel: number for number, process in enumerate(processes)}
    while running:
        ended = sorted(running.pop(sentinel) for sentinel in connection.wait(list(running)))
        for number in ended:
            processes[number].join()
        bad = [number for number in ended if processes[number].exitcode != 0]
        if bad:  # who was killed comes first: others may have ended because of that
            return min(bad, key=lambda number: processes[number].exitcode)
    return None


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Let processes that start in the block ignore SIGINT until they listen to it themselves (`_work`)."""
    if threading.current_thread() is not threading.main_thread():  # where Python lets no handler be set
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _interrupt(processes: Sequence[Any], meeting: Meeting) -> None:
    """Pass Ctrl-C on to the processes that work; those that do not yet are ended."""
    for local, process in enumerate(processes):
        if process.is_alive() and not _listens(meeting, local).exists():
            process.terminate()
    _end(processes, signal.SIGINT)


def _listens(meeting: Meeting, local: int) -> Path:
    """The file that says that a process of this machine listens to SIGINT."""
    return meeting.scratch / f"listens-{local}"


def _end(processes: Sequence[Any], how: signal.Signals = signal.SIGTERM) -> None:
    """End every process: by a signal, and where that does not help by force."""
    try:
        for process in processes:
            if process.is_alive():
                os.kill(process.pid, how)
        until = time.monotonic() + _SECONDS_TO_END
        for process in processes:
            process.join(max(0.0, until - time.monotonic()))
    finally:
        for process in processes:
            if process.is_alive():
                process.kill()
                process.join()


@dataclass(frozen=True)
class _Outcome:
    """How a process ended: what it returned, or what it raised, with the text of its traceback."""

    value: Any = None
    error: Exception | None = None
    trace: str = ""


def _work(local: int, meeting: Meeting, n_here: int, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """A process of the run; the starting program alone sees Ctrl-C, and tells it."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _listens(meeting, local).touch()
    logging.getLogger().addHandler(logging.NullHandler())  # what is said before the run has a log, the program has said
    _share_threads(n_here)
    path = meeting.scratch / f"outcome-{local}"
    try:
        with taking_part(meeting, local):
            _call(work, arguments, path)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except Exception as error:
        if not path.exists():
            _write(path, _Outcome(None, error, traceback.format_exc()))
        sys.exit(1)


def _call(work: Callable[..., Any], arguments: tuple[Any, ...], path: Path) -> None:
    """Write how the work ended before this process leaves the group, which the others notice."""
    try:
        outcome = _Outcome(work(*arguments))
    except Exception as error:
        if not isinstance(error, UserError):
            _note_in_log(error)
        _write(path, _Outcome(None, error, traceback.format_exc()))
        raise
    _write(path, outcome)


def _share_threads(n_here: int) -> None:
    """Divide the cores among the processes, unless the user has said how many threads each gets."""
    if not any(name in os.environ for name in _THREADS):
        torch.set_num_threads(max(1, torch.get_num_threads() // n_here))


def _note_in_log(error: Exception) -> None:
    """Write what rank 0 raised into `run.log`; the starting program shows it on the console."""
    if not this_rank().is_first:
        return
    message = f"Failed: {type(error).__name__}: {error}"
    record = logging.LogRecord("root", logging.ERROR, __file__, 0, message, None, sys.exc_info())
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler):
            handler.handle(record)


def _write(path: Path, outcome: _Outcome) -> None:
    try:
        content = pickle.dumps(outcome)
        pickle.loads(content)
    except Exception:  # an error of a kind that cannot be pickled
        error = RuntimeError(f"{type(outcome.error).__name__}: {outcome.error}")
        content = pickle.dumps(_Outcome(None, error, outcome.trace))
    part = path.with_suffix(".part")
    part.write_bytes(content)
    part.replace(path)


def _outcome(path: Path) -> _Outcome:
    outcome: _Outcome = pickle.loads(path.read_bytes())  # a process of ours has just written it
    return outcome


def _reason(meeting: Meeting, failed: int, codes: Sequence[int | None]) -> BaseException:
    """What to raise: Ctrl-C, a process that was killed, or what was raised first."""
    if _INTERRUPTED in codes:
        return KeyboardInterrupt()
    code = codes[failed] or 0
    raised = []
    for local in range(len(codes)):
        path = meeting.scratch / f"outcome-{local}"
        outcome = _outcome(path) if path.exists() else _Outcome()
        if outcome.error is not None:
            raised.append((path.stat().st_mtime_ns, local, outcome.error, outcome.trace))
    name = f"Process {meeting.offset + failed} of {meeting.size}"
    if code < 0:
        return ProcessEnded(
            f"{name} was ended by {signal.Signals(-code).name}, so the others were ended too. SIGKILL is often a want "
            "of memory: each process holds the data and the model. The same command with the same run_dir goes on "
            "from the last saved state."
        )
    if not raised:
        return ProcessEnded(
            f"{name} ended with exit status {code} before it began to work (see above). A Python script that trains "
            'with several processes has to do so under `if __name__ == "__main__":`.'
        )
    _, local, error, trace = min(raised, key=lambda entry: entry[:2])
    error.__cause__ = ProcessEnded(f"raised in process {meeting.offset + local} of {meeting.size}:\n{trace}")
    return error
