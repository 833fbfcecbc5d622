"""Accuracy against something else, a point a row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter

from recbole_dtlns.comparison.number_text import fraction_text
from recbole_dtlns.comparison.report.formats import shown
from recbole_dtlns.comparison.report.plots.chart import Chart
from recbole_dtlns.comparison.report.plots.style import INK, dress, legend, look_of, plain_ticks
from recbole_dtlns.comparison.report.source import Group, Row, Source, best_of
from recbole_dtlns.comparison.report.table import Spread
from recbole_dtlns.comparison.statistics.words import metric_name

Measure = Callable[[Row], Spread | None]


def against_cost(source: Source, group: Group, cost: Measure, title: str) -> Chart:
    """Test metric against what a row costs, with the Pareto line; a logarithmic axis where costs differ tenfold."""
    chart = _points(source, group, cost, title)
    points = [(row, x.mean, y.mean) for row in group.rows if (x := cost(row)) and (y := row.test(source.metric))]
    front = pareto([(x, y) for row, x, y in points if not row.marks], lower_is_better=best_of(source.metric) == "min")
    if len(front) > 1:
        x, y = np.array(front).T
        chart.body.step(x, y, where="post", color=INK, linewidth=1, linestyle=(0, (4, 3)), alpha=0.6, zorder=1)
    costs = [x for _, x, _ in points]
    if min(costs) > 0 and max(costs) > 10 * min(costs):
        chart.body.set_xscale("log")
        chart.body.xaxis.set_major_locator(LogLocator(10, numticks=6))
        chart.body.xaxis.set_minor_formatter(NullFormatter())
    plain_ticks(chart.body, x=True)
    return chart


def against_metric(source: Source, group: Group, name: str) -> Chart:
    """Test metric against another one."""
    return _points(source, group, lambda row: row.test(name), f"Test {metric_name(name)}")


def pareto(points: Sequence[tuple[float, float]], lower_is_better: bool = False) -> list[tuple[float, float]]:
    """Those of (cost, value) points that no other beats in both, from the cheapest to the best."""
    sign = -1 if lower_is_better else 1
    front: list[tuple[float, float]] = []
    for cost, value in sorted(points, key=lambda point: (point[0], -sign * point[1])):
        if not front or sign * value > sign * front[-1][1]:
            front.append((cost, value))
    return front


def _points(source: Source, group: Group, x_of: Measure, title: str) -> Chart:
    rows, metric = group.ranked(source.metric), metric_name(source.metric)
    chart = Chart(8.4, max(3.8, 0.8 + 0.2 * min(len(rows), 20)))
    for row in rows:
        x, y, look = x_of(row), row.test(source.metric), look_of(source.labels, row.label)
        if x is None or y is None:
            continue
        place = source.labels.index(row.label)
        style: dict[str, Any] = {"color": look.colour, "marker": look.marker}
        style |= {"xerr": x.sd, "yerr": y.sd, "elinewidth": 0.9, "markersize": 7, "linestyle": ""}
        drawn = chart.body.errorbar(x.mean, y.mean, label=row.caption, **style)
        chart.of_row(place, *drawn.get_children())
        values = f"{title} {shown(x, 'metric' if x.mean < 10 else 'count')}: {metric} {fraction_text(y.mean)}"
        chart.tell(place, [x.mean], [y.mean], [values])
    dress(chart.body, title, f"Test {metric}", grid="both")
    plain_ticks(chart.body, x=True, y=True)
    chart.body.locator_params(axis="x", nbins=5)
    legend(chart, chart.body)
    return chart
