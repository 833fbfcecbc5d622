"""How every figure looks: one colour, marker and line style a row, the same in all figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from recbole_dtlns.comparison.number_text import tick_text

# Okabe and Ito's colours for all kinds of colour vision, without yellow, which is too pale on white.
COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
INK, GRID, FAINT = "#1a1a1a", "#d8d8d8", "#bdbdbd"
_COLOURS = (*COLOURS, INK)
# Not by colour alone: 7 colours and 9 markers give 63 different pairs, and line styles go with them.
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "p")
_LINES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
MANY = 9
"""More rows than this cannot be told apart in one plot of lines: the others stand behind them, thin and grey."""


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


def plain_ticks(axes: Axes, x: bool = False, y: bool = False) -> None:
    """Ticks in the form of the tables: no zero before the point, a minus sign."""
    for axis, wanted in ((axes.xaxis, x), (axes.yaxis, y)):
        if wanted:
            axis.set_major_formatter(FuncFormatter(lambda value, _: tick_text(value)))


def percent_ticks(axes: Axes, x: bool = False, y: bool = False) -> None:
    """Ticks as `12 %`."""
    for axis, wanted in ((axes.xaxis, x), (axes.yaxis, y)):
        if wanted:
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))


def legend(figure: Figure, axes: Axes) -> None:
    """A legend outside, on the right, in as many columns as it needs."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        columns = 1 + (len(handles) - 1) // 20
        _inked(figure.legend(handles, labels, loc="outside right upper", frameon=False, fontsize=8.5, ncols=columns))


def legend_of_marks(figure: Figure, handles: Sequence[Any]) -> None:
    """A legend above the axes that says what kinds of marks mean."""
    columns = len(handles)
    _inked(figure.legend(handles=list(handles), loc="outside upper left", ncols=columns, frameon=False, fontsize=8.5))


def _inked(shown: Any) -> None:
    for text in shown.get_texts():
        text.set_color(INK)
