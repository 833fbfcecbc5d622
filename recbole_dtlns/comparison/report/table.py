"""A table as plain data; `formats` writes it down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

MISSING = "–"
_ROUNDING = 1e-12  # values that vary by less than this share of their size are the same


@dataclass(frozen=True)
class Spread:
    """A mean over seeds and its standard deviation (n - 1); `sd` is None for a single seed."""

    mean: float
    sd: float | None = None


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval; the ends are None where there is none."""

    value: float
    low: float | None = None
    high: float | None = None


Value = str | float | Spread | Interval | None


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        key: name in lines and in CSV.
        title: head of the column elsewhere.
        kind: how numbers are shown: `text`, `metric`, `signed`, `count`, `seconds`, `p`, `effect`,
            `percent` or `number`.
        best: `max` or `min` where the best value is to be made bold, else None.
        in_file: left out of the page; the files of the table have it.
    """

    key: str
    title: str
    kind: str = "text"
    best: str | None = None
    in_file: bool = False


@dataclass(frozen=True)
class Line:
    """A line of a table.

    Attributes:
        values: by column key; a key that is absent is missing.
        marks: what must stand beside them.
        link: folder of the runs behind them, for the page.
    """

    values: Mapping[str, Value]
    marks: tuple[str, ...] = ()
    link: Path | None = None


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: of its files, without ending.
        title: its caption.
        columns: from left to right; the first names the line.
        lines: from top to bottom.
        note: a sentence below it.
        folded: shown closed on the page, for long tables that few readers want.
        names: how many columns name the line, from the left; marks stand behind them.
        shared: rows of the report, named by the first column, whose lines are the same stand together on the page.
        in_file: the page says which file has it and shows nothing of it.
        stacked: cells stand below each other on a phone, for long texts.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    note: str = ""
    folded: bool = False
    names: int = 1
    shared: bool = False
    in_file: bool = False
    stacked: bool = False

    @property
    def marked(self) -> bool:
        """Whether any line has marks: every format then has a column for them."""
        return any(line.marks for line in self.lines)

    def best(self) -> set[tuple[int, str]]:
        """(line, column key) of the best values, ties included.

        A line with marks is never the best: it did not play by the same rules. Nor is one without others.
        """
        highest: set[tuple[int, str]] = set()
        for column in self.columns:
            values = {
                number: plain_number(line.values.get(column.key))
                for number, line in enumerate(self.lines)
                if not line.marks
            }
            present = {number: value for number, value in values.items() if value is not None}
            if column.best is None or len(present) < 2:
                continue
            top = max(present.values()) if column.best == "max" else min(present.values())
            highest |= {(number, column.key) for number, value in present.items() if value == top}
        return highest


def plain_number(value: Value) -> float | None:
    """What a value is sorted and compared by; None for text, for what is missing and for NaN."""
    if isinstance(value, Spread):
        value = value.mean
    elif isinstance(value, Interval):
        value = value.value
    if value is None or isinstance(value, str) or value != value:
        return None
    return float(value)


def spread(values: Iterable[float | None]) -> Spread | None:
    """Mean and standard deviation of the values that are there; None if none is."""
    numbers = [float(value) for value in values if value is not None and value == value]
    if not numbers:
        return None
    mean, sd = float(np.mean(numbers)), float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None
    return Spread(mean, 0.0 if sd is not None and sd <= _ROUNDING * abs(mean) else sd)


def filled(columns: Iterable[Column], lines: Iterable[Line], keep: int = 1) -> tuple[Column, ...]:
    """The columns that have a value in some line; the first `keep` stay whatever they hold."""
    values_of_lines = [line.values for line in lines]
    return tuple(
        column
        for number, column in enumerate(columns)
        if number < keep or any(values.get(column.key) not in (None, "") for values in values_of_lines)
    )
