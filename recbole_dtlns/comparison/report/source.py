"""What a report is about: the runs of a comparison as rows, the row that is ours, the metric that heads everything."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from recbole_dtlns.comparison.records import Comparison, RunRecord
from recbole_dtlns.comparison.report.table import Spread, spread
from recbole_dtlns.comparison.statistics import Compared, significance
from recbole_dtlns.errors import UserError

BEYOND_ACCURACY = ("itemcoverage", "averagepopularity", "giniindex", "shannonentropy", "tailpercentage")
_BEST = {"giniindex": "min", "averagepopularity": None, "logloss": "min", "mae": "min", "rmse": "min"}


def best_of(metric: str) -> str | None:
    """`max` or `min`, whichever is better; None where neither is."""
    return _BEST.get(metric.partition("@")[0], "max")


def is_accuracy(metric: str) -> bool:
    """Whether a metric compares lists with held-out items."""
    return metric.partition("@")[0] not in BEYOND_ACCURACY


def slug(*words: object) -> str:
    """A name for files and anchors: letters, digits, dots and dashes."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", "-".join(str(word) for word in words)).strip("-")


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
        return tuple(dict.fromkeys(mark for run in self.runs for mark in run.result.get("marks") or []))

    def each(self, of: Callable[[RunRecord], Any]) -> list[Any]:
        """One value a run, without those that are None."""
        return [value for value in map(of, self.runs) if value is not None]

    def mean(self, of: Callable[[RunRecord], float | None]) -> Spread | None:
        """Mean and standard deviation of something over the seeds."""
        return spread(self.each(of))

    def test(self, metric: str) -> Spread | None:
        """A test metric over the seeds; None where test was not read or has no such metric."""
        return self.mean(lambda run: (run.result.get("test_result") or {}).get(metric))

    def valid(self, metric: str) -> Spread | None:
        """A valid metric of the best epoch over the seeds."""
        return self.mean(lambda run: (run.result.get("best_valid_result") or {}).get(metric))

    def seconds(self, stage: str) -> Spread | None:
        """Seconds of a stage over the seeds; None where it did not run."""
        return self.mean(lambda run: (run.result.get("seconds") or {}).get(stage))


@dataclass(frozen=True, eq=False)
class Group:
    """A data set and a model, with the rows that are compared on it."""

    dataset: str
    model: str
    rows: list[Row]

    @property
    def title(self) -> str:
        """`LightGCN on ml-100k`."""
        return f"{self.model} on {self.dataset}"

    @property
    def slug(self) -> str:
        """The same for names of files."""
        return slug(self.dataset, self.model)

    def row(self, label: str) -> Row | None:
        """The row of that label, if it is there."""
        return next((row for row in self.rows if row.label == label), None)

    def ranked(self, metric: str) -> list[Row]:
        """Rows that have the test metric, the best first."""
        known = [(value.mean, row) for row in self.rows if (value := row.test(metric)) is not None]
        sign = 1 if best_of(metric) == "min" else -1
        return [row for _, row in sorted(known, key=lambda pair: sign * pair[0])]


class Source:
    """A comparison, or a single run, as the sections of a report read it.

    Args:
        comparison: what was read.
        ours: label of the row that is tested against all others; unset: the first whose sampler is `dtl_ns`.
        metric: heads tables, tests and plots; unset: the metric that validation went by.

    Raises:
        UserError: an unknown row or metric, with the nearest names.
    """

    def __init__(self, comparison: Comparison, ours: str | None = None, metric: str | None = None) -> None:
        single = comparison.plan is None
        if single:  # a run without test is still what the report is about, and no trial of anything
            comparison = replace(comparison, runs=[replace(run, trial=None) for run in comparison.runs])
        self.comparison, self.single = comparison, single
        self.runs = [run for run in comparison.runs if run.trial is None]
        self.problems: dict[str, str] = {}
        self._ours_tested: dict[Group, list[Compared]] = {}
        self._pairs_tested: dict[Group, list[Compared]] = {}
        self.metric = self._metric(metric)
        self.ours = self._ours(ours)

    @cached_property
    def groups(self) -> list[Group]:
        """Every data set and model without noise, reference rows last."""
        return [Group(*names, self._rows(*names, 0.0)) for names in self.comparison.groups()]

    @cached_property
    def labels(self) -> list[str]:
        """All row labels, ours first, then in order: the order of colours in every figure."""
        found = dict.fromkeys([self.ours] if self.ours else [])
        return list(found | dict.fromkeys(run.label for run in self.runs))

    @cached_property
    def metrics(self) -> list[str]:
        """All test metrics, in RecBole's order; those of validation where test was not read."""
        test = dict.fromkeys(name for run in self.runs for name in run.result.get("test_result") or {})
        return list(test or dict.fromkeys(name for run in self.runs for name in run.result["best_valid_result"] or {}))

    def against_ours(self, group: Group) -> list[Compared]:
        """Our row against each other one; nothing where there is none, or where tests are not possible."""
        ours = self.ours if group.row(self.ours or "") is not None else None
        if group not in self._ours_tested:
            test = functools.partial(significance.against_ours, ours=ours)
            self._ours_tested[group] = self._tested(group, test)
        return self._ours_tested[group]

    def all_pairs(self, group: Group) -> list[Compared]:
        """Every pair of rows; nothing where tests are not possible."""
        if group not in self._pairs_tested:
            self._pairs_tested[group] = self._tested(group, significance.all_pairs)
        return self._pairs_tested[group]

    def _tested(self, group: Group, test: Callable[..., list[Compared]]) -> list[Compared]:
        if len(group.rows) < 2:
            return []
        try:
            extra = self.comparison.references(group.dataset)
            return test(self.comparison, group.dataset, group.model, self.metric, extra=extra)
        except UserError as error:  # one group that cannot be tested must not cost the report of the others
            self.problems[group.title] = str(error)
            return []

    def foremost(self, group: Group, rows: list[Row], most: int) -> list[Row]:
        """The rows that a plot has room for, in their order: ours and the most accurate ones."""
        order = {row.label: place for place, row in enumerate(group.ranked(self.metric))}
        best = sorted(rows, key=lambda row: (row.label != self.ours, order.get(row.label, len(order))))[:most]
        return [row for row in rows if row in best]

    def noise_levels(self, group: Group) -> list[float]:
        """Noise rates with a finished run, from low to high."""
        return sorted({run.noise for run in self.runs if (run.dataset, run.model) == (group.dataset, group.model)})

    def at_noise(self, group: Group, noise: float) -> Group:
        """The same group at another noise rate, without rows that were not run there."""
        return Group(group.dataset, group.model, self._rows(group.dataset, group.model, noise))

    def _rows(self, dataset: str, model: str, noise: float) -> list[Row]:
        held = self.comparison
        rows = [
            Row(label, held.seeds_of(dataset, model, label, noise), held.trials_of(dataset, model, label, noise))
            for label in held.labels(dataset, model)
        ]
        aside = [
            Row(label, runs, held.trials_of(dataset, runs[0].model, label, noise), aside=True)
            for label, runs in held.references(dataset, noise).items()
            if runs[0].model != model
        ]
        return [row for row in [*rows, *aside] if row.runs]

    def _metric(self, asked: str | None) -> str:
        known = self.metrics
        if asked is not None:
            if asked.lower() not in known:
                raise UserError(
                    f"--metric={asked}: the runs have {', '.join(known) or 'no metrics'}.{near(asked, known)}"
                )
            return asked.lower()
        config = self.runs[0].result["config"] if self.runs else {}
        chosen = str(config.get("valid_metric") or "").lower()
        return chosen if chosen in known or not known else known[0]

    def _ours(self, asked: str | None) -> str | None:
        labels = list(dict.fromkeys(run.label for run in self.runs))
        if asked is not None:
            if asked not in labels:
                raise UserError(f"--ours={asked}: the rows are {', '.join(labels) or 'none'}.{near(asked, labels)}")
            return asked
        own = (run.label for run in self.runs if run.sampler == "dtl_ns")
        return next(own, None)


def near(word: str, known: Iterable[str]) -> str:
    """` Did you mean ...?`, or nothing."""
    found = difflib.get_close_matches(word, list(known), n=1)
    return f" Did you mean {found[0]}?" if found else ""
