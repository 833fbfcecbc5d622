"""Accuracy against the noise rate."""

from __future__ import annotations

import numpy as np

from recbole_dtlns.comparison.report.plots.chart import Chart
from recbole_dtlns.comparison.report.plots.lines import Series, draw_lines
from recbole_dtlns.comparison.report.plots.style import dress, percent_ticks, plain_ticks
from recbole_dtlns.comparison.report.source import Group, Row, Source
from recbole_dtlns.comparison.statistics.words import metric_name


def rows_of(source: Source, group: Group, levels: list[float]) -> list[Row]:
    """Rows that ran at more than the lowest level, each as it is at the first level at which it has marks, if any."""
    groups = [source.at_noise(group, level) for level in levels]
    noisy = [row for row in group.rows if any(each.row(row.label) for each in groups[1:])]
    marked = {row.label: row for each in reversed(groups) for row in each.rows if row.marks}
    return [marked.get(row.label, row) for row in noisy]


def draw(source: Source, group: Group, levels: list[float]) -> Chart:
    """A line a row through its means, with the standard deviation over seeds; rows moved a little apart."""
    chart = Chart(8.2, 4.0)
    groups = {level: source.at_noise(group, level) for level in levels}
    rows = rows_of(source, group, levels)
    step = 0.012 * (levels[-1] - levels[0]) / max(1, len(rows) // 6)
    curves = []
    for place, row in enumerate(rows):
        tested = [(level, noisy.test(source.metric)) for level in levels if (noisy := groups[level].row(row.label))]
        points = [(level + step * (place - len(rows) / 2), value) for level, value in tested if value is not None]
        x, y = np.array([at for at, _ in points]), np.array([value.mean for _, value in points])
        curves.append(Series(row, x, y, bars=np.array([value.sd or 0.0 for _, value in points])))
    metric = metric_name(source.metric)
    draw_lines(chart, source, group, curves, "Noise", metric)
    chart.body.set_xticks(levels)
    percent_ticks(chart.body, x=True)
    dress(chart.body, "Noise rate", f"Test {metric}")
    plain_ticks(chart.body, y=True)
    return chart
