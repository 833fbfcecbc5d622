"""How many inferred positives are held-out pairs, by the probability that the judge gave them."""

from __future__ import annotations

import numpy as np

from recbole_dtlns.comparison.report.measures import FEWEST_PAIRS, precision_of
from recbole_dtlns.comparison.report.plots.chart import Chart
from recbole_dtlns.comparison.report.plots.lines import Series, draw_lines
from recbole_dtlns.comparison.report.plots.style import dress, percent_ticks, plain_ticks
from recbole_dtlns.comparison.report.source import Group, Source


def draw(source: Source, group: Group) -> Chart:
    """A line a row, broken at bins of too few pairs; rows that have no other bins are left out."""
    chart, curves = Chart(8.0, 3.6), []
    for row in group.rows:
        bins = precision_of(row)
        shares = [
            (entry["valid"] + entry["test"]) / entry["pairs"] if entry["pairs"] >= FEWEST_PAIRS else np.nan
            for entry in bins
        ]
        if not np.isnan(shares).all():
            x = np.array([(entry["low"] + entry["high"]) / 2 for entry in bins])
            curves.append(Series(row, x, np.array(shares)))
    draw_lines(chart, source, group, curves, "Probability", "held out")
    dress(chart.body, "Judge probability", "Inferred positives in valid or test")
    chart.body.set_ylim(bottom=0)
    plain_ticks(chart.body, x=True)
    percent_ticks(chart.body, y=True)
    return chart
