"""From finished runs to the numbers that are compared: a value a user, and a value a seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recbole_dtlns.comparison.run.records import RunRecord
from recbole_dtlns.errors import UserError


@dataclass(frozen=True)
class RowValues:
    """One metric of one row.

    Attributes:
        label: as tables show the row.
        marks: what must stand beside its numbers, of any of its runs.
        users: tokens, str [n], sorted, no user twice; None where the metric has no values by user (coverage, Gini
            index) or a run did not keep them.
        by_user: float64 [n], the mean over seeds of each user's value; None likewise.
        by_seed: the test value of each run, by seed.
    """

    label: str
    marks: tuple[str, ...]
    users: np.ndarray | None
    by_user: np.ndarray | None
    by_seed: dict[int, float]


def row_values(label: str, runs: Sequence[RunRecord], metric: str) -> RowValues | None:
    """What the runs of one row, one a seed, say of a metric; None where no run has it.

    A user with several rows in the evaluation (sequential data) counts once, with the mean of its rows. The value of a
    seed is the mean over all rows, which is the test result before RecBole rounds it.

    Raises:
        UserError: the runs do not have the same users, a value is not a finite number, or a file cannot be read.
    """
    by_seed: dict[int, float] = {}
    marks: dict[str, None] = {}
    by_user_of_seeds: list[np.ndarray] = []
    axis: _Users | None = None
    for run in runs:
        kept = run.per_user()
        column = None if kept is None else kept[1].get(metric)
        if kept is not None and column is not None:
            tokens, values = kept[0], np.asarray(column, dtype=np.float64)
            _check_values(run, metric, tokens, values)
            axis = axis or _Users(tokens)
            if not axis.has(tokens):
                raise UserError(_other_users(f"Two seeds of {label!r}"))
            by_user_of_seeds.append(axis.means(tokens, values))
            by_seed[run.seed] = float(values.mean())
        elif metric in (tested := run.result["test_result"] or {}):
            by_seed[run.seed] = tested[metric]
        else:
            continue
        marks.update(dict.fromkeys(run.result["marks"]))
    if not by_seed:
        return None
    complete = axis is not None and len(by_user_of_seeds) == len(by_seed)
    users, by_user = (axis.tokens, np.mean(by_user_of_seeds, axis=0)) if axis and complete else (None, None)
    return RowValues(label, tuple(marks), users, by_user, by_seed)


def check_same_users(rows: Sequence[RowValues]) -> None:
    """Raise UserError, naming both labels, if two rows were evaluated on different users."""
    with_users = [row for row in rows if row.users is not None]
    for row in with_users[1:]:
        if not np.array_equal(with_users[0].users, row.users):  # type: ignore[arg-type]
            raise UserError(_other_users(f"{with_users[0].label!r} and {row.label!r}"))


class _Users:
    """The users of a row; runs mostly name them in the same order, which is then found out once."""

    def __init__(self, tokens: np.ndarray) -> None:
        self._given = tokens
        self.tokens, self._which = np.unique(tokens, return_inverse=True)

    def has(self, tokens: np.ndarray) -> bool:
        """Whether these tokens, str [rows], name the same users."""
        return np.array_equal(tokens, self._given) or np.array_equal(np.unique(tokens), self.tokens)

    def means(self, tokens: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Mean value of each user, float64 [n], from float [rows]."""
        same = np.array_equal(tokens, self._given)
        which = self._which if same else np.searchsorted(self.tokens, tokens)
        means: np.ndarray = np.bincount(which, weights=values) / np.bincount(which)
        return means


def _check_values(run: RunRecord, metric: str, tokens: np.ndarray, values: np.ndarray) -> None:
    if len(values) != len(tokens) or not len(values) or not np.isfinite(values).all():
        raise UserError(
            f"The values by user of {metric} in {run.folder} are damaged: one finite number for each of "
            f"{len(tokens)} users was expected. Remove that folder and start the comparison again."
        )


def _other_users(who: str) -> str:
    return (
        f"{who} were evaluated on different users, so they cannot be compared user by user. Runs on the same split "
        "(same data and split_seed) have the same users: repeat the runs that differ."
    )
