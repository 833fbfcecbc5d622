"""Seconds of our whole pipeline until it is better than RecBole ever gets, as a ratio to RecBole's own seconds.

    python benchmarks/time_to_quality.py --model=BPR --dataset=ml-100k [--data_path=DATA --epochs=300 --seed=2020]
                                         [--both="--learning_rate=0.002 --stopping_step=20"] [--KEY=VALUE ...]

Runs the real program three times on one backbone, one after the other: RecBole's uniform and dynamic negatives, and
ours with all further keys (`--judge=learned --positives_loss=list`). Each run has a process and an empty cache of its
own, so ours pays for identification. Keys in `--both` go to all three. Test is not read.

Seconds are `elapsed` of epochs.csv: wall-clock since the run began, with reading of data, identification, training and
the evaluation of valid after each epoch; only the start of Python and its imports is left out, which all three have.
The goal is the highest valid NDCG@20 of any epoch of either RecBole run, and RecBole's seconds are those of the epoch
that reached it. Ours are those of its first epoch above the goal; `ratio` is null if there is none. Early stopping ends
all three by the same rule (`stopping_step`), `--epochs` at the latest. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from epoch_seconds import PROGRAM

from recbole_dtlns.files.epoch_log import EPOCHS, read_epochs
from recbole_dtlns.files.run_folder import read_result

STOCK = ("recbole:uniform", "recbole:dynamic")
METRIC = "ndcg@20"


class Point(NamedTuple):
    """An epoch, the seconds until valid was evaluated after it, and the metric."""

    epoch: int
    seconds: float
    value: float


def curve(folder: Path) -> list[Point]:
    """The epochs of a run that evaluated valid."""
    rows = read_epochs(folder / EPOCHS)
    return [
        Point(epoch, float(row["elapsed"] or 0), value)
        for epoch, row in rows.items()
        if (value := row.get(METRIC)) is not None
    ]


def best(points: list[Point]) -> Point:
    """The highest value, where it is first reached."""
    return max(points, key=lambda point: (point.value, -point.epoch))


def first_above(points: list[Point], goal: float) -> Point | None:
    """The first epoch above a value."""
    return next((point for point in points if point.value > goal), None)


def run(name: str, flags: list[str], folder: Path) -> tuple[list[Point], dict[str, Any]]:
    """The curve of a run and its result; ends this program with what the run said if it fails."""
    own = [f"--run_dir={folder / 'run'}", f"--cache_dir={folder / 'cache'}", "--state=ERROR", "--evaluate_test=false"]
    command = [sys.executable, str(PROGRAM), *flags, f"--valid_metric={METRIC.upper()}", "--eval_step=1", *own]
    print(f"{name} ...", flush=True)
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{name} ended with {done.returncode}: {shlex.join(command)}\n{done.stderr}")
    points = curve(folder / "run")
    if not points:
        sys.exit(f"{name} has no {METRIC} of valid in {EPOCHS}: leave `topk` and `metrics` as they are.")
    top = best(points)
    print(f"  best {METRIC} {top.value:.4f} in epoch {top.epoch} after {top.seconds:.1f} s, {len(points)} epochs")
    return points, read_result(folder / "run")


def ratios(stock: dict[str, list[Point]], ours: list[Point]) -> dict[str, Any]:
    """What the curves say: the ratio to the better of RecBole's runs, and to each."""
    tops = {name: best(points) for name, points in stock.items()}
    leader = max(tops, key=lambda name: tops[name].value)
    passed = {name: first_above(ours, top.value) for name, top in tops.items()}
    to_each = {name: point and round(point.seconds / tops[name].seconds, 4) for name, point in passed.items()}
    reached = passed[leader]
    return {
        "ratio": to_each[leader],
        "ratio_to": to_each,
        "goal": {"sampler": leader, **tops[leader]._asdict()},
        "ours": None if reached is None else reached._asdict(),
        "best": {**{name: top._asdict() for name, top in tops.items()}, "ours": best(ours)._asdict()},
    }


def main() -> None:
    """Carry the three runs out and print the JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="BPR")
    parser.add_argument("--dataset", default="ml-100k")
    parser.add_argument("--data_path", type=Path)
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=2020)
    parser.add_argument("--both", default="", help="keys of all three runs, in one text")
    parser.add_argument("--keep", type=Path, help="folder for the runs, for a look afterwards; unset: thrown away")
    given, more = parser.parse_known_args()
    flags = [f"--model={given.model}", f"--dataset={given.dataset}", f"--epochs={given.epochs}", f"--seed={given.seed}"]
    flags += [f"--data_path={given.data_path.resolve()}"] if given.data_path else []
    flags += shlex.split(given.both)
    with tempfile.TemporaryDirectory() as name:
        home = given.keep or Path(name)
        stock = {
            sampler: run(sampler, [*flags, f"--neg_sampler={sampler}"], home / sampler.replace(":", "-"))[0]
            for sampler in STOCK
        }
        ours, result = run("ours", [*flags, *more], home / "ours")
    measured = {"model": given.model, "dataset": given.dataset, "seed": given.seed, "epochs": given.epochs}
    measured |= {"both": given.both, "ours": shlex.join(more), "judge": result["judge"]}
    measured |= {"neg_sampler": result["neg_sampler_effective"], "machine": result["machine"]}
    print(json.dumps({**ratios(stock, ours), "measured": measured}))


if __name__ == "__main__":
    main()
