"""What training recorded, epoch by epoch, as lines."""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import MaxNLocator

from recbole_dtlns.comparison.report.plots.chart import Chart
from recbole_dtlns.comparison.report.plots.lines import Series, draw_lines
from recbole_dtlns.comparison.report.plots.style import dress, plain_ticks
from recbole_dtlns.comparison.report.source import Group, Row, Source

Curve = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def curves_of(group: Group, column: str, by_second: bool = False) -> dict[str, Curve | None]:
    """By label: x (epochs or mean seconds), mean, lowest and highest over seeds, each [n]; None without values."""
    return {row.label: _curve(row, column, by_second) for row in group.rows}


def _curve(row: Row, column: str, by_second: bool) -> Curve | None:
    logs = row.logs("epochs")
    recorded = [{epoch for epoch, values in log.items() if values.get(column) is not None} for log in logs]
    epochs = sorted(set.intersection(*recorded)) if recorded else []
    if len(epochs) < 2:  # models that are fitted in one go have one: that is no curve
        return None
    values = np.array([[log[epoch][column] for epoch in epochs] for log in logs], dtype=np.float64)
    x = np.array(epochs, dtype=np.float64)
    if by_second:
        seconds = np.array([[log[epoch].get("seconds") for epoch in epochs] for log in logs], dtype=np.float64)
        if np.isnan(seconds).any():
            return None
        x = seconds.mean(axis=0)
    return x, values.mean(axis=0), values.min(axis=0), values.max(axis=0)


def draw(source: Source, group: Group, column: str, title: str, by_second: bool = False) -> Chart:
    """The mean of each row with a band from the lowest to the highest seed."""
    chart, curves = Chart(8.4, 4.0), curves_of(group, column, by_second)
    drawn = [
        Series(row, curve[0], curve[1], band=(curve[2], curve[3]))
        for row in group.rows
        if (curve := curves[row.label]) is not None
    ]
    x, y = "Seconds of training" if by_second else "Epoch", title.partition(" by ")[0]
    draw_lines(chart, source, group, drawn, "Second" if by_second else "Epoch", y)
    dress(chart.body, x, y)
    plain_ticks(chart.body, y=True)
    chart.body.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    return chart
