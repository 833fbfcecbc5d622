"""How soon the commands answer, as ratios to `python -c "import torch"`, which a machine's load slows alike.

python benchmarks/startup.py [--repeats=5] [--report=RUN_DIR] [--processor]
Each command runs in a process of its own, in turn; the fastest of the repeats counts. `--report` also times `report`
on that folder, written to a temporary one. The last line is one JSON object: seconds of torch's import, and ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TORCH = ["-c", "import torch"]
COMMANDS = {
    "version": ["--version"],
    "help": ["--help"],
    "help_keys": ["--help_keys"],
    "completion": ["completion", "bash"],
    "doctor": ["doctor"],
    "doctor ml-100k": ["doctor", "--dataset=ml-100k"],
}


def seconds_of(words: list[str], processor: bool) -> float:
    """Wall-clock seconds of one Python process, or those that the processor worked for it."""
    clock = _processor_seconds if processor else time.perf_counter
    started = clock()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
    return clock() - started


def _processor_seconds() -> float:
    """Of all processes that have ended, in the system's calls too."""
    spent = os.times()
    return spent.children_user + spent.children_system


def main() -> None:
    """Time the commands and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--report", type=Path, help="folder of a run or a comparison")
    parser.add_argument("--processor", action="store_true", help="processor time: for a machine that is not idle")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as out:
        commands = {name: ["-m", "recbole_dtlns", *words] for name, words in COMMANDS.items()}
        if options.report is not None:
            commands["report"] = ["-m", "recbole_dtlns", "report", str(options.report.resolve()), f"--out={out}"]
        commands = {"torch": TORCH, **commands}
        best = dict.fromkeys(commands, float("inf"))
        for _ in range(options.repeats):
            for name, words in commands.items():
                best[name] = min(best[name], seconds_of(words, options.processor))
    for name, seconds in best.items():
        print(f"{name:<16} {seconds:6.2f} s   {seconds / best['torch']:5.2f} x import torch")
    ratios = {name: round(seconds / best["torch"], 3) for name, seconds in best.items() if name != "torch"}
    print(json.dumps({"torch_seconds": round(best["torch"], 3), "ratios": ratios, "repeats": options.repeats}))


if __name__ == "__main__":
    main()
