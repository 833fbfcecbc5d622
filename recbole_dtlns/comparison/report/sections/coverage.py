"""Popularity and coverage of what is recommended, beside accuracy."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from recbole_dtlns.comparison.report.mean_table import mean_table
from recbole_dtlns.comparison.report.measures import why_marked
from recbole_dtlns.comparison.report.plots import scatter
from recbole_dtlns.comparison.report.row import Row
from recbole_dtlns.comparison.report.section import Picture, Section
from recbole_dtlns.comparison.report.source import BEYOND_ACCURACY, Group, Source, best_of, slug
from recbole_dtlns.comparison.report.table import Column, Value
from recbole_dtlns.comparison.statistics.words import metric_name


def coverage(source: Source) -> Section:
    """Item coverage, average popularity and the Gini index of the test lists."""
    section = Section("coverage", "Popularity and coverage", short="Coverage")
    section.text.append(
        "ItemCoverage: share of all items in any user's list. AveragePopularity: mean number of training "
        "interactions of a recommended item; neither more nor less is better as such. GiniIndex: 0 = all items equally "
        "often, 1 = one only."
    )
    k = source.metric.partition("@")[2]
    beyond = [name for name in source.metrics if name.partition("@")[0] in BEYOND_ACCURACY]
    names = [name for name in beyond if name.partition("@")[2] == k] or beyond
    for group in source.groups:
        columns = [
            Column(f"test_{name}", f"Test {metric_name(name)}", "metric", best_of(name))
            for name in (source.metric, *names)
        ]
        table = mean_table(
            "coverage", section.title, group, columns, partial(_values, source, names), in_file=True, keep=2
        )
        if table is not None and len(table.columns) > 2:
            section.add(table)
            section.pictures += _pictures(source, group, names)
    return section


def _values(source: Source, names: list[str], row: Row) -> dict[str, Value]:
    return {f"test_{name}": row.test(name) for name in (source.metric, *names)}


def _pictures(source: Source, group: Group, names: list[str]) -> Iterator[Picture]:
    metric = metric_name(source.metric)
    for name in names:
        other = metric_name(name)
        alt = (
            f"Scatter plot of test {metric} against {other}, a point a row of {group.title}; the numbers are in the "
            f"table of popularity and coverage.{why_marked(group.ranked(source.metric))}"
        )
        draw = partial(scatter.against_metric, source, group, name)
        yield Picture(f"coverage-{slug(name)}-{group.slug}", f"Test {metric} beside {other}: {group.title}", alt, draw)
