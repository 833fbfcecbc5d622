"""What the folder of a comparison, or of a single run, holds: finished runs, failed ones, and those still to come."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from recbole_dtlns.comparison.plan.plan import ComparisonPlan
from recbole_dtlns.comparison.run.runs import Run, all_runs
from recbole_dtlns.config.choices import JUDGED_ORDER
from recbole_dtlns.errors import UserError
from recbole_dtlns.evaluation.per_user import PER_USER, read_per_user
from recbole_dtlns.files.epoch_log import EPOCHS, HARDNESS, read_epochs
from recbole_dtlns.files.result_schema import Result
from recbole_dtlns.files.run_checksums import refuse_changed
from recbole_dtlns.files.run_folder import COMPARISON, RESULT, read_result

PLAN, FAILED, RUNS, CHOSEN = COMPARISON, "failed.json", "runs", "chosen.json"
WHAT_TO_DO = "Remove that folder to run it again, or choose another run_dir."


class UnfitRun(UserError):
    """A finished run that can be read, and was made by another version or under another configuration."""


@dataclass(frozen=True)
class RunRecord:
    """A finished run.

    Attributes:
        run_id: its path below `runs/`, `ml-100k/BPR/dtl_ns@rule/seed-2020`; the folder's name for a single run.
        folder: where it lies.
        dataset, model, label, sampler, judge, noise: its cell; `label` is the row as tables show it, `sampler` the
            row without its judge.
        seed: of the model.
        trial: its number if it is a trial of the search, else None.
        result: its `result.json`.
    """

    run_id: str
    folder: Path
    dataset: str
    model: str
    label: str
    sampler: str
    judge: str
    noise: float
    seed: int
    trial: int | None
    result: Result

    @property
    def is_reference(self) -> bool:
        """Whether it is a row of its own model (Pop, EASE, a judge's own order), whatever models the plan names."""
        return self.sampler == self.model or self.model == JUDGED_ORDER

    def chosen(self) -> dict[str, Any] | None:
        """What the search has chosen for its cell (`trial`, `keys`, `scores` of all trials), of which `keys` is a dict.

        None without a search, and where the file is damaged: a start of the comparison chooses again.
        """
        chosen = _read_json(self.folder.parent / CHOSEN)
        return chosen if isinstance(chosen, dict) and isinstance(chosen.get("keys"), dict) else None

    def per_user(self) -> tuple[np.ndarray, dict[str, np.ndarray]] | None:
        """User tokens [n] and the values [n] of each test metric; None where the run has written none.

        Raises:
            UserError: the file is damaged, or gone.
        """
        path = self.folder / PER_USER
        refuse_changed(path, or_missing=True)
        return read_per_user(path) if path.is_file() else None

    def epochs(self) -> dict[int, dict[str, float | None]]:
        """Training loss, seconds and valid metrics by epoch; empty where nothing was recorded.

        Raises:
            UserError: the file is damaged, or gone.
        """
        refuse_changed(self.folder / EPOCHS, or_missing=True)
        return read_epochs(self.folder / EPOCHS)

    def hardness(self) -> dict[int, dict[str, float | None]]:
        """Hardness of the negatives by epoch; empty where nothing was recorded.

        Raises:
            UserError: the file is damaged, or gone.
        """
        refuse_changed(self.folder / HARDNESS, or_missing=True)
        return read_epochs(self.folder / HARDNESS)


@dataclass(frozen=True)
class FailedRun:
    """A run that ended without a result that can be used, and why."""

    run_id: str
    folder: Path
    reason: str


@dataclass(frozen=True)
class Comparison:
    """All runs of one folder.

    Attributes:
        folder: of the comparison, or of the single run.
        name: to head a page with.
        plan: what was asked for; None for a single run.
        runs: finished ones, trials too, in the order of the plan.
        failed: with reasons.
        pending: ids of runs that have not been finished, nor failed.
    """

    folder: Path
    name: str
    plan: ComparisonPlan | None
    runs: list[RunRecord] = field(default_factory=list)
    failed: list[FailedRun] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)

    def seeds_of(self, dataset: str, model: str, label: str, noise: float = 0.0) -> list[RunRecord]:
        """Finished runs of a cell in order of their seeds, without trials."""
        return sorted(self._of(dataset, model, label, noise, trials=False), key=lambda run: run.seed)

    def trials_of(self, dataset: str, model: str, label: str, noise: float = 0.0) -> list[RunRecord]:
        """Finished trials of a cell in their order."""
        return sorted(self._of(dataset, model, label, noise, trials=True), key=lambda run: run.trial or 0)

    def groups(self) -> list[tuple[str, str]]:
        """Data sets and models that have something to compare, in order.

        Reference rows (Pop, EASE, judge) belong beside every model of their data set and are no group of their own,
        unless a data set has nothing else.
        """
        runs = [run for run in self.runs if run.trial is None]
        trained = {run.dataset for run in runs if not run.is_reference}
        return list(dict.fromkeys((r.dataset, r.model) for r in runs if not r.is_reference or r.dataset not in trained))

    def labels(self, dataset: str, model: str) -> list[str]:
        """Row labels with at least one finished run that is no trial, in the order of the plan."""
        return list(
            dict.fromkeys(
                run.label for run in self.runs if (run.dataset, run.model, run.trial) == (dataset, model, None)
            )
        )

    def references(self, dataset: str, noise: float = 0.0) -> dict[str, list[RunRecord]]:
        """Finished runs of the reference rows of a data set by label, in order of their seeds."""
        rows = dict.fromkeys((run.model, run.label) for run in self.runs if run.is_reference and run.dataset == dataset)
        finished = {label: self.seeds_of(dataset, model, label, noise) for model, label in rows}
        return {label: runs for label, runs in finished.items() if runs}

    def _of(self, dataset: str, model: str, label: str, noise: float, trials: bool) -> list[RunRecord]:
        wanted = (dataset, model, label, noise, trials)
        return [
            run for run in self.runs if (run.dataset, run.model, run.label, run.noise, run.trial is not None) == wanted
        ]


def read_comparison(folder: Path) -> Comparison:
    """Read the folder of a comparison (with a plan.yaml) or of a single run (with a result.json).

    A run that cannot be read goes to `failed` with the reason. Plugins that a plan names are not loaded.

    Raises:
        UserError: the folder holds neither, its plan cannot be read, or the result of a single run cannot be used.
    """
    folder = Path(folder)
    if (folder / PLAN).is_file():
        from recbole_dtlns.comparison.plan.plan_file import read_plan

        return gather(folder, read_plan(folder / PLAN), read_failures(folder))
    if (folder / RESULT).is_file():
        return Comparison(folder, folder.resolve().name, None, [_single_run(folder)])
    raise UserError(
        f"{folder} holds neither a {PLAN} (a comparison) nor a {RESULT} (a finished run). Give the run_dir of either."
    )


def gather(folder: Path, plan: ComparisonPlan, failures: Mapping[str, str]) -> Comparison:
    """What there is of every run of a plan; a run named in `failures` (id -> reason) is a failed one."""
    comparison = Comparison(folder, folder.resolve().name, plan)
    for run in all_runs(plan):
        home = folder / RUNS / run.run_id
        if run.run_id in failures:
            comparison.failed.append(FailedRun(run.run_id, home, failures[run.run_id]))
        elif not (home / RESULT).is_file():
            if run.trial is None or not (home.parent / CHOSEN).is_file():  # else the search has ended without it
                comparison.pending.append(run.run_id)
        else:
            try:
                comparison.runs.append(make_record(run, home, trained_result(home)))
            except (UserError, OSError) as error:
                comparison.failed.append(FailedRun(run.run_id, home, str(error)))
    return comparison


def trained_result(folder: Path) -> Result:
    """The `result.json` of a run that trained a model.

    Raises:
        UserError: it cannot be read, or is of `identify`, which trains none.
    """
    result = read_result(folder)
    if result["model"] is None:
        raise UserError(
            f"{folder} holds a run of `identify`, which trains no model. Give the run_dir of a training run."
        )
    return result


def make_record(run: Run, folder: Path, result: Result) -> RunRecord:
    """The record of a run of a plan."""
    cell = run.cell
    return RunRecord(
        run_id=run.run_id,
        folder=folder,
        dataset=cell.dataset,
        model=cell.model,
        label=cell.label,
        sampler=cell.row.name,
        judge=cell.judge,
        noise=cell.noise,
        seed=run.seed,
        trial=run.trial,
        result=result,
    )


def read_failures(folder: Path) -> dict[str, str]:
    """Reasons by run id as `compare` left them; empty where it left none, or none that can be read."""
    reasons = _read_json(folder / FAILED)
    return {str(key): str(reason) for key, reason in reasons.items()} if isinstance(reasons, dict) else {}


def _read_json(path: Path) -> Any:
    """The content of a JSON file; None where there is none that can be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def _single_run(folder: Path) -> RunRecord:
    """The record of a run that belongs to no comparison; its label is put together from what it says of itself."""
    result = trained_result(folder)
    config, judge, model = result["config"], result["judge"], str(result["model"])
    sampler = result["neg_sampler"] or model
    view, judged = config.get("tree_view") is True, judge != "none"
    own = sampler == "dtl_ns"
    positives = judged and model != JUDGED_ORDER
    loss = "+list" if result["positives_loss"] == "list" else "+pos"
    name = sampler + ("+tree" if view and not own else "") + (loss if positives and not own else "")
    return RunRecord(
        run_id=folder.resolve().name,
        folder=folder,
        dataset=result["dataset"],
        model=model,
        label=f"{name}@{judge}" if judged else name,
        sampler=name,
        judge=judge,
        noise=float(config.get("noise_rate") or 0.0),
        seed=result["seed"],
        trial=None,
        result=result,
    )
