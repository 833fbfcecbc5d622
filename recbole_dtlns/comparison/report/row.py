"""One row of a report: the runs of a cell over its seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from recbole_dtlns.comparison.report.table import Spread, spread
from recbole_dtlns.comparison.run.records import RunRecord
from recbole_dtlns.errors import UserError

Log = dict[int, dict[str, float | None]]


def problem_of(run: RunRecord, kind: str) -> str | None:
    """What is wrong with the `epochs` or the `hardness` of a run; None where they can be read."""
    try:
        getattr(run, kind)()
    except UserError as error:
        return str(error)
    return None


@dataclass(frozen=True)
class Row:
    """The runs of one cell over its seeds.

    Attributes:
        label: as tables show it.
        runs: finished ones, in order of their seeds.
        trials: finished trials of its search.
        aside: a reference row of its own model, such as EASE, that stands beside every model of the data set.
    """

    label: str
    runs: list[RunRecord]
    trials: list[RunRecord]
    aside: bool = False

    @property
    def marks(self) -> tuple[str, ...]:
        """What must stand beside the row's numbers in every table."""
        return tuple(dict.fromkeys(mark for run in self.runs for mark in run.result["marks"]))

    @property
    def caption(self) -> str:
        """The label as figures show it."""
        return self.label + (" (marked)" if self.marks else "")

    @property
    def folder(self) -> Path:
        """The folder that holds its runs, a folder each."""
        return self.runs[0].folder.parent

    def logs(self, kind: str) -> list[Log]:
        """The records by epoch, `epochs` or `hardness`, of each run that has one and whose file can be read."""
        return [log for run in self.runs if problem_of(run, kind) is None and (log := getattr(run, kind)())]

    def each(self, of: Callable[[RunRecord], Any]) -> list[Any]:
        """One value a run, without those that are None."""
        return [value for value in map(of, self.runs) if value is not None]

    def mean(self, of: Callable[[RunRecord], float | None]) -> Spread | None:
        """Mean and standard deviation of something over the seeds."""
        return spread(self.each(of))

    def test(self, metric: str) -> Spread | None:
        """A test metric over the seeds; None where test was not read or has no such metric."""
        return self.mean(lambda run: (run.result["test_result"] or {}).get(metric))

    def valid(self, metric: str) -> Spread | None:
        """A valid metric of the best epoch over the seeds."""
        return self.mean(lambda run: (run.result["best_valid_result"] or {}).get(metric))

    def seconds(self, stage: str) -> Spread | None:
        """Seconds of a stage over the seeds; None where it did not run."""
        return spread(cast(Mapping[str, Any], run.result["seconds"])[stage] for run in self.runs)
