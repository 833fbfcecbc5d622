"""The small part of Ray that the package uses, in this process: a worker is an object, and its calls are threads."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any


class RayError(Exception):
    """Ray's base class of errors."""


class RayActorError(RayError):
    """A worker is no more."""


class OutOfMemoryError(RayError):
    """Ray has ended a worker for want of memory. Ray derives it from RayError alone."""


class RayTaskError(RayError):
    """The code of a worker has failed."""


class Worker:
    """A handle of a worker."""

    def __init__(self, made: Any) -> None:
        self._made, self.dead, self._pending = made, False, list[Future[Any]]()

    def __getattr__(self, name: str) -> Any:
        return SimpleNamespace(remote=lambda *arguments: self._call(name, arguments))

    def _call(self, name: str, arguments: tuple[Any, ...]) -> Future[Any]:
        answer: Future[Any] = Future()
        self._pending.append(answer)
        if self.dead:
            answer.set_exception(RayActorError("the worker is dead"))
        elif self._made is not None:  # else it waits for a machine
            threading.Thread(target=self._work, args=(answer, name, arguments), daemon=True).start()
        return answer

    def _work(self, answer: Future[Any], name: str, arguments: tuple[Any, ...]) -> None:
        try:
            value, error = getattr(self._made, name)(*arguments), None
        except Exception as raised:
            value, error = None, raised
        if not answer.done():
            answer.set_exception(error) if error else answer.set_result(value)

    def die(self, error: RayError | None = None) -> None:
        """End as a worker that is killed: the pipe to what it has started closes."""
        self.dead = True
        for answer in self._pending:
            if not answer.done():
                answer.set_exception(error or RayActorError("the worker is dead"))
        attendant = getattr(self._made, "_attendant", None)
        if attendant is not None:
            attendant.stdin.close()
            attendant.wait()


class FakeRay(ModuleType):
    """The module `ray`.

    Args:
        nodes: resources of each machine.
        full: no machine has room, so that commands wait.
        gpus: numbers of the GPUs that a worker is given.
        refuse: error of `init`.
    """

    def __init__(
        self,
        nodes: tuple[dict[str, float], ...] = ({"CPU": 2},),
        full: bool = False,
        gpus: tuple[str, ...] = (),
        refuse: Exception | None = None,
    ) -> None:
        super().__init__("ray")
        self.__spec__ = ModuleSpec("ray", None)
        self._nodes, self._full, self._gpus, self._refuse = nodes, full, gpus, refuse
        self.exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)
        self.cloudpickle = SimpleNamespace(register_pickle_by_value=lambda module: None)
        self.workers: list[Worker] = []
        self.asked: list[dict[str, Any]] = []
        self.joined: list[str] = []

    def init(self, address: str, **_: Any) -> None:
        if self._refuse is not None:
            raise self._refuse
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # Ray sets a handler of its own
        self.joined.append(address)

    def shutdown(self) -> None:
        self.joined.append("left")

    def nodes(self) -> list[dict[str, Any]]:
        return [
            {"Alive": True, "NodeManagerAddress": f"10.0.0.{number}", "Resources": found}
            for number, found in enumerate(self._nodes, start=1)
        ]

    def remote(self, kind: type) -> Any:
        def made(*arguments: Any) -> Worker:
            looks = kind.__name__ == "MachineCheck"
            worker = Worker(None if self._full and not looks else kind(*arguments))
            if not looks:
                self.workers.append(worker)
            return worker

        def options(**taken: Any) -> Any:
            self.asked.append(taken)
            return SimpleNamespace(remote=made)

        return SimpleNamespace(options=options)

    def get(self, answer: Future[Any], timeout: float | None = None) -> Any:
        return answer.result(timeout)

    def kill(self, worker: Worker) -> None:
        worker.die()

    def get_runtime_context(self) -> Any:
        return SimpleNamespace(get_accelerator_ids=lambda: {"GPU": list(self._gpus)})


def once_there(path: Path, act: Callable[[], None]) -> None:
    """Do something as soon as a file is there."""

    def waiting() -> None:
        while not path.exists():
            time.sleep(0.01)
        act()

    threading.Thread(target=waiting, daemon=True).start()
