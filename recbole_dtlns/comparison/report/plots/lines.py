"""Rows as lines in one chart: few in their colours, of many the others behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recbole_dtlns.comparison.number_text import tick_text
from recbole_dtlns.comparison.report.plots.chart import Chart
from recbole_dtlns.comparison.report.plots.style import FAINT, MANY, legend, look_of
from recbole_dtlns.comparison.report.source import Group, Row, Source


@dataclass(frozen=True)
class Series:
    """The line of a row.

    Attributes:
        row: whose it is.
        x, y: float [n]; NaN breaks the line.
        band: lowest and highest [n] to shade between, or None.
        bars: standard deviation [n] of each y, or None.
        beside: y of a dotted line to compare with [n], or None.
    """

    row: Row
    x: np.ndarray
    y: np.ndarray
    band: tuple[np.ndarray, np.ndarray] | None = None
    bars: np.ndarray | None = None
    beside: np.ndarray | None = None


def draw_lines(chart: Chart, source: Source, group: Group, curves: Sequence[Series], x: str, y: str) -> None:
    """Draw the lines and what a reader may point at; `x` and `y` name the values in a few words."""
    front = source.foremost(group, [series.row for series in curves], MANY)
    for series in curves:
        place = source.labels.index(series.row.label)
        if series.row in front:
            _coloured(chart, source, place, series)
        else:
            chart.of_row(place, chart.body.plot(series.x, series.y, color=FAINT, linewidth=0.8, zorder=1))
        drawn = ~np.isnan(series.y)
        drawn_x, drawn_y = series.x[drawn], series.y[drawn]
        texts = (f"{x} {tick_text(a)}: {y} {tick_text(b)}" for a, b in zip(drawn_x, drawn_y, strict=True))
        chart.tell(place, drawn_x, drawn_y, texts)
    legend(chart, chart.body)


def _coloured(chart: Chart, source: Source, place: int, series: Series) -> None:
    look, axes = look_of(source.labels, series.row.label), chart.body
    style: dict[str, Any] = {"color": look.colour, "linestyle": look.line, "linewidth": 1.6, "zorder": 3}
    style |= {"marker": look.marker, "markevery": max(1, len(series.x) // 8), "markersize": 5}
    if series.band is not None:
        chart.of_row(place, axes.fill_between(series.x, *series.band, color=look.colour, alpha=0.13, linewidth=0))
    if series.beside is not None:
        chart.of_row(place, axes.plot(series.x, series.beside, color=look.colour, linestyle=":", linewidth=1))
    if series.bars is None:
        chart.of_row(place, axes.plot(series.x, series.y, label=series.row.caption, **style))
    else:
        label = series.row.caption
        bars = axes.errorbar(series.x, series.y, yerr=series.bars, elinewidth=0.9, capsize=2.5, label=label, **style)
        chart.of_row(place, *bars.get_children())
