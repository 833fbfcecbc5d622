"""What a report is about: the runs of a comparison as rows, the row that is ours, the metric that heads everything."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from recbole_dtlns.comparison.plan.rows import METHOD_ROWS
from recbole_dtlns.comparison.report.intervals import Intervals, user_intervals
from recbole_dtlns.comparison.report.row import Row, problem_of
from recbole_dtlns.comparison.run.records import Comparison
from recbole_dtlns.comparison.statistics import Compared, all_pairs, family_of, turned
from recbole_dtlns.comparison.statistics.values import row_values
from recbole_dtlns.config.eval_modes import ranking_text, sampled_warning
from recbole_dtlns.config.nearest import nearest
from recbole_dtlns.errors import UserError

SPREAD_OF_LISTS = ("itemcoverage", "averagepopularity")  # of those beyond accuracy, the two that stand beside it
UNIFORM = ("recbole:uniform", "uniform")
BEYOND_ACCURACY = ("itemcoverage", "averagepopularity", "giniindex", "shannonentropy", "tailpercentage")
_BEST = {"giniindex": "min", "averagepopularity": None, "logloss": "min", "mae": "min", "rmse": "min"}


def best_of(metric: str) -> str | None:
    """`max` or `min`, whichever is better; None where neither is."""
    return _BEST.get(metric.partition("@")[0], "max")


def is_accuracy(metric: str) -> bool:
    """Whether a metric compares lists with held-out items."""
    return metric.partition("@")[0] not in BEYOND_ACCURACY


def slug(*words: object) -> str:
    """A name for files and anchors; other characters become `+HEX+`, so that no two names become one."""
    return re.sub(r"[^A-Za-z0-9._-]", lambda match: f"+{ord(match[0]):x}+", "-".join(str(word) for word in words))


@dataclass(frozen=True, eq=False)
class Group:
    """A data set and a model, with the rows that are compared on it at one noise rate."""

    dataset: str
    model: str
    rows: list[Row]
    noise: float = 0.0

    @property
    def name(self) -> str:
        """`LightGCN on ml-100k`."""
        return f"{self.model} on {self.dataset}"

    @property
    def title(self) -> str:
        """The same, with the noise rate if there is noise: `LightGCN on ml-100k at 10 % noise`."""
        return f"{self.name} at {100 * self.noise:g} % noise" if self.noise else self.name

    @property
    def slug(self) -> str:
        """Its data set and model, for names of files."""
        return slug(self.dataset, self.model)

    def row(self, label: str) -> Row | None:
        """The row of that label, if it is there."""
        return next((row for row in self.rows if row.label == label), None)

    def ranked(self, metric: str) -> list[Row]:
        """Rows that have the test metric, the best first."""
        means = [(value.mean, row) for row in self.rows if (value := row.test(metric)) is not None]
        sign = 1 if best_of(metric) == "min" else -1
        return [row for _, row in sorted(means, key=lambda pair: sign * pair[0])]


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
        self._rows_tested: dict[Group, list[Row]] = {}
        self._intervals: dict[Group, Intervals] = {}
        self._pairs_tested: dict[Group, list[Compared]] = {}
        self.metric = self._metric(metric)
        self.ours = self._ours(ours)

    @cached_property
    def groups(self) -> list[Group]:
        """Every data set and model at its lowest noise rate with a finished run, mostly 0; reference rows last."""
        return [self.at_noise(group, self.noise_levels(group)[0]) for group in self._names]

    @cached_property
    def _names(self) -> list[Group]:
        return [Group(*names, []) for names in self.comparison.groups()]

    @cached_property
    def labels(self) -> list[str]:
        """All row labels, ours first, then in order: the order of colours in every figure."""
        first = dict.fromkeys([self.ours] if self.ours else [])
        return list(first | dict.fromkeys(run.label for run in self.runs))

    @cached_property
    def metrics(self) -> list[str]:
        """All test metrics, in RecBole's order; those of validation where test was not read."""
        test = dict.fromkeys(name for run in self.runs for name in run.result["test_result"] or {})
        return list(test or dict.fromkeys(name for run in self.runs for name in run.result["best_valid_result"] or {}))

    @property
    def ranking(self) -> str:
        """What metrics are of, `full ranking of all items`; empty where no run says it."""
        return " or ".join(self._of_evaluation(ranking_text))

    @property
    def sampled(self) -> list[str]:
        """A warning for each way in which runs sampled the items that they ranked."""
        return self._of_evaluation(sampled_warning)

    def _of_evaluation(self, of: Callable[[Any], str | None]) -> list[str]:
        texts = dict.fromkeys(of(run.result["config"].get("eval_args")) for run in self.runs)
        return [text for text in texts if text]

    def intervals(self, group: Group) -> Intervals:
        """The interval over users of each row of a group."""
        if group not in self._intervals:
            self._intervals[group] = user_intervals(group.rows, self.metric)
        return self._intervals[group]

    def against_ours(self, group: Group) -> list[Compared]:
        """Our row against each other one; nothing where there is none, or where tests are not possible."""
        return family_of(self.all_pairs(group), self.ours) if self.ours is not None else []

    def against_baseline(self, group: Group) -> dict[str, Compared]:
        """Each row against the baseline of the group, by its label; the difference is that row - the baseline."""
        baseline = self.baseline(group)
        family = family_of(self.all_pairs(group), baseline.label) if baseline is not None else []
        return {each.second: turned(each) for each in family}

    def baseline(self, group: Group) -> Row | None:
        """The row that differences are told from: uniform sampling, RecBole's own before ours, else the least accurate.

        Never one with marks; None where fewer than two rows have none.
        """
        rows = [row for row in group.ranked(self.metric) if not row.marks]
        uniform = (row for sampler in UNIFORM for row in rows if row.runs[0].sampler == sampler)
        return next(uniform, rows[-1]) if len(rows) > 1 else None

    def all_pairs(self, group: Group) -> list[Compared]:
        """Every pair of rows; nothing where tests are not possible."""
        if group not in self._pairs_tested:
            self._pairs_tested[group] = self._tested(group)
        return self._pairs_tested[group]

    def _tested(self, group: Group) -> list[Compared]:
        rows = self._testable(group)
        if len(rows) < 2:
            return []
        testable = replace(self.comparison, runs=[run for row in rows for run in row.runs])
        try:
            extra = testable.references(group.dataset, group.noise)
            return all_pairs(testable, group.dataset, group.model, self.metric, group.noise, extra=extra)
        except UserError as error:  # one group that cannot be tested must not cost the report of the others
            self.problems[f"{group.title}: no tests"] = str(error)
            return []

    def _testable(self, group: Group) -> list[Row]:
        """Without rows that a damaged or missing file costs their tests, each of which is named."""
        if group not in self._rows_tested:
            self._rows_tested[group] = [row for row in group.rows if self._is_whole(group, row)]
        return self._rows_tested[group]

    def left_out(self, group: Group) -> list[Row]:
        """Rows that a damaged or missing file costs all tests; `problems` says which."""
        whole = self._testable(group)
        return [row for row in group.rows if row not in whole]

    def _is_whole(self, group: Group, row: Row) -> bool:
        try:
            row_values(row.label, row.runs, self.metric)
        except UserError as error:
            self.problems[f"{row.label}, {group.title}: left out of all tests"] = str(error)
            return False
        return True

    def unreadable(self, kind: str) -> list[str]:
        """A sentence for each run whose `epochs` or `hardness` cannot be read."""
        return [problem for run in self.runs if (problem := problem_of(run, kind)) is not None]

    def foremost(self, group: Group, rows: list[Row], most: int) -> list[Row]:
        """So many of the rows, in their order: ours and the most accurate ones."""
        order = {row.label: place for place, row in enumerate(group.ranked(self.metric))}
        best = sorted(rows, key=lambda row: (row.label != self.ours, order.get(row.label, len(order))))[:most]
        return [row for row in rows if row in best]

    def noise_levels(self, group: Group) -> list[float]:
        """Noise rates with a finished run, from low to high."""
        return sorted({run.noise for run in self.runs if (run.dataset, run.model) == (group.dataset, group.model)})

    def at_noise(self, group: Group, noise: float) -> Group:
        """The same group at another noise rate, without rows that were not run there."""
        return Group(group.dataset, group.model, self._rows(group.dataset, group.model, noise), noise)

    def _rows(self, dataset: str, model: str, noise: float) -> list[Row]:
        comparison = self.comparison
        rows = [
            Row(
                label,
                comparison.seeds_of(dataset, model, label, noise),
                comparison.trials_of(dataset, model, label, noise),
            )
            for label in comparison.labels(dataset, model)
        ]
        aside = [
            Row(label, runs, comparison.trials_of(dataset, runs[0].model, label, noise), aside=True)
            for label, runs in comparison.references(dataset, noise).items()
            if runs[0].model != model
        ]
        return [row for row in [*rows, *aside] if row.runs]

    def _metric(self, asked: str | None) -> str:
        metrics = self.metrics
        if asked is not None:
            if asked.lower() not in metrics:
                raise UserError(
                    f"--metric={asked}: the runs have {', '.join(metrics) or 'no metrics'}"
                    f"{nearest(asked, metrics) or '.'}"
                )
            return asked.lower()
        config = self.runs[0].result["config"] if self.runs else {}
        chosen = str(config.get("valid_metric") or "").lower()
        return chosen if chosen in metrics or not metrics else metrics[0]

    def _ours(self, asked: str | None) -> str | None:
        labels = list(dict.fromkeys(run.label for run in self.runs))
        if asked is not None:
            if asked not in labels:
                raise UserError(
                    f"--ours={asked}: the rows are {', '.join(labels) or 'none'}{nearest(asked, labels) or '.'}"
                )
            return asked
        own = (run.label for sampler in METHOD_ROWS for run in self.runs if run.sampler == sampler)
        return next(own, None)
