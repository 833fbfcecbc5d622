"""The same models under both evaluation masks."""

from __future__ import annotations

from typing import Any

from matplotlib.lines import Line2D

from recbole_dtlns.comparison.number_text import fraction_text
from recbole_dtlns.comparison.report.measures import mask_value
from recbole_dtlns.comparison.report.plots.chart import Chart
from recbole_dtlns.comparison.report.plots.style import FAINT, INK, dress, legend_of_marks, look_of, plain_ticks
from recbole_dtlns.comparison.report.source import Group, Row, Source
from recbole_dtlns.comparison.statistics.words import metric_name


def shown(source: Source, group: Group) -> list[tuple[Row, float, float | None]]:
    """Rows from best to worst under the honest mask: (row, mean under it, mean under the reference mask if it has one).

    The honest mask of a row with both is train alone; rows whose test leaves out valid too do not stand beside it.
    """
    entries = []
    for row in group.rows:
        reference = mask_value(row, "reference", source.metric)
        alike = row.test(source.metric) if row.runs[0].result["eval_mask"] == "train" else None
        honest = mask_value(row, "honest", source.metric) if reference else alike
        if honest is not None:
            entries.append((row, honest.mean, None if reference is None else reference.mean))
    return sorted(entries, key=lambda entry: -entry[1])


def draw(source: Source, group: Group) -> Chart:
    """A filled marker for the honest mask, joined to a hollow one for the other mask."""
    entries = shown(source, group)
    chart = Chart(7.6, 1.2 + 0.34 * len(entries), lines_are_rows=True)
    axes = chart.body
    for place, (row, honest_mean, reference_mean) in enumerate(entries):
        look, number = look_of(source.labels, row.label), source.labels.index(row.label)
        words = f"honest mask {fraction_text(honest_mean)}"
        if reference_mean is not None:
            ends = [honest_mean, reference_mean]
            chart.of_row(number, axes.plot(ends, [place] * 2, color=FAINT, linewidth=2, zorder=1))
            hollow: dict[str, Any] = {"color": look.colour, "fillstyle": "none", "markersize": 8}
            chart.of_row(number, axes.plot(reference_mean, place, look.marker, **hollow))
            words += f", reference mask {fraction_text(reference_mean)}"
        chart.of_row(number, axes.plot(honest_mean, place, look.marker, color=look.colour, markersize=7))
        chart.tell(number, [honest_mean], [place], [words])
    axes.set_yticks(range(len(entries)), [row.caption for row, _, _ in entries])
    for (row, _, _), label in zip(entries, axes.get_yticklabels(), strict=True):
        chart.of_row(source.labels.index(row.label), label)
    axes.set_ylim(len(entries) - 0.4, -0.6)
    dress(axes, f"Test {metric_name(source.metric)}", grid="x")
    plain_ticks(axes, x=True)
    dot: dict[str, Any] = {"color": INK, "marker": "o", "linestyle": ""}
    handles = [
        Line2D([], [], label="honest mask (train)", **dot),
        Line2D([], [], label="reference mask (uses test labels)", fillstyle="none", **dot),
    ]
    legend_of_marks(chart, handles)
    return chart
