"""The legend of all figures: a button for each row, with its marker, that hides and shows the row in every figure."""

from __future__ import annotations

from dataclasses import dataclass

from recbole_dtlns.comparison.report.plots.style import COLOURS, look_of
from recbole_dtlns.comparison.report.source import Source

# The markers of the figures as paths around (0, 0), 5 units from the centre.
_SHAPES = {
    "o": "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "s": "M-4-4h8v8h-8z",
    "^": "M0-5 5 4H-5z",
    "D": "M0-5 5 0 0 5-5 0z",
    "v": "M0 5-5-4H5z",
    "P": "M-2-5h4v3h3v4h-3v3h-4v-3h-3v-4h3z",
    "X": "M-5-3-3-5 0-2 3-5 5-3 2 0 5 3 3 5 0 2-3 5-5 3-2 0z",
    "*": "M0-5 1.4-1.6 5-1.5 2.2.8 3.1 4.3 0 2.3-3.1 4.3-2.2.8-5-1.5-1.4-1.6z",
    "p": "M0-5 4.8-1.5 2.9 4h-5.8L-4.8-1.5z",
}


@dataclass(frozen=True)
class Chip:
    """A row in the legend: its place among all labels, its caption, and its marker as inline SVG."""

    place: int
    caption: str
    icon: str


def chips_of(source: Source) -> list[Chip]:
    """A chip for each row of the report; none where there is one row alone."""
    captions: dict[str, str] = {}
    for group in source.groups:
        captions |= {row.label: row.caption for row in group.rows}
    if len(captions) < 2:
        return []
    return [Chip(source.labels.index(label), caption, _icon(source, label)) for label, caption in captions.items()]


def _icon(source: Source, label: str) -> str:
    look = look_of(source.labels, label)
    colour = f"var(--row-{COLOURS.index(look.colour)})" if look.colour in COLOURS else "currentColor"
    return (
        '<svg class="icon" viewBox="-6 -6 12 12" width="12" height="12" aria-hidden="true" focusable="false">'
        f'<path d="{_SHAPES[look.marker]}" fill="{colour}"/></svg>'
    )
