"""Commands as tasks of a Ray cluster, whose machines share a folder."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recbole_dtlns.engines import remote
from recbole_dtlns.engines.local import own_folder
from recbole_dtlns.engines.ray_cluster import RayOptions, check_machines, joined, slots
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.partial import partial_path
from recbole_dtlns.version import __version__

logger = logging.getLogger(__name__)

_MOST_LOSSES = 5  # workers of one command, after which it is the command that kills them
_PAUSE_SECONDS = 3.0  # the processes of a worker that was killed end meanwhile


class RayEngine:
    """Starts commands on the machines of a cluster; made by `ray_engine`.

    Args:
        ray: the module, connected.
        options: what a command takes.
        place: what every machine must find.

    Attributes:
        slots: commands that the cluster has room for at a time.
    """

    def __init__(self, ray: Any, options: RayOptions, place: remote.Place) -> None:
        self.ray, self._place = ray, place
        self.slots = slots(ray, options)
        taken = {"num_cpus": options.cpus, "num_gpus": options.gpus, "max_concurrency": 2}
        self._worker = ray.remote(remote.RemoteCommand).options(**taken)

    def start(self, words: list[str], output: Path) -> RayChild:
        """Start a command as soon as a machine has room; see `Engine`."""
        return RayChild(self, words[1:], output.absolute())

    def flags(self, cache_dir: Path) -> list[str]:
        """SQLite's log works on one machine alone, so each one keeps verdicts in a file of its own; see `Engine`."""
        return [f"--verdict_store={cache_dir / f'verdicts-{remote.MACHINE}.sqlite'}"]

    def worker(self) -> Any:
        """A worker for one command."""
        return self._worker.remote(self._place)


class RayChild:
    """A command on some machine of a cluster. Where its worker is lost, it is started again, and resumes by itself."""

    def __init__(self, engine: RayEngine, words: list[str], output: Path) -> None:
        self._engine, self._words, self._output = engine, words, output
        self._lock, self._started, self._signal = threading.Lock(), False, 0
        self._worker = engine.worker()

    def wait(self) -> int:
        """Wait for its end, see `Child`.

        Raises:
            UserError: the machine does not see the shared folder, or worker after worker was lost.
        """
        ray, losses = self._engine.ray, 0
        try:
            while True:
                try:
                    return self._run(ray)
                except ray.exceptions.RayTaskError:
                    raise  # of our own code, which goes on nowhere
                except ray.exceptions.RayError as error:  # the worker is lost, for want of memory too
                    losses += 1
                    if not self._goes_on(losses, " ".join(str(error).split())):
                        return -self._signal
        finally:
            ray.kill(self._worker)  # its place is free at once

    def _run(self, ray: Any) -> int:
        machine, problem = ray.get(self._worker.start.remote(self._words, str(self._output)))
        if problem:
            raise UserError(problem)
        logger.debug("%s is at work on %s.", self._output.parent, machine)
        with self._lock:
            self._started = True
            if self._signal:
                self._worker.send_signal.remote(self._signal)
        status: int = ray.get(self._worker.wait.remote())
        _look_anew(self._output.parent)
        return status

    def _goes_on(self, losses: int, reason: str) -> bool:
        """Take another worker in place of a lost one; false where the command was told to end."""
        with self._lock:
            if self._signal:
                return False
        if losses == _MOST_LOSSES:
            raise UserError(
                f"{losses} workers of this command were lost, the last one because: {reason[:400]} Lack of memory is a "
                "common cause: give each command more with --task_cpus, or look at Ray's logs."
            )
        logger.warning("A worker was lost (%s). Its command starts again: %s", reason[:200], self._output.parent)
        time.sleep(_PAUSE_SECONDS)
        with self._lock:
            if self._signal:
                return False
            self._engine.ray.kill(self._worker)  # it may be out of reach and no more
            self._started, self._worker = False, self._engine.worker()
        return True

    def send_signal(self, sig: int) -> None:
        """Send it a signal; where it still waits for a machine, it is not started."""
        with self._lock:
            self._signal = sig
            if self._started:
                self._worker.send_signal.remote(sig)
            else:
                self._engine.ray.kill(self._worker)


def _look_anew(folder: Path) -> None:
    """Have a network drive forget which files were not in a folder a moment ago; NFS remembers for up to a minute.

    What this machine itself changes in the folder makes it look again.
    """
    path = partial_path(folder / "ray.look")
    with contextlib.suppress(OSError):
        path.touch()
        path.unlink()


@contextmanager
def ray_engine(options: RayOptions, folder: Path) -> Iterator[RayEngine]:
    """An engine whose machines all see a folder, checked.

    Args:
        options: which cluster, and what a command takes.
        folder: of the comparison or the run; it takes a marker file inside the block.

    Raises:
        UserError: as `joined`, `slots` and `check_machines`.
    """
    marker, secret = partial_path(folder / "ray.marker").absolute(), secrets.token_hex(16)
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, int(options.cpus)))
    place = remote.Place(os.getcwd(), str(marker), secret, own_folder(), __version__, {"OMP_NUM_THREADS": threads})
    with joined(options) as ray:
        ray.cloudpickle.register_pickle_by_value(remote)
        engine = RayEngine(ray, options, place)
        folder.mkdir(parents=True, exist_ok=True)
        marker.write_text(secret, encoding="utf-8")
        try:
            check_machines(ray, options, place)
            yield engine
        finally:
            with contextlib.suppress(OSError):
                marker.unlink()
