"""Hardness of negatives by epoch, a panel a quantity."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from recbole_dtlns.comparison.report.plots.style import MANY, dress, fractions, heading, legend, look_of, new_figure
from recbole_dtlns.comparison.report.source import Group, Row, Source

_PANELS = {
    "score_gap": "Score gap",
    "hardest_share": "Hardest candidate chosen",
    "valid_share": "Valid positives (dotted: by chance)",
    "similarity_co": "Similarity, co-occurrence tree",
    "similarity_se": "Similarity, semantic tree",
}


def epochs_of(row: Row) -> dict[int, dict[str, float | None]]:
    """The record of the row's first seed that has one: seeds look alike here."""
    return next(iter(row.logs("hardness")), {})


def rows_of(source: Source, group: Group) -> list[Row]:
    """Rows to draw: all that have a record, or ours and the most accurate ones where they are many."""
    return source.foremost(group, [row for row in group.rows if epochs_of(row)], MANY)


def left_out(source: Source, group: Group) -> list[str]:
    """Labels of rows that have a record and are not drawn."""
    drawn = rows_of(source, group)
    return [row.label for row in group.rows if epochs_of(row) and row not in drawn]


def draw(source: Source, group: Group) -> Figure:
    """Panels of every quantity that some row has."""
    rows = rows_of(source, group)
    held = [(row, epochs_of(row)) for row in rows]
    names = [
        name
        for name in _PANELS
        if any(values.get(name) is not None for _, epochs in held for values in epochs.values())
    ]
    columns = min(3, len(names))
    lines = -(-len(names) // columns)
    figure = new_figure(2.7 * columns + 1.8, 2.5 * lines + 0.3)
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for panel, name in zip(panels, names, strict=False):
        for row, epochs in held:
            look = look_of(source.labels, row.label)
            x, y = _values(epochs, name)
            if len(x):
                every = max(1, len(x) // 6)
                style = {"color": look.colour, "marker": look.marker, "markevery": every, "markersize": 4.5}
                panel.plot(x, y, linestyle=look.line, linewidth=1.5, label=row.caption, **style)
            if name == "valid_share":
                panel.plot(*_values(epochs, "valid_chance"), color=look.colour, linestyle=":", linewidth=1)
        dress(panel)
        fractions(panel, y=True)
        heading(panel, _PANELS[name])
        panel.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    for panel in panels[len(names) :]:
        panel.set_visible(False)
    figure.supxlabel("Epoch", fontsize=10)
    legend(figure, max(panels[: len(names)], key=lambda panel: len(panel.get_legend_handles_labels()[1])), len(rows))
    return figure


def _values(epochs: dict[int, dict[str, float | None]], name: str) -> tuple[np.ndarray, np.ndarray]:
    known = [(epoch, value) for epoch, values in epochs.items() if (value := values.get(name)) is not None]
    found = np.array(known, dtype=np.float64).reshape(-1, 2)
    return found[:, 0], found[:, 1]
