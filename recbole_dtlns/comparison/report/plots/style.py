"""How every figure looks: one colour, marker and line style a row, the same in all figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

# Okabe and Ito's colours for all kinds of colour vision, without yellow, which is too pale on white.
COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
INK, GRID, FAINT = "#1a1a1a", "#d8d8d8", "#bdbdbd"
_COLOURS = (*COLOURS, INK)
# Not by colour alone: 7 colours and 9 markers give 63 different pairs, and line styles go with them.
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "p")
_LINES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
MANY = 9
"""More rows than this do not fit into one plot of lines."""


@dataclass(frozen=True)
class Look:
    """How a row is drawn."""

    colour: str
    marker: str
    line: Any


def look_of(labels: Sequence[str], label: str) -> Look:
    """The look of a row: by its place among all labels of the report."""
    place = labels.index(label)
    return Look(_COLOURS[place % len(_COLOURS)], _MARKERS[place % len(_MARKERS)], _LINES[place % len(_LINES)])


def new_figure(width: float, height: float) -> Figure:
    """An empty figure in inches, its background left to the page."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_alpha(0)
    return figure


def dress(axes: Axes, x: str = "", y: str = "", grid: Literal["both", "x", "y"] = "y") -> None:
    """Few lines: no frame but the two axes, and a faint grid along one direction."""
    axes.set_xlabel(x, color=INK)
    axes.set_ylabel(y, color=INK)
    axes.patch.set_alpha(0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(INK)
    axes.tick_params(colors=INK, labelsize=9)
    axes.set_axisbelow(True)
    axes.grid(axis=grid, color=GRID, linewidth=0.7)


def fractions(axes: Axes, x: bool = False, y: bool = False) -> None:
    """Ticks between 0 and 1 without the zero before the point, as in the tables."""
    for axis, wanted in ((axes.xaxis, x), (axes.yaxis, y)):
        if wanted:
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}".replace("0.", ".", 1)))


def heading(axes: Axes, text: str) -> None:
    """A small title on the left of one of several panels."""
    axes.set_title(text, fontsize=9.5, color=INK, loc="left")


def legend(figure: Figure, axes: Axes, rows: int) -> None:
    """A legend outside, on the right, in as many columns as it needs."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        shown = figure.legend(
            handles, labels, loc="outside right upper", frameon=False, fontsize=8.5, ncols=1 + (rows - 1) // 20
        )
        for text in shown.get_texts():
            text.set_color(INK)
