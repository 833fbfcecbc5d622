"""The runs that a plan asks for, and the command of each: the ordinary program in a process of its own."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recbole_dtlns.comparison.plan.plan import Cell, ComparisonPlan
from recbole_dtlns.comparison.plan.rows import Row
from recbole_dtlns.comparison.search.search import number_of_trials

FIXED = "fixed.yaml"


@dataclass(frozen=True)
class Run:
    """One run of a cell: a trial of the search, which never reads test, or one of the seeds."""

    cell: Cell
    seed: int
    trial: int | None = None

    @property
    def run_id(self) -> str:
        """Path of its folder below `runs/`: `ml-100k/BPR/dtl_ns@rule/seed-2020`."""
        name = f"seed-{self.seed}" if self.trial is None else f"trial-{self.trial}"
        return (self.cell.folder / name).as_posix()


@functools.cache
def trial_count(plan: ComparisonPlan, row: Row) -> int:
    """How many runs the search of a row takes; none where there is nothing to choose from."""
    count = number_of_trials(row, plan)
    return count if count > 1 else 0


def trials_of(plan: ComparisonPlan, cell: Cell) -> list[Run]:
    """Trials of a cell; all of them train with the first seed."""
    return [Run(cell, plan.seeds[0], number) for number in range(trial_count(plan, cell.row))]


def seeds_of(plan: ComparisonPlan, cell: Cell) -> list[Run]:
    """The runs of a cell that are compared."""
    return [Run(cell, seed) for seed in plan.seeds]


def runs_of(plan: ComparisonPlan, cell: Cell) -> list[Run]:
    """All runs of a cell: trials, then seeds."""
    return trials_of(plan, cell) + seeds_of(plan, cell)


def all_runs(plan: ComparisonPlan) -> list[Run]:
    """All runs of all cells of a plan, in its order."""
    return [run for cell in plan.cells() for run in runs_of(plan, cell)]


def run_flags(plan: ComparisonPlan, run: Run, chosen: Mapping[str, Any]) -> dict[str, str]:
    """What sets a run apart from the others of its comparison, as `--key=value` flags: raw text by key.

    Args:
        plan: of the comparison.
        run: one of its runs.
        chosen: keys that the search tries or has chosen; they win over those of the row.
    """
    keys = {**run.cell.keys(), **own_keys(plan, run, chosen)}
    return {"model": run.cell.model, "dataset": run.cell.dataset} | {key: spell(keys[key]) for key in keys}


def command(
    plan: ComparisonPlan, run: Run, chosen: Mapping[str, Any], folder: Path, gpu: str | None = None
) -> list[str]:
    """The words of the command that makes a run.

    Args:
        plan: of the comparison.
        run: one of its runs.
        chosen: see `run_flags`.
        folder: of the comparison; it holds `fixed.yaml`, the keys that all runs share.
        gpu: number of the GPU to run on; None leaves it to the configuration.
    """
    flags = run_flags(plan, run, chosen)
    flags["config_files"] = " ".join([*plan.config_files, str(folder / FIXED)])
    flags["run_dir"] = str(folder / "runs" / run.run_id)
    flags |= dict.fromkeys(plan.allowed, "true")
    if gpu is not None:
        flags["gpu_id"] = gpu
    return [sys.executable, "-m", "recbole_dtlns", *(f"--{key}={value}" for key, value in flags.items())]


def own_keys(plan: ComparisonPlan, run: Run, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """What a run has on top of its cell."""
    keys = {**chosen, "seed": run.seed, "split_seed": plan.split_seed}
    return keys if run.trial is None else {**keys, "evaluate_test": False}


def spell(value: Any) -> str:
    """A value as `--key=value` takes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
