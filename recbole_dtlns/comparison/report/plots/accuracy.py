"""Accuracy of every row with its intervals."""

from __future__ import annotations

from matplotlib.lines import Line2D

from recbole_dtlns.comparison.number_text import fraction_text
from recbole_dtlns.comparison.report.intervals import Intervals
from recbole_dtlns.comparison.report.plots.chart import Chart
from recbole_dtlns.comparison.report.plots.style import FAINT, INK, dress, legend_of_marks, look_of, plain_ticks
from recbole_dtlns.comparison.report.source import Group, Row, Source
from recbole_dtlns.comparison.statistics.words import metric_name


def dots(source: Source, group: Group, intervals: Intervals) -> Chart:
    """Rows from best to worst: mean, interval over users (thick), spread over seeds (thin), each seed (small dots)."""
    rows = group.ranked(source.metric)
    chart = Chart(7.6, 1.2 + 0.34 * len(rows), lines_are_rows=True)
    for place, row in enumerate(rows):
        _row(chart, source, row, place, intervals[row.label])
    axes = chart.body
    axes.set_yticks(range(len(rows)), [row.caption for row in rows])
    for row, label in zip(rows, axes.get_yticklabels(), strict=True):
        chart.of_row(source.labels.index(row.label), label)
        label.set_fontweight("bold" if row.label == source.ours else "normal")
    axes.set_ylim(len(rows) - 0.4, -0.6)
    dress(axes, f"Test {metric_name(source.metric)}", grid="x")
    plain_ticks(axes, x=True)
    handles = [
        Line2D([], [], color=FAINT, linewidth=6, label="95 % over users"),
        Line2D([], [], color=INK, linewidth=1.4, marker="|", label="± sd over seeds"),
        Line2D([], [], color=INK, marker=".", linestyle="", label="a seed"),
    ]
    legend_of_marks(chart, handles)
    return chart


def _row(chart: Chart, source: Source, row: Row, place: int, interval: tuple[float, float] | None) -> None:
    axes, number, look = chart.body, source.labels.index(row.label), look_of(source.labels, row.label)
    value = row.test(source.metric)
    if value is None:
        return
    words = f"{metric_name(source.metric)} {fraction_text(value.mean)}"
    if interval is not None:
        bar = axes.plot(interval, [place] * 2, color=look.colour, linewidth=6, alpha=0.35, solid_capstyle="butt")
        chart.of_row(number, bar)
        words += f", over users {fraction_text(interval[0])} to {fraction_text(interval[1])}"
    if value.sd is not None:
        whiskers = axes.errorbar(value.mean, place, xerr=value.sd, color=look.colour, linewidth=1.4, capsize=3.5)
        chart.of_row(number, *whiskers.get_children())
        words += f", ± {fraction_text(value.sd)} over seeds"
    each = [run.result["test_result"][source.metric] for run in row.runs if run.result["test_result"]]
    chart.of_row(number, axes.plot(each, [place + 0.3] * len(each), ".", color=look.colour, markersize=4))
    chart.of_row(number, axes.plot(value.mean, place, look.marker, color=look.colour, markersize=7))
    chart.tell(number, [value.mean], [place], [words])
