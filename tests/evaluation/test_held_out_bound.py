"""Pairs made elsewhere: the held-out pairs themselves are told from an honest judge's."""

from pathlib import Path

import numpy as np
import pytest
from test_honest import run

from recbole_dtlns.config.budget import Budget
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.evaluation.held_out_bound import Explained, TrainHeads
from recbole_dtlns.false_negatives.candidates.item_knn import ItemKNN
from recbole_dtlns.files.run_folder import read_result

Pairs = tuple[np.ndarray, np.ndarray]


def groups() -> tuple[TrainSplit, Pairs]:
    """120 users in 4 groups who like 20 items each, and a quarter of what they like held out."""
    rng = np.random.default_rng(3)
    users, items = np.divmod(np.arange(120 * 80), 80)
    likes = ((users % 4 == items % 4) & (rng.random(len(users)) < 0.6)) | (rng.random(len(users)) < 0.05)
    is_held_out = likes & (rng.random(len(users)) < 0.25)
    train = likes & ~is_held_out
    view = TrainSplit.from_pairs(np.char.mod("u%03d", users[train]), np.char.mod("i%02d", items[train]))
    assert (view.n_users, view.n_items) == (120, 80)
    return view, (users[is_held_out] + 1, items[is_held_out] + 1)


def explained(view: TrainSplit, file: Pairs, held_out: Pairs) -> Explained:
    return TrainHeads(view, *file, memory_gb=4.0).explain(*held_out)


def test_the_held_out_pairs_themselves() -> None:
    view, held_out = groups()
    assert explained(view, held_out, held_out).looks_held_out


def test_a_train_only_judge_passes_and_so_do_random_pairs() -> None:
    view, held_out = groups()
    top = ItemKNN().fit(view).top(view, Budget(5))
    knowledge = explained(view, (top.users, top.items), held_out)
    assert knowledge.pairs == len(top)
    assert knowledge.head >= knowledge.hits > 0
    assert not knowledge.looks_held_out
    rng = np.random.default_rng(1)
    assert not explained(view, (rng.integers(1, 121, 500), rng.integers(1, 81, 500)), held_out).looks_held_out


def test_a_head_has_as_many_pairs_of_each_user_as_the_file() -> None:
    view, _ = groups()
    heads = TrainHeads(view, np.array([7, 7, 7, 9]), np.array([1, 2, 2, 3]), memory_gb=4.0)
    assert heads.explain(np.zeros(1, int), np.zeros(1, int)) == Explained(3, 0, "EASE", 0)
    everything = np.divmod(np.arange(121 * 81), 81)
    assert heads.explain(*everything).head == 3  # two of user 7, one of user 9


@pytest.mark.parametrize(
    ("pairs", "hits", "head", "expected"),
    # The bound by hand: share 948 / 4717, odds 2.5 times .2515, q .3860; 1820.2 + 5 x 33.43 + 5.
    [(4715, 1012, 947, False), (4715, 1992, 947, False), (4715, 1993, 947, True), (75690, 2037, 1700, False)],
)
def test_where_the_bound_is(pairs: int, hits: int, head: int, expected: bool) -> None:
    assert Explained(pairs, hits, "EASE", head).looks_held_out is expected


def test_a_run_with_the_test_pairs_as_verdicts_fails_the_check_and_is_marked(toy_data: Path) -> None:
    path = toy_data / "toy" / "test.txt"
    result = read_result(run(toy_data, toy_data, "--model=BPR", "--epochs=1", "--judge=file", f"--judge_file={path}"))
    failed = {check["name"]: check["found"] for check in result["checks"] if not check["passed"]}
    assert failed["pairs made elsewhere are no copy of test"].startswith("60 of 60 are in test")
    assert failed["pairs made elsewhere are no copy of test"].endswith("looks like the held-out set (test)")
    assert result["marks"] == ["looks like the held-out set (test)", "origin unknown: judge_file"]
