"""The same models under both evaluation masks."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from recbole_dtlns.comparison.report.measures import mask_value
from recbole_dtlns.comparison.report.plots.style import FAINT, INK, dress, fractions, look_of, new_figure
from recbole_dtlns.comparison.report.source import Group, Row, Source
from recbole_dtlns.comparison.statistics.words import metric_name


def shown(source: Source, group: Group) -> list[tuple[Row, float, float | None]]:
    """Rows from best to worst under the honest mask: (row, mean under it, mean under the reference mask if it has one).

    The honest mask of a row with both is train alone; rows whose test leaves out valid too do not stand beside it.
    """
    held = []
    for row in group.rows:
        reference = mask_value(row, "reference", source.metric)
        alike = row.test(source.metric) if row.runs[0].result.get("eval_mask") == "train" else None
        honest = mask_value(row, "honest", source.metric) if reference else alike
        if honest is not None:
            held.append((row, honest.mean, None if reference is None else reference.mean))
    return sorted(held, key=lambda entry: -entry[1])


def draw(source: Source, group: Group) -> Figure:
    """A filled marker for the honest mask, joined to a hollow one for the other mask."""
    held = shown(source, group)
    figure = new_figure(7.6, 1.2 + 0.34 * len(held))
    axes = figure.add_subplot()
    for place, (row, honest_mean, reference_mean) in enumerate(held):
        look = look_of(source.labels, row.label)
        if reference_mean is not None:
            axes.plot([honest_mean, reference_mean], [place] * 2, color=FAINT, linewidth=2, zorder=1)
            axes.plot(reference_mean, place, look.marker, color=look.colour, fillstyle="none", markersize=8)
        axes.plot(honest_mean, place, look.marker, color=look.colour, markersize=7)
    axes.set_yticks(range(len(held)), [row.caption for row, _, _ in held])
    axes.set_ylim(len(held) - 0.4, -0.6)
    dress(axes, f"Test {metric_name(source.metric)}", grid="x")
    fractions(axes, x=True)
    handles = [
        Line2D([], [], color=INK, marker="o", linestyle="", label="honest mask (train)"),
        Line2D(
            [], [], color=INK, marker="o", fillstyle="none", linestyle="", label="reference mask (uses test labels)"
        ),
    ]
    key = figure.legend(handles=handles, loc="outside upper left", ncols=2, frameon=False, fontsize=8.5)
    for text in key.get_texts():
        text.set_color(INK)
    return figure
