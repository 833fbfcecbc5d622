"""Why a command of this program has failed."""

from __future__ import annotations

import re
import signal
from pathlib import Path

_LONGEST_REASON = 600


def failure_reason(status: int, output: Path) -> str:
    """Why a process ended: what the program says of it, else its last line; also written into `output`."""
    if status < 0:
        name = signal.Signals(-status).name if -status in set(signal.Signals) else str(-status)
        hint = " (out of memory is a common cause)" if name == "SIGKILL" else ""
        reason = f"Killed by signal {name}{hint}."
        with output.open("a", encoding="utf-8") as file:
            file.write(f"{reason}\n")
        return reason
    lines = [line.strip() for line in output.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    for pattern in (r"^recbole-dtlns: (.*)", r"\bERROR\s+(Failed: .*)"):
        reasons = [match[1] for match in (re.search(pattern, line) for line in lines) if match]
        if reasons:
            return reasons[-1][:_LONGEST_REASON]
    return (lines[-1] if lines else f"ended with status {status} and said nothing")[:_LONGEST_REASON]
