"""The rule on honest evaluation: nothing held out reaches training, nothing inferred reaches the evaluator."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy import toy_split, write_pairs

from recbole_dtlns.cli import main
from recbole_dtlns.config.run_config import Config
from recbole_dtlns.data import mask
from recbole_dtlns.data.augmented import positives_matrix
from recbole_dtlns.data.build import BuiltSplit, build_split
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.identification.identified import Identification
from recbole_dtlns.false_negatives.identification.stage import identify
from recbole_dtlns.files.run_folder import read_result
from recbole_dtlns.training.assemble import Prepared, prepare

SMALL = ["--tree_leaf_size=4", "--embedding_size=8", "--train_batch_size=128"]


def run(folder: Path, data: Path, *flags: str) -> Path:
    """A short run in `folder/run`, with its cache beside it."""
    arguments = ["--dataset=toy", f"--data_path={data}", f"--run_dir={folder / 'run'}", *SMALL, *flags]
    assert main([*arguments, f"--cache_dir={folder / 'cache'}"]) == 0
    return folder / "run"


def other_held_out() -> dict[str, list[tuple[str, str]]]:
    """The same train with other users, other items and other lengths in valid and test."""
    parts = toy_split()
    valid = [("newcomer", "i1"), ("u3", "unheard"), ("u4", "aaa"), ("u5", "i39x")]
    test = [(f"z{number}", f"i{number}") for number in range(7)] + [("u1", "0")]
    return {"train": list(reversed(parts["train"])), "valid": valid, "test": test}


@pytest.mark.parametrize(
    "flags",
    [
        ["--judge=rule"],
        ["--judge=keep_all", "--candidate_source=ItemKNN"],
        ["--judge=rule", "--candidate_source=BPR", "--candidate_config={epochs: 2, embedding_size: 8}"],
        ["--judge=learned", "--learned_from=rule", "--candidate_topk=12", "--judge_report=false"],
    ],
    ids=["rule", "knn", "model", "learned"],
)
def test_replacing_valid_and_test_changes_no_inferred_positive(tmp_path: Path, flags: list[str]) -> None:
    write_pairs(tmp_path / "one" / "toy", toy_split())
    write_pairs(tmp_path / "two" / "toy", other_held_out())
    first = run(tmp_path / "a", tmp_path / "one", "--model=BPR", "--epochs=1", *flags)
    second = run(tmp_path / "b", tmp_path / "two", "--model=BPR", "--epochs=1", *flags)
    content = (first / "inferred_positives.tsv").read_bytes()
    assert content == (second / "inferred_positives.tsv").read_bytes()
    assert content.count(b"\n") > 50
    assert len(list((first / "tensorboard").glob("events*"))) == 1  # of the run; a candidate model leaves none there
    assert read_result(first)["data"]["train_hash"] == read_result(second)["data"]["train_hash"]
    assert read_result(first)["data"]["split_hash"] != read_result(second)["data"]["split_hash"]


def prepared(data: Path, **keys: Any) -> tuple[Config, BuiltSplit, Identification, Prepared]:
    """A run that is ready to train, under the plain rule: no test here is about the judge."""
    given = {"data_path": str(data), "tree_leaf_size": 4, "embedding_size": 8, "judge": "rule", **keys}
    config = Config("LightGCN", "toy", config_dict=given)
    config["checkpoint_dir"] = str(data / "saved")
    split = build_split(config, data / "cache")
    identified = identify(split.view, config.settings, config.method, data / "cache")
    return config, split, identified, prepare(config, split, identified.inferred, identified.trees)


def masked(loader: Any) -> set[tuple[int, int]]:
    pairs = set()
    for user in loader.uid_list.tolist():
        pairs |= {(user, item) for item in loader.uid2history_item[user].tolist()}
    return pairs


def pairs_of(part: Any) -> set[tuple[int, int]]:
    return set(zip(part.inter_feat["user_id"].tolist(), part.inter_feat["item_id"].tolist(), strict=True))


def seen_by(loader: Any, pairs: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """The pairs of users that this part evaluates."""
    users = set(loader.uid_list.tolist())
    return {pair for pair in pairs if pair[0] in users}


@pytest.mark.parametrize("sampler", ["dtl_ns", "recbole:uniform"])
def test_the_mask_is_recboles_own_on_the_real_split(toy_data: Path, sampler: str) -> None:
    _, split, _, ready = prepared(toy_data, neg_sampler=sampler, judge="keep_all")
    train, valid, _ = (pairs_of(part) for part in split.parts)
    assert ready.extra is not None
    assert masked(ready.valid_data) == seen_by(ready.valid_data, train)
    assert masked(ready.test_data) == seen_by(ready.test_data, train | valid)


def test_eval_mask_train_leaves_valid_positives_in_the_test_ranking(toy_data: Path) -> None:
    _, split, _, ready = prepared(toy_data, eval_mask="train")
    train = pairs_of(split.train)
    assert masked(ready.valid_data) == seen_by(ready.valid_data, train)
    assert masked(ready.test_data) == seen_by(ready.test_data, train)


def test_the_reference_protocol_masks_train_and_inferred_and_drops_held_out_pairs(toy_data: Path) -> None:
    _, split, identified, ready = prepared(toy_data, protocol="reference", judge="keep_all", judge_decision="threshold")
    train, valid, test = (pairs_of(part) for part in split.parts)
    assert ready.extra is not None
    extra = set(zip(ready.extra.users.tolist(), ready.extra.items.tolist(), strict=True))
    assert identified.inferred is not None
    assert 0 < len(extra) < len(identified.inferred)
    assert not extra & (valid | test)
    assert masked(ready.valid_data) == seen_by(ready.valid_data, train | extra)
    assert masked(ready.test_data) == seen_by(ready.test_data, train | extra)


def test_honest_runs_keep_inferred_positives_that_happen_to_be_held_out(toy_data: Path) -> None:
    _, split, identified, ready = prepared(toy_data, judge="keep_all", judge_decision="threshold")
    assert ready.extra is not None
    assert identified.inferred is not None
    assert len(ready.extra) == len(identified.inferred)
    held_out = pairs_of(split.valid) | pairs_of(split.test)
    assert held_out & set(zip(ready.extra.users.tolist(), ready.extra.items.tolist(), strict=True))


def test_any_other_pair_in_the_mask_raises(toy_data: Path) -> None:
    _, split, _, ready = prepared(toy_data, judge="none")
    user = int(ready.valid_data.uid_list[0])
    seen = ready.valid_data.uid2history_item[user]
    unseen = next(item for item in range(1, 40) if item not in seen.tolist())
    ready.valid_data.uid2history_item[user] = torch.cat([seen, torch.tensor([unseen])])
    with pytest.raises(UserError, match="leave out 1 pairs that are not in the real split"):
        mask.require_mask(ready.valid_data, positives_matrix(split.train), "validation")


def test_inferred_pairs_are_never_negatives_and_rejected_ones_may_be(toy_data: Path) -> None:
    _, split, _, ready = prepared(toy_data, judge="keep_all", positives_per_user=3, neg_sampler="dns")
    assert ready.extra is not None
    barred = positives_matrix(split.train, ready.extra)
    users = torch.arange(1, split.train.user_num)
    drawn = ready.trainer.step.sampler.propose(users, 400)
    hits = barred[np.repeat(users.numpy(), 400), np.array(drawn.reshape(-1))]
    assert np.asarray(hits).sum() == 0
    free = split.train.item_num - 1 - np.asarray(barred.sum(axis=1)).ravel()[1:]
    assert [len(row.unique()) for row in drawn] == free.tolist()  # all others are drawn, rejected pairs among them
    drawable = prepared(toy_data, judge="keep_all", neg_sampler="dns", exclude_inferred=False)[3]
    again = drawable.trainer.step.sampler.propose(users, 400)
    only_train = positives_matrix(split.train)
    free = split.train.item_num - 1 - np.asarray(only_train.sum(axis=1)).ravel()[1:]
    assert [len(row.unique()) for row in again] == free.tolist()


def test_stock_negatives_avoid_inferred_pairs_too(toy_data: Path) -> None:
    _, _, _, ready = prepared(toy_data, judge="keep_all", neg_sampler="recbole:uniform")
    assert ready.extra is not None
    extra = set(zip(ready.extra.users.tolist(), ready.extra.items.tolist(), strict=True))
    for _ in range(5):
        for rows in ready.train_data:
            assert not extra & set(zip(rows["user_id"].tolist(), rows["neg_item_id"].tolist(), strict=True))


def test_the_overlap_is_reported_beside_chance(tmp_path: Path, toy_data: Path) -> None:
    folder = run(tmp_path, toy_data, "--model=BPR", "--epochs=1", "--judge=rule")
    result = read_result(folder)
    rows = [line.split("\t")[:2] for line in (folder / "inferred_positives.tsv").read_text().splitlines()[1:]]
    parts = toy_split()
    chance = {}
    for name in ("valid", "test"):
        held_out = set(parts[name])
        assert result["overlap"][name] == sum((user, item) in held_out for user, item in rows)
        counts: dict[str, list[int]] = {}
        for user, _ in rows:
            counts.setdefault(user, [0, 0, 0])[0] += 1
        for user, _ in parts[name]:
            counts.setdefault(user, [0, 0, 0])[1] += 1
        for user, _ in parts["train"]:
            counts.setdefault(user, [0, 0, 0])[2] += 1
        chance[name] = sum(a * b / (40 - c) for a, b, c in counts.values())
        assert result["overlap"][f"{name}_chance"] == pytest.approx(chance[name], abs=1e-3)


def test_identify_does_not_even_read_valid_and_test(tmp_path: Path, toy_data: Path) -> None:
    full = run(tmp_path / "full", toy_data, "--model=BPR", "--epochs=1")
    for name in ("valid", "test"):
        (toy_data / "toy" / f"{name}.txt").write_text("this is \x00 no data\n", encoding="utf-8")
    flags = ["--dataset=toy", f"--data_path={toy_data}", f"--run_dir={tmp_path / 'alone'}", "--tree_leaf_size=4"]
    assert main(["identify", *flags, f"--cache_dir={tmp_path / 'cache2'}"]) == 0
    inferred = (tmp_path / "alone" / "inferred_positives.tsv").read_bytes()
    assert inferred == (full / "inferred_positives.tsv").read_bytes()
    result = read_result(tmp_path / "alone")
    assert result["overlap"] is result["test_result"] is result["best_valid_result"] is result["model"] is None
    assert result["data"]["valid"] is result["data"]["split_hash"] is None
    about = json.loads((tmp_path / "alone" / "inferred_positives.tsv.json").read_text())
    assert about["train_hash"] == result["data"]["train_hash"]


def test_identify_says_that_it_is_one_process(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    del toy
    assert main(["identify", "--dataset=toy", "--data_path=data", "--judge=keep_all", "--nproc=2"]) == 0
    assert "identify works in one process" in capsys.readouterr().err


def test_a_later_run_reuses_everything_that_identify_made(tmp_path: Path, toy_data: Path) -> None:
    shared = ["--dataset=toy", f"--data_path={toy_data}", f"--cache_dir={tmp_path / 'cache'}", *SMALL[:1]]
    assert main(["identify", *shared, f"--run_dir={tmp_path / 'alone'}"]) == 0
    assert read_result(tmp_path / "alone")["cached"] == []
    flags = [*shared, "--model=BPR", "--epochs=1", "--embedding_size=8", f"--run_dir={tmp_path / 'later'}"]
    assert main(flags) == 0
    assert sorted(read_result(tmp_path / "later")["cached"]) == ["candidates", "judging", "trees"]


@pytest.mark.parametrize(
    ("flags", "mark"),
    [
        (["--protocol=reference"], "reference protocol (uses test labels)"),
        (["--neg_sampler=recbole:popularity"], "uses held-out counts"),
        ([], None),
    ],
)
def test_results_that_need_a_mark_carry_it(tmp_path: Path, toy_data: Path, flags: list[str], mark: str | None) -> None:
    folder = run(tmp_path, toy_data, "--model=BPR", "--epochs=1", "--judge=rule", *flags)
    assert read_result(folder)["marks"] == ([] if mark is None else [mark])
    assert mark is None or mark in (folder / "run.log").read_text()
