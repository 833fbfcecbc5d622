"""How many inferred positives are held-out pairs, by the probability that the judge gave them."""

from __future__ import annotations

import math

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from recbole_dtlns.comparison.report.measures import FEWEST_PAIRS, precision_of
from recbole_dtlns.comparison.report.plots.style import dress, legend, look_of, new_figure
from recbole_dtlns.comparison.report.source import Group, Source


def draw(source: Source, group: Group) -> Figure:
    """A line a row, broken at bins of too few pairs; rows that have no other bins are left out."""
    figure = new_figure(8.0, 3.6)
    axes = figure.add_subplot()
    drawn = 0
    for row in group.rows:
        held = precision_of(row)
        y = [
            (entry["valid"] + entry["test"]) / entry["pairs"] if entry["pairs"] >= FEWEST_PAIRS else math.nan
            for entry in held
        ]
        if not all(map(math.isnan, y)):
            look = look_of(source.labels, row.label)
            x = [(entry["low"] + entry["high"]) / 2 for entry in held]
            axes.plot(
                x, y, color=look.colour, marker=look.marker, linestyle=look.line, linewidth=1.6, label=row.caption
            )
            drawn += 1
    dress(axes, "Judge probability", "Inferred positives in valid or test")
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    legend(figure, axes, drawn)
    return figure
