"""What the list loss costs: seconds an epoch of `dtl_ns` with `positives_loss=list`, as a ratio to `pairs`.

    python benchmarks/list_loss.py [--models=BPR,LightGCN --dataset=ml-100k --data_path=DATA --epochs=8 --rounds=2]
                                   [--KEY=VALUE ...]

Runs the real program, each run in a process of its own, in rounds of turns, and takes the median over all epochs but
the first of each run. Further keys (`--judge=learned`) go to all runs. The last line is one JSON object. A model whose
list loss the program refuses, or for which it changes nothing, has no ratio but a `skipped` that says why.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from recbole_dtlns.files.epoch_log import EPOCHS, read_epochs

PROGRAM = Path(__file__).resolve().parent.parent / "run_recbole_dtlns.py"


def run(flags: list[str], folder: Path) -> tuple[list[float], list[float | None]]:
    """Seconds of each epoch but the first, and the training losses.

    Raises:
        RuntimeError: the run failed; holds what it said last.
    """
    command = [sys.executable, str(PROGRAM), *flags, f"--run_dir={folder}", "--state=ERROR"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1])
    rows = read_epochs(folder / EPOCHS)
    passed = [float(row["seconds"] or 0) for row in rows.values()]
    taken = [after - before for before, after in itertools.pairwise(passed)]
    return taken, [row["train_loss"] for row in rows.values()]


def compare(flags: list[str], rounds: int, folder: Path) -> dict[str, Any]:
    """Seconds an epoch of both losses, and their ratio."""
    seconds: dict[str, list[float]] = {"pairs": [], "list": []}
    losses = {}
    for number in range(rounds):
        for loss in seconds:
            try:
                taken, losses[loss] = run([*flags, f"--positives_loss={loss}"], folder / f"{loss}-{number}")
            except RuntimeError as error:
                return {"skipped": f"positives_loss={loss}: {error}"}
            seconds[loss] += taken
    if losses["pairs"] == losses["list"]:
        return {"skipped": "positives_loss=list changed no training loss, so it was not in the loss"}
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return {"seconds_an_epoch": medians, "list/pairs": round(medians["list"] / medians["pairs"], 3)}


def main() -> None:
    """Print a line a model, then the JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="BPR,LightGCN")
    parser.add_argument("--dataset", default="ml-100k")
    parser.add_argument("--data_path", type=Path)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=2)
    given, more = parser.parse_known_args()
    flags = [f"--dataset={given.dataset}", f"--epochs={given.epochs}", "--eval_step=0", "--evaluate_test=false", *more]
    flags += [f"--data_path={given.data_path.resolve()}"] if given.data_path else []
    found = {}
    with tempfile.TemporaryDirectory() as name:
        for model in given.models.split(","):
            folder = Path(name) / model
            found[model] = compare([f"--model={model}", *flags, f"--cache_dir={name}/cache"], given.rounds, folder)
            print(model, found[model], flush=True)
    about = f"dtl_ns on {given.dataset}, {given.rounds} x {given.epochs} epochs, {' '.join(more) or 'start values'}"
    print(json.dumps({"measured": about, "models": found}))


if __name__ == "__main__":
    main()
