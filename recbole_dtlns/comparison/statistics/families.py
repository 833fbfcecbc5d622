"""Comparisons that were made together, seen from one row: turned to it, and corrected as a family of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from recbole_dtlns.comparison.statistics.multiple import holm
from recbole_dtlns.comparison.statistics.seeds import SeedComparison
from recbole_dtlns.comparison.statistics.significance import Compared, adjusted
from recbole_dtlns.comparison.statistics.users import UserComparison

HOLM = "Holm"
_Test = TypeVar("_Test", UserComparison, SeedComparison)


def family_of(pairs: Sequence[Compared], label: str) -> list[Compared]:
    """The comparisons of one row with each other row, p values corrected by Holm's method among them.

    Args:
        pairs: of `all_pairs`; their tests are not made again, as a pair's outcome does not depend on the others.
        label: the row that stands first in each, so that a difference is that row - the other.

    Returns:
        In the order of the pairs; nothing where the row is in none.
    """
    own = [pair if pair.first == label else turned(pair) for pair in pairs if label in (pair.first, pair.second)]
    t_p = adjusted(holm, (None if pair.users is None else pair.users.t_p for pair in own))
    permutation_p = adjusted(holm, (None if pair.users is None else pair.users.permutation_p for pair in own))
    seeds_p = adjusted(holm, (None if pair.seeds is None else pair.seeds.p for pair in own))
    return [
        replace(pair, correction=HOLM, users_t_p=t_p[n], users_permutation_p=permutation_p[n], seeds_p=seeds_p[n])
        for n, pair in enumerate(own)
    ]


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


def _negated(test: _Test) -> _Test:
    interval = None if test.interval is None else (-test.interval[1], -test.interval[0])
    effect = None if test.effect is None else -test.effect
    return replace(test, difference=-test.difference, interval=interval, effect=effect)
