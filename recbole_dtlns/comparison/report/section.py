"""A part of the report: a heading with text, tables, figures and commands, each only where its data exist."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from recbole_dtlns.comparison.report.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Picture:
    """A figure.

    Attributes:
        name: of its files, without ending.
        title: a heading, which screen readers say first.
        alt: what it shows, for who cannot see it.
        draw: makes the figure; called when it is written.
    """

    name: str
    title: str
    alt: str
    draw: Callable[[], Figure]


@dataclass(frozen=True)
class Commands:
    """Command lines to copy, under a title."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Point:
    """Sentences of a list, behind a few words that say what they are about."""

    lead: str
    text: str


@dataclass
class Section:
    """A part of the report.

    Attributes:
        key: its anchor.
        title: its heading.
        text: paragraphs.
        points: a list below them.
        fold_points: show the list closed.
        warnings: what the reader must not miss.
        tables, pictures, commands: the rest, in this order.
    """

    key: str
    title: str
    text: list[str] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    fold_points: bool = False
    warnings: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    commands: list[Commands] = field(default_factory=list)

    @property
    def files(self) -> list[str]:
        """Names of the files of its tables and figures."""
        endings = ((self.tables, ("md", "csv", "tex")), (self.pictures, ("svg", "png")))
        return [f"{part.name}.{ending}" for parts, each in endings for part in parts for ending in each]

    @property
    def empty(self) -> bool:
        """Whether nothing but a heading is left: then the section is not shown."""
        return not (self.points or self.warnings or self.tables or self.pictures or self.commands)
