"""Runs that take no time: a small plan on `toy`, results made up from seed and keys, and a program that writes them."""

import json
import sys
from pathlib import Path

from fake_result import fake_result

from recbole_dtlns.comparison.plan.plan import ComparisonPlan
from recbole_dtlns.comparison.plan.rows import make_row
from recbole_dtlns.comparison.run.config_of_run import run_config
from recbole_dtlns.comparison.run.runs import Run, run_flags
from recbole_dtlns.files.result_schema import Result
from recbole_dtlns.files.run_folder import CONFIG, RESULT, write_config

FIXED = {"data_path": "data", "epochs": 2, "embedding_size": 8, "train_batch_size": 64, "stopping_step": 5}
DIE = "import sys; print('INFO  epoch 1'); print('ValueError: no such thing', file=sys.stderr); sys.exit(1)"


def small_plan(*rows: str, **changes) -> ComparisonPlan:
    """BPR on toy with two seeds."""
    values = {"datasets": ("toy",), "models": ("BPR",), "seeds": (3, 4), "split_seed": 7, "fixed": FIXED, **changes}
    return ComparisonPlan(rows=tuple(map(make_row, rows or ("uniform", "dns"))), **values)


def made_result(run: Run, keys=None, **changes) -> Result:
    """What the run would write; the valid metric grows with `neg_candidates`."""
    value = float((keys or {}).get("neg_candidates", 10)) / 100
    fields = {
        "model": run.cell.model,
        "dataset": run.cell.dataset,
        "neg_sampler": run.cell.row.keys.get("neg_sampler"),
        "judge": run.cell.judge,
        "seed": run.seed,
        "best_valid_result": {"recall@20": value / 2, "ndcg@20": value},
        "test_result": None if run.trial is not None else {"recall@20": value, "ndcg@20": value + run.seed / 1000},
        "config": {"epochs": 2, "topk": [10, 20], "noise_rate": run.cell.noise},
    }
    return fake_result(**{**fields, **changes})


def write_made(folder: Path, run: Run, **changes) -> Path:
    """Write a finished run into the folder of a comparison."""
    home = folder / "runs" / run.run_id
    home.mkdir(parents=True, exist_ok=True)
    (home / RESULT).write_text(json.dumps(made_result(run, **changes)), encoding="utf-8")
    return home


class FakeProgram:
    """Stands in for `execute.command`: processes that copy a made-up result, or do what `instead` says of a run."""

    def __init__(self, instead=None) -> None:
        self.instead = instead or {}
        self.started: list[tuple[str, str | None]] = []
        self.keys: dict[str, dict] = {}

    def __call__(self, plan, run, keys, folder, gpu=None):
        home = folder / "runs" / run.run_id
        self.started.append((run.run_id, gpu))
        self.keys[run.run_id] = {**run_flags(plan, run, keys)}
        write_config(home / CONFIG, run_config(plan, run, keys).resolved())
        (home / "checkpoint.pth").write_text("weights")
        (home / "made.json").write_text(json.dumps(made_result(run, keys)), encoding="utf-8")
        code = self.instead.get(
            run.run_id, f"import os; os.replace({str(home / 'made.json')!r}, {str(home / RESULT)!r})"
        )
        return [sys.executable, "-c", code]
