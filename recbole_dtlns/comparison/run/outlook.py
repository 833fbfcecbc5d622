"""`--dry_run`: what a plan comes to, how far it has come, and what the rest will cost."""

from __future__ import annotations

import dataclasses
import math
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recbole.utils import ModelType
from tabulate import tabulate

from recbole_dtlns.comparison.plan.plan import Cell, ComparisonPlan
from recbole_dtlns.comparison.plan.plan_keys import sample_values
from recbole_dtlns.comparison.run.campaign import write_plan
from recbole_dtlns.comparison.run.config_of_run import run_config
from recbole_dtlns.comparison.run.estimate import Estimate, Group, spoken
from recbole_dtlns.comparison.run.execute import Job, Runner, run_seconds
from recbole_dtlns.comparison.run.records import Comparison
from recbole_dtlns.comparison.run.runs import Run, all_runs, runs_of, trials_of
from recbole_dtlns.comparison.search.search import parse_range
from recbole_dtlns.config.run_config import Config
from recbole_dtlns.errors import UserError
from recbole_dtlns.wording import counted

_BUDGET = (
    "epochs",
    "stopping_step",
    "eval_step",
    "valid_metric",
    "train_batch_size",
    "neg_candidates",
    "num_negatives",
)


def plan_text(comparison: Comparison, plan: ComparisonPlan) -> str:
    """The cells with their state, the keys that all share, the budget, and the number of runs."""
    done, refused = {record.run_id for record in comparison.runs}, {run.run_id for run in comparison.failed}
    rows = [_cell_row(plan, cell, done, refused) for cell in plan.cells()]
    titles = ("data set", "model", "row", "judge", "noise", "trials", "seeds", "status")
    runs = all_runs(plan)
    config = run_config(plan, Run(plan.cells()[0], plan.seeds[0]), {})
    shared = [f"split_seed={plan.split_seed}", *_spelled(plan.fixed), *plan.config_files]
    lines = [
        tabulate(rows, titles),
        "",
        f"shared by all runs: {', '.join(shared)}",
        *(f"of judge {judge} alone: {', '.join(_spelled(keys))}" for judge, keys in plan.judge_keys.items() if keys),
        f"budget of each run: {', '.join(f'{key}={config[key]}' for key in _BUDGET)}",
        f"seeds: {', '.join(str(seed) for seed in plan.seeds)}",
        f"search: {plan.search}, trials={plan.trials}",
        *(f"range of every row: {_range_text(key, text)}" for key, text in plan.shared_search.items() if plan.trials),
        f"{counted(len(runs), 'run')}, {sum(run.run_id in done for run in runs)} of them finished",
        *(f"refused: {run.run_id}: {run.reason}" for run in comparison.failed),
    ]
    return "\n".join(lines)


def _range_text(key: str, text: str) -> str:
    """A range, and what powers of e come to."""
    each = parse_range(key, text)
    ends = f", from {' to '.join(map(str, sample_values(each)))}" if each.kind == "loguniform" else ""
    return f"{key} {text}{ends}"


def _spelled(keys: Mapping[str, Any]) -> list[str]:
    return [f"{key}={value}" for key, value in keys.items()]


def _cell_row(plan: ComparisonPlan, cell: Cell, done: set[str], refused: set[str]) -> list[Any]:
    runs = runs_of(plan, cell)
    finished, bad = (sum(run.run_id in ids for run in runs) for ids in (done, refused))
    state = "done" if finished == len(runs) else f"{finished} of {len(runs)} done" if finished else "left"
    if bad:
        state += f", {bad} refused"
    count = len(trials_of(plan, cell))
    return [cell.dataset, cell.model, cell.row.name, cell.judge, f"{cell.noise:g}", count, len(plan.seeds), state]


def cost_text(comparison: Comparison, plan: ComparisonPlan, jobs: int, gpus: list[str]) -> str:
    """What the runs that are left will cost: from finished ones where there are any, else from an epoch of each model.

    One epoch of the first row of every data set and model is trained by the program itself, in a temporary folder.
    """
    done = {record.run_id for record in comparison.runs}
    ended = done | {run.run_id for run in comparison.failed}
    left = Counter((run.cell.dataset, run.cell.model) for run in all_runs(plan) if run.run_id not in ended)
    if not left:
        return "estimated cost: nothing is left to run"
    workers = f"with {jobs} run{'s' if jobs > 1 else ''} at a time"
    if done:
        estimate = Estimate([*left.elements(), *((record.dataset, record.model) for record in comparison.runs)], jobs)
        for record in comparison.runs:
            estimate.finished((record.dataset, record.model), run_seconds(record.result))
        return f"estimated cost of what is left: about {spoken(estimate.seconds_left() or 0.0)} {workers}"
    ranges, notes = _timed(plan, left, gpus)
    low, high = (sum(left[group] * seconds[end] for group, seconds in ranges.items()) / jobs for end in (0, 1))
    lines = [
        f"estimated cost: {spoken(low)} (early stopping at once) to {spoken(high)} (all epochs) {workers}, from one "
        "epoch of the first row of each model; judging by a language model comes on top"
    ]
    return "\n".join([*lines, *notes])


def _timed(
    plan: ComparisonPlan, left: Mapping[Group, int], gpus: list[str]
) -> tuple[dict[Group, tuple[float, float]], list[str]]:
    """Least and most seconds of a run by data set and model, and notes on those that could not be timed."""
    first: dict[Group, Cell] = {}
    for cell in plan.cells():
        first.setdefault((cell.dataset, cell.model), cell)
    ranges, notes = {}, []
    for group in left:
        try:
            ranges[group] = _range(plan, first[group], gpus)
        except UserError as error:
            notes.append(f"{'/'.join(group)} could not be timed: {error}")
    return ranges, notes


def _range(plan: ComparisonPlan, cell: Cell, gpus: list[str]) -> tuple[float, float]:
    """Seconds of a run of a cell that stops as early as it can, and of one that takes all epochs."""
    with tempfile.TemporaryDirectory(prefix="recbole-dtlns-") as name:
        # Timed as a trial: test is not read.
        short = dataclasses.replace(plan, fixed={**plan.fixed, "epochs": 1, "eval_step": 1})
        write_plan(short, Path(name))
        outcome = Runner(short, Path(name), 1, gpus[:1])(Job(Run(cell, plan.seeds[0], trial=0)))
    if outcome.result is None:
        raise UserError(outcome.reason)
    config = run_config(plan, Run(cell, plan.seeds[0]), {})
    if config["MODEL_TYPE"] == ModelType.TRADITIONAL:
        return outcome.seconds, outcome.seconds  # fitted at once
    spent = outcome.result["seconds"]
    training, evaluation = spent["training"] or 0.0, spent["evaluation"] or 0.0
    once = outcome.seconds - training - evaluation
    of_epoch = training + evaluation / max(int(config["eval_step"]), 1)
    return once + least_epochs(config) * of_epoch, once + int(config["epochs"]) * of_epoch


def least_epochs(config: Config | Mapping[str, Any]) -> int:
    """Epochs until early stopping can end a run: a first, best evaluation, then `stopping_step` + 1 worse ones."""
    evaluations = int(config["stopping_step"]) + 2
    return min(int(config["epochs"]), math.ceil(evaluations * max(int(config["eval_step"]), 1)))
