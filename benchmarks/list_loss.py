"""What the list loss costs: seconds an epoch of `dtl_ns` with `positives_loss=list`, as a ratio to `pairs`.

    python benchmarks/list_loss.py [--models=BPR,LightGCN --dataset=ml-100k --data_path=DATA --epochs=8 --rounds=2]
                                   [--KEY=VALUE ...]

Runs the real program, each run in a process of its own, in rounds of turns, and takes the median over all epochs but
the first of each run. Further keys (`--judge=learned`) go to all runs. The last line is one JSON object. A model whose
list loss the program refuses, or for which it changes nothing, has no ratio but a `skipped` that says why.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from epoch_seconds import measure_models, run


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


if __name__ == "__main__":
    measure_models(__doc__, "dtl_ns on ", 8, compare)
