"""What a Ray worker does: run one command of this program on its machine.

Ray is sent this file as code, so that it needs nothing but the standard library: a machine that lacks the package says
so, instead of failing inside Ray.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MACHINE = "{machine}"
"""Stands in the words of a command for the name of the machine that runs it."""


@dataclass(frozen=True)
class Place:
    """What every machine must find as the starting program has it.

    Attributes:
        folder: the working directory.
        marker: a file in a folder that all machines see.
        secret: what stands in it.
        package_folder: where the package lies; None where each machine has it installed.
        version: of the package.
        variables: to add to the environment.
    """

    folder: str
    marker: str
    secret: str
    package_folder: str | None
    version: str
    variables: Mapping[str, str]

    def environment(self) -> dict[str, str]:
        """Environment of commands on this machine."""
        return {**os.environ, **self.variables, **import_path(self.package_folder)}


def import_path(folder: str | None) -> dict[str, str]:
    """The variable that lets a process of this machine import from a folder first; nothing for None."""
    if folder is None:
        return {}
    return {"PYTHONPATH": os.pathsep.join([folder, *filter(None, [os.environ.get("PYTHONPATH")])])}


_QUESTION = """\
import importlib.util, sys, recbole_dtlns
print(recbole_dtlns.__version__)
sys.exit(None if importlib.util.find_spec("torch") else "there is no torch")
"""


def unseen_folder(place: Place) -> str:
    """That this machine does not see the shared folder; empty where it does."""
    try:
        found = Path(place.marker).read_text(encoding="utf-8")
    except OSError as error:
        found = str(error)
    if found == place.secret and Path(place.folder).is_dir():
        return ""
    return (
        f"The machine {socket.gethostname()} does not see {Path(place.marker).parent} and {place.folder} as this one "
        f"does ({found[:200]}). Start the command in a folder that all machines of the cluster see under the same "
        "path, with the data, the cache and run_dir on it."
    )


def problem_of(place: Place) -> str:
    """Why this machine cannot run commands; empty where it can."""
    machine = socket.gethostname()
    unseen = unseen_folder(place)
    if unseen:
        return unseen
    question = [sys.executable, "-c", _QUESTION]
    try:
        asked = subprocess.run(
            question,
            cwd=place.folder,
            env=place.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
    except OSError as error:
        return f"The machine {machine} cannot start {sys.executable}: {error}."
    if asked.returncode:
        reason = (asked.stderr.strip().splitlines() or ["it says nothing"])[-1]
        return (
            f"The machine {machine} cannot import recbole_dtlns with {sys.executable}: {reason[:300]}. Install the "
            "same packages on every machine, or keep one environment in the shared folder and start Ray from it."
        )
    if asked.stdout.strip() != place.version:
        return (
            f"The machine {machine} has recbole_dtlns {asked.stdout.strip()}, the command was started with "
            f"{place.version}. Install the same version on every machine."
        )
    return ""


class MachineCheck:
    """Looks whether a machine can run commands."""

    def look(self, place: Place) -> tuple[str, str]:
        """The name of the machine, and its problem, empty where it has none."""
        return socket.gethostname(), problem_of(place)


class RemoteCommand:
    """One command on this machine. `wait` and `send_signal` are called from two threads."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._attendant: Any = None

    def start(self, words: Sequence[str], output: str) -> tuple[str, str]:
        """Start the command; the name of this machine and why it was not started, empty where it was.

        Args:
            words: of the command behind the name of the Python program.
            output: file for all that it says.
        """
        machine, unseen = socket.gethostname(), unseen_folder(self._place)
        if unseen:  # it has joined the cluster since the others were looked at
            return machine, unseen
        own = [word.replace(MACHINE, machine) for word in words]
        gpus = own_gpus()
        if gpus:
            own.append(f"--gpu_id={','.join(gpus)}")
        attended = [sys.executable, "-m", "recbole_dtlns.engines.attend", sys.executable, *own]
        try:
            with open(output, "wb") as file:
                self._attendant = subprocess.Popen(
                    attended,
                    cwd=self._place.folder,
                    env=self._place.environment(),
                    stdin=subprocess.PIPE,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as error:
            return machine, f"The machine {machine} cannot start the command: {error}."
        return machine, ""

    def wait(self) -> int:
        """Wait for the end of the command: its exit status, -N where signal N has ended it."""
        status: int = self._attendant.wait()
        return status

    def send_signal(self, number: int) -> None:
        """Send the command a signal."""
        with contextlib.suppress(BrokenPipeError):  # it has ended
            self._attendant.stdin.write(bytes([number]))
            self._attendant.stdin.flush()


def own_gpus() -> list[str]:
    """Numbers of the GPUs that Ray has given this worker."""
    import ray

    numbers: list[str] = ray.get_runtime_context().get_accelerator_ids().get("GPU", [])
    return numbers
