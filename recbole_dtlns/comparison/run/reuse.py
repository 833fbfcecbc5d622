"""Which finished runs of a folder a plan uses again, and where it must not begin there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from recbole_dtlns.comparison.plan.plan import ComparisonPlan
from recbole_dtlns.comparison.run.config_of_run import run_config
from recbole_dtlns.comparison.run.execute import require_reusable
from recbole_dtlns.comparison.run.records import (
    CHOSEN,
    PLAN,
    RUNS,
    Comparison,
    FailedRun,
    RunRecord,
    UnfitRun,
    gather,
)
from recbole_dtlns.comparison.run.runs import Run, all_runs, trials_of
from recbole_dtlns.comparison.run.same_inputs import SameInputs
from recbole_dtlns.comparison.search.search import trial_keys
from recbole_dtlns.files.run_folder import RESULT
from recbole_dtlns.wording import counted

_Looked = tuple[RunRecord, Exception | None]


def so_far(folder: Path, plan: ComparisonPlan) -> tuple[Comparison, str | None]:
    """What a start would find in the folder, and why it would be refused there, as `reason_to_refuse` says.

    What it finds: runs that it would use, and as failed ones those that it would refuse. A run that failed for another
    reason is still to come, as a start would try it again.
    """
    comparison = gather(folder, plan, {})
    looked = list(_looked_at(comparison, plan))
    for record, error in looked:
        if error is not None:
            comparison.runs.remove(record)
            comparison.failed.append(FailedRun(record.run_id, record.folder, str(error)))
    return comparison, _reason(folder, plan, looked)


def reason_to_refuse(folder: Path, plan: ComparisonPlan) -> str | None:
    """Why plan and tables of a folder must not make room for those of another plan: it uses no finished run there.

    None: there is no reason. Where some runs fit, the others fail one by one, and the rest goes on. A run that cannot
    be read is no reason either.
    """
    return _reason(folder, plan, _looked_at(gather(folder, plan, {}), plan))


def _reason(folder: Path, plan: ComparisonPlan, looked: Iterable[_Looked]) -> str | None:
    if not (folder / PLAN).is_file():
        return None
    finished = sorted(path.parent.relative_to(folder / RUNS).as_posix() for path in (folder / RUNS).rglob(RESULT))
    if finished and not {run.run_id for run in all_runs(plan)}.intersection(finished):
        return (
            f"{folder} holds {counted(len(finished), 'finished run')}, such as {finished[0]}, and this plan asks for "
            "none of them: its tables would leave them out. Ask for the rows, models, data sets and seeds of "
            f"{folder / PLAN} as well, or choose another run_dir."
        )
    reasons: list[str] = []
    for _, error in looked:
        if error is None:
            return None  # the start itself looks at the others
        if isinstance(error, UnfitRun):
            reasons.append(f"No finished run in {folder} fits this plan. {error}")
    return reasons[0] if reasons else None


def _looked_at(comparison: Comparison, plan: ComparisonPlan) -> Iterator[_Looked]:
    """Each finished run, and the error that a start would refuse it with; None: it would use it."""
    runs = {run.run_id: run for run in all_runs(plan)}
    same_inputs = SameInputs(comparison.runs)
    for record in comparison.runs:
        try:
            keys = _known_keys(plan, runs[record.run_id], record)
            if keys is not None:
                require_reusable(record.result, record.folder, run_config(plan, runs[record.run_id], keys))
            same_inputs.check(record.dataset, record.model, record.result, record.folder)
        except Exception as error:  # as for a start, one run must never end the others
            yield record, error
        else:
            yield record, None


def _known_keys(plan: ComparisonPlan, run: Run, record: RunRecord) -> Mapping[str, Any] | None:
    """The keys that a start would give a run; None where they are not known before it.

    So it is where optuna would have to be asked, and where what the search has chosen cannot be read: a start chooses
    again.
    """
    if not trials_of(plan, run.cell):
        return {}
    if run.trial is None:
        chosen = record.chosen()
        if chosen is not None:
            return dict(chosen["keys"])
        return None if (record.folder.parent / CHOSEN).is_file() else {}
    return None if plan.search == "optuna" and run.trial > 0 else trial_keys(run.cell.row, plan)[run.trial]
