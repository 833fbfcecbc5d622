"""RecBole's own samplers against ours on one GPU: seconds an epoch and peak GPU memory.

    python benchmarks/gpu_training.py [--device=cpu --models=BPR,LightGCN,NGCF --dataset=ml-100k --steps=40]

Every sampler has the same batch size and no inferred positives, so all train on the same pairs; they take turns in one
process (`samplers.py`). Peak memory is what torch held for one sampler at most, from the making of its model on and
without what the others hold; on a CPU it is not known. `seconds/NAME` and `memory/NAME` are ratios to RecBole's sampler
NAME, seconds as the median over the turns. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from samplers import STOCK, Training, epoch_seconds

OURS = ("uniform", "mixgcf", "dtl_ns")


def made(model: str, sampler: str, options: argparse.Namespace, folder: Path) -> tuple[Training, float | None]:
    """A training that has begun, and the GPU memory that it took at most, in MB."""
    keys = {"gpu_id": ""} if options.device == "cpu" else {}
    on_gpu = options.device == "cuda"
    before = torch.cuda.memory_allocated() if on_gpu else 0
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    run = Training(model, options.dataset, sampler, options, folder, **keys)
    if run.model.device.type != options.device:
        raise SystemExit(f"{model} is on {run.model.device}, and --device={options.device} was asked for.")
    run.train(options.steps)
    run.end()
    return run, (torch.cuda.max_memory_allocated() - before) / 2**20 if on_gpu else None


def compare(model: str, options: argparse.Namespace, folder: Path) -> dict[str, dict[str, Any]]:
    """Figures of each sampler on a model, with ratios to RecBole's two."""
    runs, memory = {}, {}
    for sampler in (*STOCK, *OURS):
        runs[sampler], memory[sampler] = made(model, sampler, options, folder)
    seconds = epoch_seconds(runs, options.steps)
    rows: dict[str, dict[str, Any]] = {}
    for name in runs:
        peak = memory[name]
        row: dict[str, Any] = {"seconds_an_epoch": float(np.median(seconds[name])), "peak_gpu_mb": peak}
        for stock in STOCK:
            row[f"seconds/{stock}"] = round(float(np.median(seconds[name] / seconds[stock])), 3)
            other = memory[stock]
            row[f"memory/{stock}"] = None if peak is None or not other else round(peak / other, 3)
        rows[name] = row
        print(model, name, row, flush=True)
    return rows


def main() -> None:
    """Print a line a sampler, then the JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--models", default="BPR,LightGCN,NGCF")
    parser.add_argument("--dataset", default="ml-100k")
    parser.add_argument("--data_path", default="")
    parser.add_argument("--steps", type=int, default=40, help="batches that each sampler trains")
    parser.add_argument("--candidates", type=int, default=10)
    options = parser.parse_args()
    options.data_path = str(Path(options.data_path).resolve()) if options.data_path else ""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        rows = {model: compare(model, options, Path(name)) for model in options.models.split(",")}
    about = f"{options.dataset}, {options.steps} batches a sampler, {options.candidates} candidates, judge none"
    print(json.dumps({"measured": f"{about}, on {options.device}", "models": rows}))


if __name__ == "__main__":
    main()
