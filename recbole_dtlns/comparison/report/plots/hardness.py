"""Hardness of negatives by epoch, a figure a quantity."""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import MaxNLocator

from recbole_dtlns.comparison.report.plots.chart import Chart
from recbole_dtlns.comparison.report.plots.lines import Series, draw_lines
from recbole_dtlns.comparison.report.plots.style import dress, percent_ticks, plain_ticks
from recbole_dtlns.comparison.report.source import Group, Row, Source

QUANTITIES = {
    "score_gap": "Score gap",
    "hardest_share": "Hardest candidate chosen",
    "valid_share": "Valid positives among negatives",
    "similarity_co": "Similarity, co-occurrence tree",
    "similarity_se": "Similarity, semantic tree",
}
SHARES = frozenset({"hardest_share", "valid_share"})


def epochs_of(row: Row) -> dict[int, dict[str, float | None]]:
    """The record of the row's first seed that has one: seeds look alike here."""
    return next(iter(row.logs("hardness")), {})


def rows_with(group: Group, name: str) -> list[Row]:
    """Rows with a quantity in some epoch."""
    return [row for row in group.rows if any(values.get(name) is not None for values in epochs_of(row).values())]


def draw(source: Source, group: Group, name: str) -> Chart:
    """One quantity of each row; the share of valid positives has what chance would give beside it, dotted."""
    chart = Chart(7.2, 3.6)
    curves = []
    for row in rows_with(group, name):
        x, y = _column(row, name)
        chance = _column(row, "valid_chance") if name == "valid_share" else (x, None)
        curves.append(Series(row, x, y, beside=chance[1] if len(chance[0]) == len(x) else None))
    draw_lines(chart, source, group, curves, "Epoch", QUANTITIES[name])
    dress(chart.body, "Epoch", QUANTITIES[name])
    (percent_ticks if name in SHARES else plain_ticks)(chart.body, y=True)
    chart.body.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    return chart


def _column(row: Row, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Epochs and values, each [n], of the epochs that have one."""
    points = [(epoch, value) for epoch, values in epochs_of(row).items() if (value := values.get(name)) is not None]
    columns = np.array(points, dtype=np.float64).reshape(-1, 2)
    return columns[:, 0], columns[:, 1]
