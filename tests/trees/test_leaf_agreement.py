import numpy as np
import pytest

from recbole_dtlns.data.train_split import PAD
from recbole_dtlns.trees.agreement import leaf_agreement
from recbole_dtlns.trees.codes import CodeTable


def tree(leaves: list[int], tokens: list[str] | None = None) -> CodeTable:
    names = tokens or [f"i{n}" for n in range(len(leaves))]
    return CodeTable(np.array([PAD, *names]), np.array([[-1], *[[leaf] for leaf in leaves]], dtype=np.int16))


def test_known_value():
    assert leaf_agreement(tree([0, 0, 1, 1]), tree([0, 0, 1, 2])) == pytest.approx(4 / 7)


def test_names_of_leaves_do_not_matter():
    assert leaf_agreement(tree([0, 0, 1, 1, 2]), tree([5, 5, 0, 0, 1])) == 1.0


def test_unrelated_trees_agree_by_about_nothing():
    rng = np.random.default_rng(0)
    assert (
        abs(leaf_agreement(tree(rng.integers(0, 50, 2000).tolist()), tree(rng.integers(0, 50, 2000).tolist()))) < 0.02
    )


def test_items_are_matched_by_token_and_uncoded_ones_left_out():
    a = tree([0, 0, 1, 1, 7, -1], ["a", "b", "c", "d", "e", "f"])
    b = tree([2, 3, 3, 2, -1, 9], ["d", "b", "a", "c", "e", "f"])
    assert leaf_agreement(a, b) == 1.0


def test_no_item_in_both():
    assert leaf_agreement(tree([0, 1], ["a", "b"]), tree([0, 1], ["c", "d"])) == 0.0
