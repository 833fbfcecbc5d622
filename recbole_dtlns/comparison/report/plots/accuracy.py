"""Accuracy of every row with its intervals."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from recbole_dtlns.comparison.report.plots.style import FAINT, INK, dress, fractions, look_of, new_figure
from recbole_dtlns.comparison.report.source import Group, Row, Source
from recbole_dtlns.comparison.statistics.users import compare_columns
from recbole_dtlns.comparison.statistics.values import row_values
from recbole_dtlns.comparison.statistics.words import metric_name
from recbole_dtlns.errors import UserError

_DRAWS = 1_000

Intervals = Mapping[str, tuple[float, float] | None]
"""What `user_interval` found, by the label of the row."""


def user_interval(row: Row, metric: str) -> tuple[float, float] | None:
    """95 % bootstrap interval of the mean over users of a row; None where values by user were not kept."""
    try:
        found = row_values(row.label, row.runs, metric)
    except UserError:  # said in the section on significance
        return None
    if found is None or found.by_user is None:
        return None
    columns = np.stack([found.by_user, np.zeros_like(found.by_user)], axis=1)
    return compare_columns(columns, [(0, 1)], np.random.default_rng(0), _DRAWS)[0].interval


def dots(source: Source, group: Group, intervals: Intervals) -> Figure:
    """Rows from best to worst: mean, interval over users (thick), spread over seeds (thin), each seed (small dots)."""
    rows = group.ranked(source.metric)
    figure = new_figure(7.6, 1.2 + 0.34 * len(rows))
    axes = figure.add_subplot()
    for place, row in enumerate(rows):
        look = look_of(source.labels, row.label)
        value = row.test(source.metric)
        assert value is not None  # ranked rows have one
        interval = intervals[row.label]
        if interval is not None:
            axes.plot(interval, [place] * 2, color=look.colour, linewidth=6, alpha=0.35, solid_capstyle="butt")
        if value.sd is not None:
            axes.errorbar(value.mean, place, xerr=value.sd, color=look.colour, linewidth=1.4, capsize=3.5)
        each = [run.result["test_result"][source.metric] for run in row.runs if run.result.get("test_result")]
        axes.plot(each, [place + 0.3] * len(each), ".", color=look.colour, markersize=4)
        axes.plot(value.mean, place, look.marker, color=look.colour, markersize=7)
    axes.set_yticks(range(len(rows)), [row.caption for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    dress(axes, f"Test {metric_name(source.metric)}", grid="both")
    axes.grid(axis="y", visible=False)
    fractions(axes, x=True)
    handles = [
        Line2D([], [], color=FAINT, linewidth=6, label="95 % over users"),
        Line2D([], [], color=INK, linewidth=1.4, marker="|", label="± sd over seeds"),
        Line2D([], [], color=INK, marker=".", linestyle="", label="a seed"),
    ]
    shown = figure.legend(handles=handles, loc="outside upper left", ncols=3, frameon=False, fontsize=8.5)
    for text in shown.get_texts():
        text.set_color(INK)
    return figure
