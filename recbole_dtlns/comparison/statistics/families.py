"""Comparisons that were made together, seen from one row: turned to it, and corrected as a family of their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from recbole_dtlns.comparison.statistics.multiple import holm
from recbole_dtlns.comparison.statistics.seeds import SeedComparison
from recbole_dtlns.comparison.statistics.significance import HOLM, Compared
from recbole_dtlns.comparison.statistics.users import UserComparison

_Found = TypeVar("_Found", UserComparison, SeedComparison)


def family_of(pairs: Sequence[Compared], label: str) -> list[Compared]:
    """The comparisons of one row with each other row, p values corrected by Holm's method among them.

    Args:
        pairs: of `all_pairs`; their tests are not made again, as a pair's outcome does not depend on the others.
        label: the row that stands first in each, so that a difference is that row - the other.

    Returns:
        In the order of the pairs; nothing where the row is in none.
    """
    own = [pair if pair.first == label else turned(pair) for pair in pairs if label in (pair.first, pair.second)]
    t_p = _corrected(None if pair.users is None else pair.users.t_p for pair in own)
    permutation_p = _corrected(None if pair.users is None else pair.users.permutation_p for pair in own)
    seeds_p = _corrected(None if pair.seeds is None else pair.seeds.p for pair in own)
    return [
        replace(pair, correction=HOLM, users_t_p=t_p[n], users_permutation_p=permutation_p[n], seeds_p=seeds_p[n])
        for n, pair in enumerate(own)
    ]


def _corrected(p: Iterable[float | None]) -> list[float | None]:
    values = holm(np.array([np.nan if value is None else value for value in p], dtype=np.float64))
    return [None if np.isnan(value) else float(value) for value in values]


def turned(compared: Compared) -> Compared:
    """The same comparison told of the second row: second - first. Two-sided p values stay as they are."""
    return replace(
        compared,
        first=compared.second,
        second=compared.first,
        first_marks=compared.second_marks,
        second_marks=compared.first_marks,
        first_seeds=compared.second_seeds,
        second_seeds=compared.first_seeds,
        users=None if compared.users is None else _negated(compared.users),
        seeds=None if compared.seeds is None else _negated(compared.seeds),
    )


def _negated(found: _Found) -> _Found:
    interval = None if found.interval is None else (-found.interval[1], -found.interval[0])
    effect = None if found.effect is None else -found.effect
    return replace(found, difference=-found.difference, interval=interval, effect=effect)
