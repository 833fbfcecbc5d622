"""RecBole's models through the real program: which negatives each trains with, and what stops those that do not run.

    python benchmarks/recbole_models.py [--models=BPR,LightGCN --dataset=ml-100k --data_path=DATA --limit=300]
                                        [--KEY=VALUE ...]

One process a run, for one epoch and valid alone, at the package's start values; keys that follow go to all runs.
Sequential models run twice: at RecBole's loss, without negatives where that loss takes none, and with loss_type=BPR,
under which they take our samplers. The users are those with 150 ratings or more, unless the keys say otherwise: enough
for every model, and quick. Prints a row of a Markdown table a run, then one JSON object. `refused` is exit status 2,
the package's own error; `failed` is any other.
"""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from epoch_seconds import PROGRAM

from recbole_dtlns.files.run_folder import read_result

KINDS = ("general", "sequential", "context_aware", "knowledge_aware")  # those of decision trees need more packages
NO_NEGATIVES = "--train_neg_sample_args=None"
FEW = "--user_inter_num_interval=[150,inf)"


def models(kind: str) -> list[str]:
    """Names of RecBole's models of a kind, as `--model` takes them."""
    package = importlib.import_module(f"recbole.model.{kind}_recommender")
    files = {module.name for module in pkgutil.iter_modules(package.__path__)}
    return [name for name in sorted(vars(package), key=str.lower) if name.lower() in files and name not in files]


def outcome(flags: list[str], folder: Path, limit: int) -> dict[str, Any]:
    """How one run ended.

    Args:
        flags: of the program.
        folder: run folder.
        limit: seconds after which it is given up.
    """
    began = time.perf_counter()
    command = [sys.executable, str(PROGRAM), *flags, f"--run_dir={folder}", "--state=ERROR"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=limit)
    except subprocess.TimeoutExpired:
        return {"outcome": "too slow", "why": f"more than {limit} seconds"}
    seconds = round(time.perf_counter() - began, 1)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        return {"outcome": "refused" if done.returncode == 2 else "failed", "why": why, "seconds": seconds}
    result = read_result(folder)
    asked = ("neg_sampler_effective", "judge", "positives_loss")
    return {"outcome": "ran", "why": "", "seconds": seconds, **{name: result[name] for name in asked}}


def row(run: dict[str, Any]) -> str:
    """A run as a row of the Markdown table."""
    cells = (run["kind"], run["model"], run["loss"] or "", run["outcome"], run.get("neg_sampler_effective") or "")
    return "| " + " | ".join([*cells, run["why"].replace("|", "/")]) + " |"


def main() -> None:
    """Read the command line, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", help="names with commas between them; all without")
    parser.add_argument("--dataset", default="ml-100k")
    parser.add_argument("--limit", type=int, default=300, help="seconds for one run")
    args, keys = parser.parse_known_args()
    wanted = None if args.models is None else set(args.models.split(","))
    runs = []
    print("| kind | model | loss | outcome | negatives by | why not |\n| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        shared = [
            f"--dataset={args.dataset}",
            "--epochs=1",
            "--evaluate_test=false",
            *([] if any(key.startswith(FEW.partition("=")[0]) for key in keys) else [FEW]),
            f"--cache_dir={folder}/cache",
        ]
        for kind in KINDS:
            for model in models(kind):
                if wanted is not None and model not in wanted:
                    continue
                for loss in (None, "BPR") if kind == "sequential" else (None,):
                    flags = [f"--model={model}", *shared, *([f"--loss_type={loss}"] if loss else []), *keys]
                    ended = outcome(flags, Path(folder) / f"{model}-{loss}", args.limit)
                    if NO_NEGATIVES in ended["why"]:
                        ended = outcome([*flags, NO_NEGATIVES], Path(folder) / f"{model}-{loss}", args.limit)
                    runs.append({"kind": kind, "model": model, "loss": loss, **ended})
                    print(row(runs[-1]), flush=True)
    print(json.dumps({"measured": "RecBole's models", "dataset": args.dataset, "keys": keys, "runs": runs}))


if __name__ == "__main__":
    main()
