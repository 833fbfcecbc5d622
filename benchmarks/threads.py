"""What threads gain or cost one run, on idle cores and beside a busy process: seconds an epoch, as ratios.

    python benchmarks/threads.py [--models=BPR,LightGCN --dataset=ml-100k --data_path=DATA --epochs=4 --rounds=2]
                                 [--KEY=VALUE ...]

Three ways take turns: `one` (OMP_NUM_THREADS=1), `all` (OMP_NUM_THREADS=number of cores) and `auto` (neither
OMP_NUM_THREADS nor torch_threads set: what the program chooses). Each runs the real program in a process of its own,
without a neighbour and beside a process that keeps one core busy. Ratios are medians of seconds an epoch (the first of
each run left out) over those of `one` without a neighbour. `same_losses` says whether all ways gave the same training
losses. `load` is the system's load when the script began: with other work on the machine no core is idle. The last line
is one JSON object.
"""

from __future__ import annotations

import itertools
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from epoch_seconds import measure_models, run

CORES = len(os.sched_getaffinity(0))
WAYS: dict[str, str | None] = {"one": "1", "all": str(CORES), "auto": None}
VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


@contextmanager
def neighbour(busy: bool) -> Iterator[None]:
    """A process that keeps one core busy, or none."""
    if not busy:
        yield
        return
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            yield
        finally:
            process.kill()


def environment(threads: str | None) -> dict[str, str]:
    """The variables of this process, with that number of threads; None: with none, so that the program chooses."""
    variables = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    return variables | ({} if threads is None else {"OMP_NUM_THREADS": threads})


def compare(flags: list[str], rounds: int, folder: Path) -> dict[str, Any]:
    """Ratios of each way, alone and beside a busy process, to one thread alone."""
    seconds: dict[str, list[float]] = {}
    losses = []
    for number, busy, way in itertools.product(range(rounds), (False, True), WAYS):
        name = f"{way}, busy neighbour" if busy else way
        with neighbour(busy):
            taken, of_run = run(flags, folder / f"{name}-{number}", environment(WAYS[way]))
        seconds.setdefault(name, []).extend(taken)
        losses.append(of_run)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return {
        "seconds_an_epoch": {name: round(value, 3) for name, value in medians.items()},
        "ratios": {name: round(value / medians["one"], 2) for name, value in medians.items()},
        "same_losses": all(of_run == losses[0] for of_run in losses),
    }


if __name__ == "__main__":
    measure_models(__doc__, "", 4, compare, cores=CORES, load=round(os.getloadavg()[0], 1))
