"""After a run: whether the judge's probabilities mean what they say, on valid."""

from pathlib import Path

import numpy as np
import pytest
from toy import toy_split, write_pairs

from recbole_dtlns.cli import main
from recbole_dtlns.files.run_folder import read_result

FLAGS = ["--model=BPR", "--dataset=toy", "--data_path=data", "--epochs=1", "--embedding_size=8", "--tree_leaf_size=4"]


def result(*flags: str) -> dict:
    assert main([*FLAGS, f"--run_dir=run{len(list(Path().glob('run*')))}", *flags]) == 0
    return read_result(max(Path().glob("run*")))


def test_keep_all_is_sure_of_everything_and_valid_tells_how_much_is_right(toy: Path) -> None:
    # Every unseen item of every user is a candidate, so that each valid pair is found once.
    parts = toy_split()
    parts["valid"] = parts["valid"][:37]  # fewer than in test
    write_pairs(toy / "data" / "toy", parts)
    [row] = result("--judge=keep_all", "--candidate_topk=40")["reliability"]["valid"]
    train_items = {item for _, item in parts["train"]}
    valid = sum(item in train_items for _, item in parts["valid"])
    unseen = 60 * len(train_items) - len(parts["train"])
    assert (row["low"], row["high"], row["pairs"], row["predicted"]) == (0.5, 1.0, unseen, 1.0)
    assert row["found"] == pytest.approx(valid / unseen)


@pytest.mark.parametrize("judge", ["rule", "learned"])
def test_every_judged_candidate_stands_in_one_bin(toy: Path, judge: str) -> None:
    trained = result(f"--judge={judge}", "--candidate_topk=12", "--judge_report=false")
    rows = trained["reliability"]["valid"]
    assert sum(row["pairs"] for row in rows) == trained["identification"]["pairs"] == 720
    assert all(row["low"] <= row["predicted"] <= row["high"] for row in rows)
    hits = sum(row["pairs"] * row["found"] for row in rows)
    assert hits == pytest.approx(np.rint(hits))
    assert hits > 720 / 32 * 0.8  # what chance would give


def test_without_a_judge_there_is_none_and_a_trial_that_reads_no_test_has_it(toy: Path) -> None:
    assert result("--judge=none")["reliability"] is None
    trial = result("--judge=rule", "--evaluate_test=false")
    assert trial["test_result"] is None
    assert trial["reliability"]["valid"]
