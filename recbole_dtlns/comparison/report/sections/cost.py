"""What the runs cost: accuracy against seconds and memory, and seconds by stage."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from recbole_dtlns.comparison.report.mean_table import mean_table
from recbole_dtlns.comparison.report.measures import why_marked
from recbole_dtlns.comparison.report.plots import scatter
from recbole_dtlns.comparison.report.row import Row
from recbole_dtlns.comparison.report.section import Picture, Section
from recbole_dtlns.comparison.report.sections.judging import judged_runs
from recbole_dtlns.comparison.report.source import Group, Source
from recbole_dtlns.comparison.report.table import Column, Spread, Table, Value
from recbole_dtlns.comparison.statistics.words import metric_name

_STAGES = {
    "trees": "Trees",
    "candidates": "Candidates",
    "judging": "Judging",
    "training": "Training",
    "sampling": "of it sampling",
    "evaluation": "Evaluation",
}
_KEY = "Dashed: the Pareto line, through the rows that no other beats both in accuracy and in cost; marked rows aside."


def cost(source: Source) -> Section:
    """Accuracy against cost in figures, seconds by stage and peak memory in a table, means over seeds."""
    section = Section("cost", "Accuracy and cost", short="Cost")
    section.text.append(
        "Seconds as measured, with whatever else ran on the machine; training ends where early stopping ended it. A "
        "stage that an earlier run had left ready took only the time to read it."
        + (" What judging cost in all is told under Inferred positives." if judged_runs(source) else "")
    )
    for group in source.groups:
        section.pictures += _against_cost(source, group)
        section.add(cost_table(group))
    return section


def cost_table(group: Group) -> Table | None:
    """Seconds by stage and peak memory of each row."""
    columns = (
        *(Column(stage, f"{title} (s)", "seconds") for stage, title in _STAGES.items()),
        Column("memory", "Peak memory (MB)", "count"),
    )
    return mean_table("cost", "Cost", group, columns, _values)


def _values(row: Row) -> dict[str, Value]:
    return {**{stage: row.seconds(stage) for stage in _STAGES}, "memory": _memory(row)}


def _memory(row: Row) -> Spread | None:
    return row.mean(lambda run: run.result["peak_memory_mb"])


def _training(row: Row) -> Spread | None:
    return row.seconds("training")


def _against_cost(source: Source, group: Group) -> Iterator[Picture]:
    metric = metric_name(source.metric)
    asked = (
        ("seconds", _training, "Training seconds", "seconds of training"),
        ("memory", _memory, "Peak memory, MB", "peak memory"),
    )
    for name, measure, axis, words in asked:
        rows = [row for row in group.ranked(source.metric) if measure(row) is not None]
        if len(rows) > 1:
            alt = (
                f"Scatter plot of test {metric} against {words} for {len(rows)} rows of {group.title}, with "
                f"the Pareto line. The numbers are in the tables of accuracy and cost.{why_marked(rows)}"
            )
            draw = partial(scatter.against_cost, source, group, measure, axis)
            yield Picture(f"{name}-{group.slug}", f"Test {metric} against {words}: {group.title}", alt, draw, _KEY)
