"""Which rows of a comparison differ: all pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from recbole_dtlns.comparison.run.records import Comparison, RunRecord
from recbole_dtlns.comparison.statistics.multiple import benjamini_hochberg
from recbole_dtlns.comparison.statistics.seeds import SeedComparison, compare_seeds
from recbole_dtlns.comparison.statistics.users import UserComparison, compare_columns
from recbole_dtlns.comparison.statistics.values import RowValues, check_same_users, row_values

BENJAMINI_HOCHBERG = "Benjamini-Hochberg"
Extra = Mapping[str, Sequence[RunRecord]]


@dataclass(frozen=True)
class Compared:
    """Two rows compared on one metric; every difference is first - second, every test two-sided.

    Attributes:
        dataset, model, metric, noise: what is compared.
        first, second: labels.
        first_marks, second_marks: what must stand beside their numbers.
        first_seeds, second_seeds: of their finished runs. Values by user are means over a row's own seeds.
        correction: name of the correction of the adjusted p values; its family is all comparisons made together, on
            this metric, model, data set and noise rate.
        users: over users; None where the metric has no values by user or a run did not keep them.
        users_t_p, users_permutation_p: adjusted p values of the two tests over users, each corrected on its own.
        seeds: over the seeds that both rows have; None with fewer than two.
        seeds_p: adjusted p value of the paired t test over seeds.
    """

    dataset: str
    model: str
    metric: str
    noise: float
    first: str
    second: str
    first_marks: tuple[str, ...]
    second_marks: tuple[str, ...]
    first_seeds: tuple[int, ...]
    second_seeds: tuple[int, ...]
    correction: str
    users: UserComparison | None
    users_t_p: float | None
    users_permutation_p: float | None
    seeds: SeedComparison | None
    seeds_p: float | None

    @property
    def users_p(self) -> float | None:
        """The adjusted p value that decides over users: of the t test, of the permutation test where that has none."""
        return self.users_permutation_p if self.users_t_p is None else self.users_t_p


def all_pairs(
    comparison: Comparison,
    dataset: str,
    model: str,
    metric: str,
    noise: float = 0.0,
    *,
    extra: Extra | None = None,
    seed: int = 0,
) -> list[Compared]:
    """Compare every row with every later one, p values corrected by Benjamini and Hochberg's method.

    The tests are two-sided. RecBole's significance_test.py asks `ttest_rel(ours, baseline, alternative="less")`, so its
    small p values speak for ours being worse; and it asks over runs alone.

    Args:
        comparison: the runs.
        dataset, model: the group.
        metric: as RecBole writes it, `ndcg@20`.
        noise: the noise rate of the runs.
        extra: runs of other rows by label (`comparison.references(dataset)`), compared as well.
        seed: of resamples and sign flips.

    Returns:
        In the order of the labels. Rows without a finished run that has the metric are left out.

    Raises:
        UserError: rows were evaluated on different users.
    """
    rows = _rows(comparison, dataset, model, metric, noise, extra)
    pairs = list(combinations(range(len(rows)), 2))
    users = _over_users(rows, pairs, np.random.default_rng(seed))
    seeds = [_over_seeds(rows[i], rows[j]) for i, j in pairs]
    t_p = adjusted(benjamini_hochberg, (None if test is None else test.t_p for test in users))
    permutation_p = adjusted(benjamini_hochberg, (None if test is None else test.permutation_p for test in users))
    seeds_p = adjusted(benjamini_hochberg, (None if test is None else test.p for test in seeds))
    return [
        Compared(
            *(dataset, model, metric, noise),
            **_names_of(rows[i], rows[j]),
            correction=BENJAMINI_HOCHBERG,
            users=users[k],
            users_t_p=t_p[k],
            users_permutation_p=permutation_p[k],
            seeds=seeds[k],
            seeds_p=seeds_p[k],
        )
        for k, (i, j) in enumerate(pairs)
    ]


def _names_of(first: RowValues, second: RowValues) -> dict[str, Any]:
    """The fields of `Compared` that say which two rows these are."""
    return {
        "first": first.label,
        "second": second.label,
        "first_marks": first.marks,
        "second_marks": second.marks,
        "first_seeds": tuple(sorted(first.by_seed)),
        "second_seeds": tuple(sorted(second.by_seed)),
    }


def _rows(
    comparison: Comparison, dataset: str, model: str, metric: str, noise: float, extra: Extra | None
) -> list[RowValues]:
    runs = {label: comparison.seeds_of(dataset, model, label, noise) for label in comparison.labels(dataset, model)}
    runs |= {label: list(given) for label, given in (extra or {}).items() if label not in runs}
    values = (row_values(label, of_row, metric) for label, of_row in runs.items())
    rows = [row for row in values if row is not None]
    check_same_users(rows)
    return rows


def _over_users(
    rows: list[RowValues], pairs: list[tuple[int, int]], generator: np.random.Generator
) -> list[UserComparison | None]:
    columns = [row.by_user for row in rows if row.by_user is not None]
    if not columns:
        return [None] * len(pairs)
    with_users = [number for number, row in enumerate(rows) if row.by_user is not None]
    column = {number: place for place, number in enumerate(with_users)}
    wanted = [(i, j) for i, j in pairs if i in column and j in column]
    tests = compare_columns(np.stack(columns, axis=1), [(column[i], column[j]) for i, j in wanted], generator)
    by_pair = dict(zip(wanted, tests, strict=True))
    return [by_pair.get(pair) for pair in pairs]


def _over_seeds(first: RowValues, second: RowValues) -> SeedComparison | None:
    common = sorted(first.by_seed.keys() & second.by_seed.keys())
    if len(common) < 2:
        return None
    return compare_seeds([first.by_seed[seed] for seed in common], [second.by_seed[seed] for seed in common])


def adjusted(adjust: Callable[[np.ndarray], np.ndarray], p: Iterable[float | None]) -> list[float | None]:
    """p values corrected as a family of tests; None where there was no test."""
    values = adjust(np.array([np.nan if value is None else value for value in p], dtype=np.float64))
    return [None if np.isnan(value) else float(value) for value in values]
