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

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recbole_dtlns.files.epoch_log import EPOCHS, read_epochs

PROGRAM = Path(__file__).resolve().parent.parent / "run_recbole_dtlns.py"
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


def run(flags: list[str], folder: Path, threads: str | None) -> tuple[list[float], list[float | None]]:
    """Seconds of each epoch but the first, and the training losses."""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    environment |= {} if threads is None else {"OMP_NUM_THREADS": threads}
    command = [sys.executable, str(PROGRAM), *flags, f"--run_dir={folder}", "--state=ERROR"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-500:]}")
    rows = read_epochs(folder / EPOCHS)
    passed = [float(row["seconds"] or 0) for row in rows.values()]
    return [after - before for before, after in itertools.pairwise(passed)], [
        row["train_loss"] for row in rows.values()
    ]


def compare(flags: list[str], rounds: int, folder: Path) -> dict[str, Any]:
    """Ratios of each way, alone and beside a busy process, to one thread alone."""
    seconds: dict[str, list[float]] = {}
    losses = []
    for number, busy, way in itertools.product(range(rounds), (False, True), WAYS):
        name = f"{way}, busy neighbour" if busy else way
        with neighbour(busy):
            taken, of_run = run(flags, folder / f"{name}-{number}", WAYS[way])
        seconds.setdefault(name, []).extend(taken)
        losses.append(of_run)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return {
        "seconds_an_epoch": {name: round(value, 3) for name, value in medians.items()},
        "ratios": {name: round(value / medians["one"], 2) for name, value in medians.items()},
        "same_losses": all(of_run == losses[0] for of_run in losses),
    }


def main() -> None:
    """Print a line a model, then the JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="BPR,LightGCN")
    parser.add_argument("--dataset", default="ml-100k")
    parser.add_argument("--data_path", type=Path)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=2)
    given, more = parser.parse_known_args()
    flags = [f"--dataset={given.dataset}", f"--epochs={given.epochs}", "--eval_step=0", "--evaluate_test=false", *more]
    flags += [f"--data_path={given.data_path.resolve()}"] if given.data_path else []
    load, measured = os.getloadavg()[0], {}
    with tempfile.TemporaryDirectory() as name:
        for model in given.models.split(","):
            folder = Path(name) / model
            measured[model] = compare([f"--model={model}", *flags, f"--cache_dir={name}/cache"], given.rounds, folder)
            print(model, measured[model], flush=True)
    about = f"{given.dataset}, {given.rounds} x {given.epochs} epochs, {' '.join(more) or 'start values'}"
    print(json.dumps({"measured": about, "cores": CORES, "load": round(load, 1), "models": measured}))


if __name__ == "__main__":
    main()
