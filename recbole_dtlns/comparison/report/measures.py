"""What tables and figures both take from the runs of a row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from recbole_dtlns.comparison.report.source import Row
from recbole_dtlns.comparison.report.table import Spread, spread

FEWEST_PAIRS = 20
"""A share of fewer pairs is drawn nowhere: one pair alone is 0 % or 100 %."""


def number(value: Any) -> float | None:
    """The value if it is a number."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def fields(row: Row, name: str) -> list[Any]:
    """A field of `result.json` of each run that has it."""
    return row.each(lambda run: cast(Mapping[str, Any], run.result)[name])


def means(row: Row, name: str, keys: tuple[str, ...]) -> dict[str, Spread | None]:
    """Mean and spread over seeds of the numbers in a field of `result.json`, by their keys."""
    each: list[Mapping[str, Any]] = fields(row, name)
    return {key: spread(number(values.get(key)) for values in each) for key in keys}


def mask_value(row: Row, mask: str, metric: str) -> Spread | None:
    """A test metric under one mask, `honest` or `reference`, over the seeds; None where only one mask was used."""
    return spread(both[mask].get(metric) for both in fields(row, "masks"))


def mask_gain(row: Row, metric: str) -> Spread | None:
    """Test metric under the reference mask less that under the honest one, run by run."""
    gains = []
    for both in fields(row, "masks"):
        honest, reference = both["honest"].get(metric), both["reference"].get(metric)
        gains.append(None if honest is None or reference is None else reference - honest)
    return spread(gains)


def of_several_seeds(rows: Iterable[Row], text: str) -> str:
    """A text about seeds, or nothing where no row has more than one."""
    return text if any(len(row.runs) > 1 for row in rows) else ""


def precision_of(row: Row) -> list[dict[str, float]]:
    """Inferred positives of the first seed by judge probability: `low`, `high`, `pairs`, `valid`, `test`."""
    return next(iter(_bins(row)), [])


def precision_varies(row: Row) -> bool:
    """Whether the seeds of a row have different inferred positives; mostly they share them, found from train alone."""
    return any(bins != precision_of(row) for bins in _bins(row))


def _bins(row: Row) -> list[list[dict[str, float]]]:
    keys = ("low", "high", "pairs", "valid", "test")
    tables = [
        [{key: number(entry.get(key)) or 0.0 for key in keys} for entry in bins] for bins in fields(row, "precision")
    ]
    return [sorted(table, key=lambda entry: entry["low"]) for table in tables]


def labels_by_mark(rows: Iterable[tuple[str, Iterable[str]]]) -> list[str]:
    """A text `labels: mark` for each mark, of (label of a row, its marks); each label once."""
    by_mark: dict[str, dict[str, None]] = {}
    for label, marks in rows:
        for mark in marks:
            by_mark.setdefault(mark, {})[label] = None
    return [f"{', '.join(labels)}: {mark}" for mark, labels in by_mark.items()]


def why_marked(rows: Iterable[Row]) -> str:
    """For words beside a figure, which has room for `(marked)` alone: the reasons, or nothing without marked rows."""
    reasons = "; ".join(labels_by_mark((row.label, row.marks) for row in rows))
    return f" Marked: {reasons}." if reasons else ""
