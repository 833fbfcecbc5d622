"""What training recorded, epoch by epoch, as lines."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from recbole_dtlns.comparison.report.plots.style import (
    FAINT,
    MANY,
    Look,
    dress,
    fractions,
    heading,
    legend,
    look_of,
    new_figure,
)
from recbole_dtlns.comparison.report.source import Group, Row, Source

Curve = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def curves_of(group: Group, column: str, by_second: bool = False) -> dict[str, Curve | None]:
    """By label: x (epochs or mean seconds), mean, lowest and highest over seeds, each [n]; None without values."""
    return {row.label: _curve(row, column, by_second) for row in group.rows}


def _curve(row: Row, column: str, by_second: bool) -> Curve | None:
    logs = row.logs("epochs")
    known = [{epoch for epoch, values in log.items() if values.get(column) is not None} for log in logs]
    epochs = sorted(set.intersection(*known)) if known else []
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


def draw(source: Source, group: Group, column: str, title: str, by_second: bool = False) -> Figure:
    """All rows in one plot if they are few, else a small plot each with the others behind it."""
    curves = {label: curve for label, curve in curves_of(group, column, by_second).items() if curve is not None}
    captions = {row.label: row.caption for row in group.rows}
    x = "Seconds of training" if by_second else "Epoch"
    y = title.partition(" by ")[0]
    small = column != "train_loss"
    if len(curves) <= MANY:
        figure = new_figure(8.4, 4.0)
        axes = figure.add_subplot()
        for label, curve in curves.items():
            _line(axes, captions[label], curve, look_of(source.labels, label))
        dress(axes, x, y)
        fractions(axes, y=small)
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        legend(figure, axes, len(curves))
        return figure
    columns = 4
    lines = math.ceil(len(curves) / columns)
    figure = new_figure(9.0, 0.6 + 1.55 * lines)
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for panel, (label, curve) in zip(panels, curves.items(), strict=False):
        for other in curves.values():
            panel.plot(other[0], other[1], color=FAINT, linewidth=0.5, zorder=1)
        _line(panel, captions[label], curve, look_of(source.labels, label), markers=False)
        dress(panel)
        fractions(panel, y=small)
        heading(panel, captions[label])
    for panel in panels[len(curves) :]:
        panel.set_visible(False)
    for panel in panels[max(0, len(curves) - columns) : len(curves)]:  # the lowest of each column
        panel.tick_params(labelbottom=True)
    figure.supxlabel(x, fontsize=10)
    figure.supylabel(y, fontsize=10)
    return figure


def _line(axes: Axes, caption: str, curve: Curve, look: Look, markers: bool = True) -> None:
    x, mean, low, high = curve
    every = max(1, len(x) // 8)
    axes.fill_between(x, low, high, color=look.colour, alpha=0.13, linewidth=0)
    axes.plot(
        *(x, mean),
        color=look.colour,
        linestyle=look.line,
        linewidth=1.6,
        marker=look.marker if markers else None,
        markevery=every,
        markersize=5,
        label=caption,
        zorder=3,
    )
