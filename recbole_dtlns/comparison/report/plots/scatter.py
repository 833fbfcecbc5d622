"""Accuracy against something else, a point a row."""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from recbole_dtlns.comparison.report.plots.style import dress, fractions, legend, look_of, new_figure
from recbole_dtlns.comparison.report.source import Group, Row, Source
from recbole_dtlns.comparison.report.table import Spread
from recbole_dtlns.comparison.statistics.words import metric_name


def against_seconds(source: Source, group: Group) -> Figure:
    """Test metric against training seconds; a logarithmic axis where they differ more than tenfold."""
    rows = group.ranked(source.metric)
    figure = new_figure(8.4, max(3.8, 0.8 + 0.2 * min(len(rows), 20)))
    axes = figure.add_subplot()
    _points(axes, source, rows, lambda row: row.seconds("training"))
    seconds = [found.mean for row in rows if (found := row.seconds("training")) is not None]
    if min(seconds) > 0 and max(seconds) > 10 * min(seconds):
        axes.set_xscale("log")
    dress(axes, "Training seconds", f"Test {metric_name(source.metric)}", grid="both")
    fractions(axes, y=True)
    legend(figure, axes, len(rows))
    return figure


def against_metrics(source: Source, group: Group, names: list[str]) -> Figure:
    """Test metric against each of the named ones, a panel each."""
    rows = group.ranked(source.metric)
    figure = new_figure(3.0 * len(names) + 1.8, max(3.4, 0.8 + 0.2 * min(len(rows), 20)))
    panels = figure.subplots(1, len(names), sharey=True, squeeze=False).ravel()
    for number, (panel, name) in enumerate(zip(panels, names, strict=True)):
        _points(panel, source, rows, lambda row, name=name: row.test(name))  # type: ignore[misc]
        dress(
            panel, f"Test {metric_name(name)}", f"Test {metric_name(source.metric)}" if not number else "", grid="both"
        )
        fractions(panel, x=True, y=True)
        panel.locator_params(axis="x", nbins=5)
    legend(figure, panels[0], len(rows))
    return figure


def _points(axes: Axes, source: Source, rows: list[Row], x_of: Callable[[Row], Spread | None]) -> None:
    for row in rows:
        x, y, look = x_of(row), row.test(source.metric), look_of(source.labels, row.label)
        if x is None or y is None:
            continue
        label = row.caption
        axes.errorbar(
            *(x.mean, y.mean),
            xerr=x.sd,
            yerr=y.sd,
            color=look.colour,
            marker=look.marker,
            markersize=7,
            linestyle="",
            elinewidth=0.9,
            label=label,
        )
