"""The 95 % interval over users of each row's mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from recbole_dtlns.comparison.report.row import Row
from recbole_dtlns.comparison.statistics.users import compare_columns
from recbole_dtlns.comparison.statistics.values import row_values
from recbole_dtlns.errors import UserError

_DRAWS = 1_000

Intervals = Mapping[str, tuple[float, float] | None]
"""The ends by the label of the row; None where values by user were not kept."""


def user_intervals(rows: Iterable[Row], metric: str) -> Intervals:
    """95 % bootstrap interval over users of each row's mean, whose values are averaged over seeds.

    Rows of as many users share their resamples, so that all are drawn at once; a row's outcome depends on itself alone.
    """
    by_length: dict[int, dict[str, np.ndarray]] = {}
    ends: dict[str, tuple[float, float] | None] = {}
    for row in rows:
        ends[row.label] = None
        values = _by_user(row, metric)
        if values is not None:
            by_length.setdefault(len(values), {})[row.label] = values
    for n, values_of in by_length.items():
        columns = np.stack([*values_of.values(), np.zeros(n)], axis=1)
        pairs = [(number, len(values_of)) for number in range(len(values_of))]
        drawn = compare_columns(columns, pairs, np.random.default_rng(0), _DRAWS)
        ends |= {label: each.interval for label, each in zip(values_of, drawn, strict=True)}
    return ends


def _by_user(row: Row, metric: str) -> np.ndarray | None:
    try:
        values = row_values(row.label, row.runs, metric)
    except UserError:  # said in the section on significance
        return None
    return None if values is None else values.by_user
