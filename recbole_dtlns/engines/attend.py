"""The process between a worker of a cluster and the command that it runs: `python -m recbole_dtlns.engines.attend ...`.

Workers of Ray block SIGINT, which their processes inherit, and a worker that is killed leaves its processes behind. So
this process takes the block off, sends the command each signal whose number arrives as a byte on standard input, and
kills the command when standard input ends, as it does with the worker. Where Ray kills this process too, Linux kills
the command.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence

_PR_SET_PDEATHSIG = 1


def main(words: Sequence[str]) -> int:
    """Run a command to its end; its exit status. Where a signal has ended it, this process ends by the same one."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in (signal.SIGINT, signal.SIGTERM):  # whoever started the worker may have had them ignored
        signal.signal(number, signal.SIG_DFL)
    command = subprocess.Popen(
        words, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=_tied_to_this_process()
    )
    threading.Thread(target=_pass_on, args=(command,), daemon=True).start()
    status = command.wait()
    if status < 0:
        if status != -signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status


def _tied_to_this_process() -> Callable[[], None] | None:
    """What a new process calls to be killed when the thread that started it ends; None where only Linux has it."""
    if not sys.platform.startswith("linux"):
        return None
    own, prctl = os.getpid(), ctypes.CDLL(None).prctl

    def tie() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != own:  # it has ended already
            os.kill(os.getpid(), signal.SIGKILL)

    return tie


def _pass_on(command: subprocess.Popen[bytes]) -> None:
    while number := os.read(0, 1):
        command.send_signal(number[0])
    if command.poll() is None:
        os.killpg(command.pid, signal.SIGKILL)  # with processes of its own


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
