"""What tables and figures both take from the runs of a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recbole_dtlns.comparison.report.source import Row
from recbole_dtlns.comparison.report.table import Spread, spread


def number(value: Any) -> float | None:
    """The value if it is a number."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def fields(row: Row, name: str) -> list[Any]:
    """A field of `result.json` of each run that has it."""
    return row.each(lambda run: run.result.get(name))


def means(row: Row, name: str, keys: tuple[str, ...]) -> dict[str, Spread | None]:
    """Mean and spread over seeds of the numbers in a field of `result.json`, by their keys."""
    held: list[Mapping[str, Any]] = fields(row, name)
    return {key: spread(number(values.get(key)) for values in held) for key in keys}


def mask_value(row: Row, mask: str, metric: str) -> Spread | None:
    """A test metric under one mask, `honest` or `reference`, over the seeds; None where only one mask was used."""
    return row.mean(lambda run: ((run.result.get("masks") or {}).get(mask) or {}).get(metric))


def mask_gain(row: Row, metric: str) -> Spread | None:
    """Test metric under the reference mask less that under the honest one, run by run."""
    gains = []
    for both in fields(row, "masks"):
        honest, reference = ((both.get(mask) or {}).get(metric) for mask in ("honest", "reference"))
        gains.append(None if honest is None or reference is None else reference - honest)
    return spread(gains)


def precision_of(row: Row) -> list[dict[str, float]]:
    """Inferred positives by judge probability: `low`, `high`, `pairs`, `valid`, `test`, added up over seeds."""
    found: dict[tuple[float, float], dict[str, float]] = {}
    for entry in (entry for bins in fields(row, "precision") for entry in bins):
        low, high = float(entry["low"]), float(entry["high"])
        held = found.setdefault((low, high), {"low": low, "high": high, "pairs": 0, "valid": 0, "test": 0})
        for key in ("pairs", "valid", "test"):
            held[key] += number(entry.get(key)) or 0
    return [found[key] for key in sorted(found)]
