"""Comparisons that are made by hand: what is turned, corrected as a family, and said in words."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from recbole_dtlns.comparison.statistics import Compared, family_of, over_seeds, over_users, turned
from recbole_dtlns.comparison.statistics.seeds import SeedComparison
from recbole_dtlns.comparison.statistics.users import UserComparison
from recbole_dtlns.comparison.statistics.values import row_values
from recbole_dtlns.comparison.statistics.words import metric_name

USERS = UserComparison(50, 0.02, (0.01, 0.04), 0.03, 0.02, 0.3, 10_000)
SEEDS = SeedComparison(5, 0.03, (0.02, 0.05), 0.01, 1.5)


def pair(first, second, t_p=0.03, permutation_p=0.02, seeds_p=0.01):
    """Two rows with uncorrected p values of these sizes, and corrected ones that no method would give."""
    users = dataclasses.replace(USERS, t_p=t_p, permutation_p=permutation_p)
    seeds = dataclasses.replace(SEEDS, p=seeds_p)
    tests = (users, 0.91, 0.92, seeds, 0.93)
    return Compared("toy", "BPR", "ndcg@20", 0.0, first, second, ("m",), (), (1, 2), (3, 4), "none", *tests)


def test_each_test_is_corrected_with_its_own_kind_in_the_family_of_one_row():
    pairs = [
        pair("a", "ours", 0.03, 0.02, 0.01),
        pair("a", "b", 0.001, 0.001, 0.001),
        pair("ours", "b", 0.04, 0.5, 0.3),
    ]
    family = family_of(pairs, "ours")
    assert [(each.first, each.second, each.correction) for each in family] == [
        ("ours", "a", "Holm"),
        ("ours", "b", "Holm"),
    ]
    assert [each.users_t_p for each in family] == pytest.approx([0.06, 0.06])
    assert [each.users_permutation_p for each in family] == pytest.approx([0.04, 0.5])
    assert [each.seeds_p for each in family] == pytest.approx([0.02, 0.3])
    assert family_of(pairs, "nobody") == []


def test_a_pair_without_a_test_does_not_count_in_its_family():
    without = dataclasses.replace(pair("ours", "b"), users=None, seeds=None)
    first, second = family_of([pair("ours", "a"), without], "ours")
    assert (first.users_t_p, first.users_permutation_p, first.seeds_p) == pytest.approx((0.03, 0.02, 0.01))
    assert (second.users_t_p, second.users_permutation_p, second.seeds_p) == (None, None, None)


def test_all_that_belongs_to_a_row_turns_with_it():
    back = turned(pair("a", "b"))
    assert (back.first, back.first_marks, back.first_seeds) == ("b", (), (3, 4))
    assert (back.second, back.second_marks, back.second_seeds) == ("a", ("m",), (1, 2))
    assert (back.users.difference, back.users.interval, back.users.effect) == (-0.02, (-0.04, -0.01), -0.3)
    assert (back.seeds.difference, back.seeds.interval, back.seeds.effect) == (-0.03, (-0.05, -0.02), -1.5)
    assert (back.users.t_p, back.seeds.p, back.users_t_p, back.seeds_p) == (0.03, 0.01, 0.91, 0.93)


def test_the_permutation_test_decides_where_there_is_no_t_test():
    assert pair("a", "b").users_p == 0.91
    assert dataclasses.replace(pair("a", "b"), users_t_p=None).users_p == 0.92


def said(t_p, permutation_p):
    return over_users(dataclasses.replace(pair("a", "b"), users_t_p=t_p, users_permutation_p=permutation_p))


def test_five_percent_itself_is_not_significant_in_either_test():
    assert "says otherwise" not in said(0.05, 0.2)
    assert "says otherwise" not in said(0.2, 0.05)
    assert said(0.05, 0.05).startswith("No significant difference")
    assert said(0.05, 0.04).endswith(
        "the permutation test says otherwise (p = .0400). Their runs have different seeds: 1, 2 and 3, 4."
    )


def test_numbers_and_their_nouns_agree():
    both = dataclasses.replace(pair("a", "b"), users=dataclasses.replace(USERS, n=2))
    assert " over 2 users." in over_users(both)
    none = dataclasses.replace(pair("a", "b"), seeds=None, seeds_p=None)
    assert over_seeds(none).endswith(": they have no seeds in common, and it takes two.")


def test_a_metric_without_a_cut_off_and_one_that_is_not_known():
    assert (metric_name("gauc"), metric_name("novelty@5")) == ("GAUC", "Novelty@5")


def test_a_run_that_lacks_the_metric_leaves_the_seeds_behind_it():
    def run(seed, column):
        kept = (np.array(["ann", "bob"]), {column: np.array([0.1, 0.3]) * seed})
        return SimpleNamespace(seed=seed, per_user=lambda: kept, result={"test_result": None, "marks": []})

    row = row_values("dns", [run(1, "mrr@20"), run(2, "ndcg@20"), run(3, "ndcg@20")], "ndcg@20")
    assert row.by_seed == pytest.approx({2: 0.4, 3: 0.6})
    assert row.by_user.tolist() == pytest.approx([0.25, 0.75])
    assert row_values("dns", [run(1, "mrr@20")], "ndcg@20") is None
