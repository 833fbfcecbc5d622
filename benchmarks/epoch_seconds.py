"""Runs of the real program for benchmarks of seconds an epoch: one process a run, and the flags of their commands."""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from recbole_dtlns.files.epoch_log import EPOCHS, read_epochs

PROGRAM = Path(__file__).resolve().parent.parent / "run_recbole_dtlns.py"


def run(
    flags: list[str], folder: Path, environment: Mapping[str, str] | None = None
) -> tuple[list[float], list[float | None]]:
    """Seconds of each epoch but the first, and the training losses.

    Args:
        flags: of the program.
        folder: run folder.
        environment: of the process; None: that of this one.

    Raises:
        RuntimeError: the run failed; holds what it said last.
    """
    command = [sys.executable, str(PROGRAM), *flags, f"--run_dir={folder}", "--state=ERROR"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1])
    rows = read_epochs(folder / EPOCHS)
    passed = [float(row["seconds"] or 0) for row in rows.values()]
    taken = [after - before for before, after in itertools.pairwise(passed)]
    return taken, [row["train_loss"] for row in rows.values()]


def measure_models(
    about: str | None, subject: str, epochs: int, compare: Callable[[list[str], int, Path], dict[str, Any]], **more: Any
) -> None:
    """Read the command line, print a line a model, then the JSON object.

    Args:
        about: what `--help` says.
        subject: what is measured, `dtl_ns on `, before the data set's name.
        epochs: start value of `--epochs`.
        compare: gives the figures of a model for (flags of all runs, rounds, folder).
        more: fields of the JSON object beside `measured` and `models`.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="BPR,LightGCN")
    parser.add_argument("--dataset", default="ml-100k")
    parser.add_argument("--data_path", type=Path)
    parser.add_argument("--epochs", type=int, default=epochs)
    parser.add_argument("--rounds", type=int, default=2)
    given, keys = parser.parse_known_args()
    flags = [f"--dataset={given.dataset}", f"--epochs={given.epochs}", "--eval_step=0", "--evaluate_test=false", *keys]
    flags += [f"--data_path={given.data_path.resolve()}"] if given.data_path else []
    measured = {}
    with tempfile.TemporaryDirectory() as name:
        for model in given.models.split(","):
            own = [f"--model={model}", *flags, f"--cache_dir={name}/cache"]
            measured[model] = compare(own, given.rounds, Path(name) / model)
            print(model, measured[model], flush=True)
    description = (
        f"{subject}{given.dataset}, {given.rounds} x {given.epochs} epochs, {' '.join(keys) or 'start values'}"
    )
    print(json.dumps({"measured": description, **more, "models": measured}))
