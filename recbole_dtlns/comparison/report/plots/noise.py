"""Accuracy against the noise rate."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from recbole_dtlns.comparison.report.plots.style import MANY, dress, fractions, legend, look_of, new_figure
from recbole_dtlns.comparison.report.source import Group, Row, Source
from recbole_dtlns.comparison.statistics.words import metric_name


def rows_of(source: Source, group: Group, levels: list[float]) -> tuple[list[Row], list[str]]:
    """Rows to draw, of many ours and the most accurate ones, and the labels of the others."""
    groups = [source.at_noise(group, level) for level in levels[1:]]
    noisy = [row for row in group.rows if any(each.row(row.label) for each in groups)]
    drawn = source.foremost(group, noisy, MANY)
    return drawn, [row.label for row in noisy if row not in drawn]


def draw(source: Source, group: Group, levels: list[float]) -> Figure:
    """A line a row through its means, with the standard deviation over seeds; rows moved a little apart.

    Of many rows only ours and the most accurate are drawn.
    """
    figure = new_figure(8.2, 4.0)
    axes = figure.add_subplot()
    groups = {level: source.at_noise(group, level) for level in levels}
    rows, _ = rows_of(source, group, levels)
    step = 0.012 * (levels[-1] - levels[0]) / max(1, len(rows) // 6)
    for place, row in enumerate(rows):
        look = look_of(source.labels, row.label)
        found = [(level, noisy.test(source.metric)) for level in levels if (noisy := groups[level].row(row.label))]
        known = [(level, value) for level, value in found if value is not None]
        axes.errorbar(
            [level + step * (place - len(rows) / 2) for level, _ in known],
            [value.mean for _, value in known],
            yerr=[value.sd or 0.0 for _, value in known],
            color=look.colour,
            marker=look.marker,
            markersize=6,
            linestyle=look.line,
            linewidth=1.5,
            elinewidth=0.9,
            capsize=2.5,
            label=next(
                (each.caption for level in levels if (each := groups[level].row(row.label)) and each.marks), row.caption
            ),
        )
    axes.set_xticks(levels)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
    dress(axes, "Noise rate", f"Test {metric_name(source.metric)}")
    fractions(axes, y=True)
    legend(figure, axes, len(rows))
    return figure
