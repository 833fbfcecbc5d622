"""A part of the report: a heading with text, tables, figures and commands, each only where its data exist."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from recbole_dtlns.comparison.report.table import Table

if TYPE_CHECKING:
    from recbole_dtlns.comparison.report.plots.chart import Chart


@dataclass(frozen=True)
class Picture:
    """A figure with one pair of axes, so that it fits a phone.

    Attributes:
        name: of its files, without ending.
        title: a heading, which screen readers say first.
        alt: what it shows, for who cannot see it.
        draw: makes the figure; called when it is written.
        key: what its marks mean, where a legend of rows does not tell; a sentence below it.
    """

    name: str
    title: str
    alt: str
    draw: Callable[[], Chart]
    key: str = ""


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


@dataclass(frozen=True)
class Verdict:
    """What came out for a group: a sentence, with its table and its figure beside each other below it."""

    sentence: str
    table: Table | None = None
    picture: Picture | None = None


@dataclass
class Section:
    """A part of the report.

    Attributes:
        key: its anchor.
        title: its heading.
        text: paragraphs.
        points: a list below them.
        short: its name in the contents, where the heading is long.
        folded: show everything but the heading closed.
        fold_points: show the list closed.
        warnings: what the reader must not miss.
        verdicts: what came out; they head the section.
        tables, pictures, commands: the rest.
    """

    key: str
    title: str
    text: list[str] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    short: str = ""
    folded: bool = False
    fold_points: bool = False
    warnings: list[str] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    commands: list[Commands] = field(default_factory=list)

    def add(self, *tables: Table | None) -> None:
        """Add the tables that there are."""
        self.tables += [table for table in tables if table is not None]

    @property
    def all_tables(self) -> list[Table]:
        """Its tables, those of its verdicts first."""
        return [each.table for each in self.verdicts if each.table is not None] + self.tables

    @property
    def all_pictures(self) -> list[Picture]:
        """Its figures, those of its verdicts first."""
        return [each.picture for each in self.verdicts if each.picture is not None] + self.pictures

    @property
    def files(self) -> list[str]:
        """Names of the files of its tables and figures."""
        endings = ((self.all_tables, ("md", "csv", "tex")), (self.all_pictures, ("svg", "png")))
        return [f"{part.name}.{ending}" for parts, each in endings for part in parts for ending in each]

    @property
    def empty(self) -> bool:
        """Whether nothing but a heading and paragraphs is left: then the section is not shown."""
        parts = (self.points, self.warnings, self.verdicts, self.tables, self.pictures, self.commands)
        return not any(parts)
