"""Commands as processes of this machine."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from collections.abc import Sequence
from pathlib import Path

import recbole_dtlns
from recbole_dtlns.engines.remote import import_path
from recbole_dtlns.files.machine import usable_cores


class LocalEngine:
    """Starts processes on this machine, out of reach of the terminal's Ctrl-C.

    Args:
        jobs: processes at a time.
        on_gpu: whether they compute on GPUs.
        inherit: file descriptors that the processes hold open too.
    """

    def __init__(self, jobs: int, on_gpu: bool = False, inherit: Sequence[int] = ()) -> None:
        self._environment, self._inherit = environment(jobs, on_gpu), tuple(inherit)

    def start(self, words: list[str], output: Path) -> subprocess.Popen[bytes]:
        """Start a process; see `Engine`."""
        with output.open("wb") as file:
            return subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
                pass_fds=self._inherit,
            )

    def flags(self, cache_dir: Path) -> list[str]:
        """None: processes of one machine share a verdict store; see `Engine`."""
        return []


def environment(jobs: int, on_gpu: bool) -> dict[str, str]:
    """Environment of the processes: this very package, and on a CPU the cores shared out where the user has not."""
    variables = {**os.environ, **import_path(own_folder())}
    if not on_gpu:
        variables.setdefault("OMP_NUM_THREADS", str(max(1, usable_cores() // jobs)))
    return variables


def own_folder() -> str | None:
    """The folder that this package was imported from; None where it is installed among the others."""
    home = str(Path(recbole_dtlns.__file__).parents[1])
    return None if home == sysconfig.get_paths()["purelib"] else home
