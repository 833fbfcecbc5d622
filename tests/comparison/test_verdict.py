"""How sure a difference is, in words, and which rows no other beats."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from recbole_dtlns.comparison.report.plots.scatter import pareto
from recbole_dtlns.comparison.report.source import Source
from recbole_dtlns.comparison.report.verdict import certainty, standing
from recbole_dtlns.comparison.run.records import read_comparison
from recbole_dtlns.comparison.statistics import Compared, all_pairs, turned
from recbole_dtlns.comparison.statistics.seeds import compare_seeds
from recbole_dtlns.comparison.statistics.users import UserComparison


def compared(users_p: float | None, seeds_p: float | None, seeds: int = 3, sign: int = 1) -> Compared:
    by_user = None if users_p is None else UserComparison(9, sign * 0.1, None, users_p, users_p, None, 1)
    by_seed = None if seeds < 2 else compare_seeds(np.full(seeds, sign * 0.1), np.zeros(seeds))
    about = ("d", "m", "ndcg@20", 0.0, "a", "b", (), (), (1,), (1,), "Holm")
    return Compared(*about, by_user, users_p, users_p, by_seed, seeds_p)


@pytest.mark.parametrize(
    ("pair", "sure", "where"),
    [
        (compared(0.01, 0.01), "certain over users and over 3 seeds", "better"),
        (compared(0.01, 0.01, sign=-1), "certain over users and over 3 seeds", "worse"),
        (compared(0.01, 0.2), "certain over users, not yet over 3 seeds", "better over users, not yet over seeds"),
        (compared(0.2, 0.01), "certain over 3 seeds, not over users", "better over seeds alone"),
        (compared(0.2, 0.2), "certain neither over users nor over 3 seeds", "no sure difference"),
        (compared(0.01, None, 1), "certain over users; one seed says nothing of others", "better over users"),
        (compared(None, 0.01), "certain over 3 seeds", "better over seeds"),
        (compared(None, 0.2), "not certain over 3 seeds", "no sure difference over seeds"),
        (compared(None, None, 1), "not tested", ""),
        (None, "not tested", ""),
    ],
)
def test_users_and_seeds_are_told_apart(pair: Compared | None, sure: str, where: str):
    assert certainty(pair) == sure
    assert standing(pair, "ndcg@20") == where


def test_which_side_is_better_depends_on_the_metric():
    pair = compared(0.01, 0.01)
    assert [standing(pair, name) for name in ("giniindex@20", "averagepopularity@20")] == ["worse", "higher"]


def test_the_pareto_line_goes_through_what_nothing_beats():
    points = [(3.0, 0.3), (1.0, 0.1), (2.0, 0.05), (2.0, 0.2), (4.0, 0.3), (9.0, 0.31)]
    assert pareto(points) == [(1.0, 0.1), (2.0, 0.2), (3.0, 0.3), (9.0, 0.31)]
    assert pareto(points, lower_is_better=True) == [(1.0, 0.1), (2.0, 0.05)]


def test_the_outcome_of_a_pair_does_not_depend_on_the_other_rows(made: Path):
    source = Source(read_comparison(made))
    (group,) = source.groups
    family = source.against_ours(group)
    assert len(family) > 2
    for pair in family:
        runs = [run for run in source.comparison.runs if run.label in (pair.first, pair.second)]
        two = replace(source.comparison, runs=runs)
        (alone,) = all_pairs(two, "ml-100k", "BPR", "ndcg@20", extra=two.references("ml-100k"))
        alone = alone if alone.first == pair.first else turned(alone)
        assert (pair.first, pair.second, pair.correction) == (alone.first, alone.second, "Holm")
        assert pair.users.t_p == pytest.approx(alone.users.t_p)
        assert pair.users.permutation_p == alone.users.permutation_p
        assert pair.users.interval == pytest.approx(alone.users.interval)
        assert pair.seeds.p == pytest.approx(alone.seeds.p)
