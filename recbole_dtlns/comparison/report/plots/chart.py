"""A figure that knows which of its parts belong to which row, and the values that a reader may point at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure


@dataclass(frozen=True)
class Value:
    """A point of a row.

    Attributes:
        row: place of the row among all labels of the report.
        x, y: where it stands, in the units of the axes.
        text: what it says.
    """

    row: int
    x: float
    y: float
    text: str


class Chart(Figure):
    """A figure with one pair of axes, `body`.

    Parts of a row carry the id `row-PLACE`, which `svg` makes a class of: several parts share it.

    Args:
        width, height: of the file, in inches; the page draws it narrower.
        lines_are_rows: each line of the chart is a row of the report, named on the left.
    """

    def __init__(self, width: float, height: float, lines_are_rows: bool = False) -> None:
        super().__init__(figsize=(width, height), layout="constrained")
        self.patch.set_alpha(0)  # the background is left to the page
        self.body: Axes = self.add_subplot()
        self.values: list[Value] = []
        self.lines_are_rows = lines_are_rows

    def of_row(self, place: int, *artists: Any) -> None:
        """Say that artists, or containers of them such as error bars, belong to a row."""
        for artist in artists:
            if hasattr(artist, "set_gid"):
                artist.set_gid(f"row-{place}")
            elif artist is not None:
                self.of_row(place, *artist)

    def tell(self, place: int, x: Iterable[float], y: Iterable[float], texts: Iterable[str]) -> None:
        """Say what the points of a row are."""
        points = zip(x, y, texts, strict=True)
        self.values += [Value(place, float(each_x), float(each_y), text) for each_x, each_y, text in points]

    def positions(self) -> Sequence[tuple[Value, float, float]]:
        """Each value with its place in an SVG of the figure as it was last drawn: points from the upper left corner."""
        if not self.values:
            return []
        shown = self.body.transData.transform([(value.x, value.y) for value in self.values]) * 72 / self.dpi
        height = self.get_figheight() * 72
        return [(value, float(x), height - float(y)) for value, (x, y) in zip(self.values, shown, strict=True)]
