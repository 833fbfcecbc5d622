"""Noise in train: what is added, what is hidden, and who gets to see it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from recbole.data.interaction import Interaction
from scipy import sparse
from toy import toy_split, write_pairs

from recbole_dtlns.cli import main
from recbole_dtlns.config.run_config import Config
from recbole_dtlns.data.augmented import InferredIds
from recbole_dtlns.data.build import BuiltSplit, build_split
from recbole_dtlns.data.noise import added_pairs, hidden_pairs, with_pairs, without_pairs
from recbole_dtlns.data.tokens import token_pairs
from recbole_dtlns.errors import UserError
from recbole_dtlns.evaluation import result as results
from recbole_dtlns.evaluation.loading import load_run
from recbole_dtlns.files.run_folder import read_result

Pair = tuple[str, str]


def matrix(users: int = 30, items: int = 50, density: float = 0.2, seed: int = 0) -> sparse.csr_matrix:
    """Every user has an item; padding has none."""
    dense = np.random.default_rng(seed).random((users + 1, items + 1)) < density
    dense[:, 1] = True
    dense[0] = dense[:, 0] = False
    return sparse.csr_matrix(dense.astype(np.float32))


def dense(pairs: Any, like: sparse.csr_matrix) -> np.ndarray:
    """How often each pair occurs, int64 like the matrix."""
    counts = np.zeros(like.shape, dtype=np.int64)
    np.add.at(counts, pairs, 1)
    return counts


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_added_pairs_stand_in_no_part_and_none_twice() -> None:
    train, held_out = matrix(), matrix(density=0.1, seed=1)
    added = dense(added_pairs(train, held_out, 400, rng()), train)
    assert added.sum() == 400
    assert added.max() == 1
    assert not (added.astype(bool) & ((train + held_out).toarray() > 0)).any()
    assert not added[0].any()
    assert not added[:, 0].any()


def test_users_of_added_pairs_follow_their_activity_and_items_are_uniform() -> None:
    train = sparse.csr_matrix((4, 2001), dtype=np.float32).tolil()
    train[1, 1:401] = train[2, 1:101] = 1  # user 3 is not in train
    train, totals, items = train.tocsr(), np.zeros(4), np.zeros(2001)
    for seed in range(20):
        added = dense(added_pairs(train, sparse.csr_matrix(train.shape), 500, rng(seed)), train)
        totals += added.sum(axis=1)
        items += added.sum(axis=0)
    assert totals[3] == 0
    assert totals[1] / totals.sum() == pytest.approx(0.8, abs=0.02)
    unseen = items[401:]  # by both users, so that all are alike
    assert unseen.mean() == pytest.approx(unseen[:800].mean(), rel=0.03)
    assert unseen.var() == pytest.approx(unseen.mean(), rel=0.2)  # as of a Poisson draw


def test_added_pairs_fill_up_to_one_item_of_each_user_and_no_further() -> None:
    train, nothing = matrix(6, 9, 0.3), sparse.csr_matrix((7, 10), dtype=np.float32)
    room = 6 * 8 - train.nnz
    added = dense(added_pairs(train, nothing, room, rng()), train)
    assert ((added + train.toarray()).sum(axis=1)[1:] == 8).all()
    with pytest.raises(UserError, match=rf"asks for {room + 1} pairs added to .* only {room} can"):
        added_pairs(train, nothing, room + 1, rng())


@pytest.mark.parametrize("number", [0, 1, 60, 200])
def test_hidden_pairs_are_training_pairs_and_every_user_keeps_one(number: int) -> None:
    train = matrix()
    hidden = dense(hidden_pairs(train, number, rng()), train)
    assert hidden.sum() == number
    left = train.toarray() - hidden
    assert left.min() == 0
    assert (left.sum(axis=1)[1:] >= 1).all()


def test_all_but_one_pair_of_each_user_can_be_hidden_and_no_more() -> None:
    train = matrix()
    left = train.toarray() - dense(hidden_pairs(train, train.nnz - 30, rng()), train)
    assert (left.sum(axis=1)[1:] == 1).all()
    assert left[:, 2:].any()  # not always the first item
    with pytest.raises(UserError, match="hidden from"):
        hidden_pairs(train, train.nnz - 29, rng())


def test_every_training_pair_is_hidden_equally_often() -> None:
    train = matrix(users=10, items=30, density=0.4)
    times = sum(dense(hidden_pairs(train, train.nnz // 10, rng(seed)), train) for seed in range(600))
    shares = times[train.toarray() > 0] / 600
    assert shares.mean() == pytest.approx(train.nnz // 10 / train.nnz)
    assert shares.std() < 1.2 * np.sqrt(0.1 * 0.9 / 600)


def test_more_hidden_pairs_hold_the_fewer() -> None:
    train = matrix()
    few, many = (dense(hidden_pairs(train, number, rng()), train) for number in (20, 90))
    assert (few <= many).all()


def test_added_rows_are_filled_and_all_rows_of_a_hidden_pair_go() -> None:
    columns = {
        "user_id": torch.tensor([1, 1, 2, 1]),
        "item_id": torch.tensor([3, 4, 3, 3]),
        "rating": torch.tensor([1.0, 2.0, 3.0, 4.0]),
        "word": torch.tensor([5, 6, 7, 8]),
    }
    part = SimpleNamespace(uid_field="user_id", iid_field="item_id", inter_feat=Interaction(columns))
    part.user_num, part.item_num, part.copy = 3, 6, lambda rows: rows
    rows = with_pairs(part, np.array([2, 2]), np.array([4, 5]))
    assert rows["user_id"].tolist() == [1, 1, 2, 1, 2, 2]
    assert rows["item_id"].tolist() == [3, 4, 3, 3, 4, 5]
    assert rows["rating"].tolist() == [1, 2, 3, 4, 2.5, 2.5]
    assert rows["word"].tolist() == [5, 6, 7, 8, 0, 0]
    rows = without_pairs(part, np.array([1, 2]), np.array([3, 4]))
    assert rows["word"].tolist() == [6, 7]
    assert len(part.inter_feat) == 4


def split(data: Path, **keys: Any) -> BuiltSplit:
    config = Config("BPR", "toy", config_dict={"data_path": str(data), **keys})
    return build_split(config, data / "cache")


def pairs(part: Any) -> set[Pair]:
    return set(zip(*(tokens.tolist() for tokens in token_pairs(part)), strict=True))


KINDS = ["false_positives", "false_negatives"]


def test_without_noise_the_train_in_use_is_recboles(toy_data: Path) -> None:
    built = split(toy_data, noise_kind="false_negatives", noise_seed=3)
    assert built.real_train is built.train
    assert built.noise is None


@pytest.mark.parametrize("kind", KINDS)
def test_the_train_in_use_is_noisy_and_the_split_keeps_its_identity(toy_data: Path, kind: str) -> None:
    clean, noisy = split(toy_data), split(toy_data, noise_rate=0.2, noise_kind=kind, split_seed=5)
    train, changed, real = pairs(clean.train), pairs(noisy.train), pairs(noisy.real_train)
    assert real == train == set(toy_split()["train"])
    assert len(changed ^ train) == round(0.2 * len(train)) == len(changed - train) + len(train - changed)
    assert (changed > train) if kind == "false_positives" else (changed < train)
    assert not changed & (pairs(noisy.valid) | pairs(noisy.test))
    assert noisy.noise == {"kind": kind, "rate": 0.2, "seed": 5, "pairs": len(changed ^ train)}
    assert noisy.split_hash == clean.split_hash
    assert noisy.statistics == clean.statistics
    assert noisy.view.train_hash != clean.view.train_hash
    assert noisy.view.matrix.nnz == len(changed)
    assert noisy.view.items.tolist() == clean.view.items.tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_the_noise_follows_its_seed_alone(toy_data: Path, tmp_path: Path, kind: str) -> None:
    keys = {"noise_rate": 0.2, "noise_kind": kind}
    first = pairs(split(toy_data, **keys, noise_seed=1, seed=1).train)
    parts = {name: list(reversed(rows)) for name, rows in toy_split().items()}  # RecBole numbers them otherwise
    write_pairs(tmp_path / "other" / "toy", parts)
    assert pairs(split(tmp_path / "other", **keys, noise_seed=1, seed=2).train) == first
    assert pairs(split(toy_data, **keys, noise_seed=2).train) != first
    assert pairs(split(toy_data, **keys, split_seed=1).train) == first


def test_hidden_pairs_follow_from_train_alone(toy_data: Path, tmp_path: Path) -> None:
    other = {"valid": [("newcomer", "i1"), ("u4", "aaa")], "test": [("z", "i7"), ("u1", "0"), ("u2", "unheard")]}
    write_pairs(tmp_path / "other" / "toy", toy_split() | other)
    keys = {"noise_rate": 0.3, "noise_kind": "false_negatives"}
    assert split(tmp_path / "other", **keys).view.train_hash == split(toy_data, **keys).view.train_hash


def test_too_much_noise_is_refused(toy_data: Path) -> None:
    with pytest.raises(UserError, match=r"Set it to at most 0\.89"):
        split(toy_data, noise_rate=0.95, noise_kind="false_negatives")


def test_recovered_pairs_are_counted_beside_chance(toy_data: Path) -> None:
    noisy = split(toy_data, noise_rate=0.1, noise_kind="false_negatives")
    hidden = sorted(pairs(noisy.real_train) - pairs(noisy.train))[:4]
    users, items = (np.array(side) for side in zip(*hidden, toy_split()["test"][0], strict=True))
    extra = InferredIds.from_tokens(noisy.dataset, users, items, np.ones(5))
    counted = results.noise(noisy, extra)
    assert counted is not None
    assert (counted["pairs"], counted["recovered"]) == (58, 4)
    visible = pairs(noisy.train)
    everything, inferred = pairs(noisy.real_train) - visible, list(zip(users.tolist(), items.tolist(), strict=True))
    chance = 0.0
    for user in {user for user, _ in everything}:
        hidden_here, inferred_here, train = (
            sum(owner == user for owner, _ in some) for some in (everything, inferred, visible)
        )
        chance += hidden_here * inferred_here / (40 - train)
    assert counted["recovered_chance"] == pytest.approx(chance, abs=1e-3)
    assert results.noise(noisy, None) == {**counted, "recovered": None, "recovered_chance": None}
    added = results.noise(split(toy_data, noise_rate=0.1), extra)
    assert added is not None
    assert added["recovered"] is added["recovered_chance"] is None
    assert results.noise(split(toy_data), extra) is None


def masked(loader: Any, dataset: Any) -> set[Pair]:
    users, items = dataset.field2id_token["user_id"], dataset.field2id_token["item_id"]
    return {
        (str(users[user]), str(items[item]))
        for user in loader.uid_list.tolist()
        for item in loader.uid2history_item[user].tolist()
    }


@pytest.mark.parametrize(
    ("kind", "flags"),
    [
        ("false_positives", ["--neg_sampler=recbole:uniform"]),
        ("false_negatives", ["--judge=keep_all", "--judge_decision=threshold"]),
        ("false_negatives", ["--judge=none", "--neg_sampler=dns", "--eval_mask=train"]),
        ("false_positives", ["--judge=none", "--neg_sampler=dns", "--protocol=reference"]),
    ],
)
def test_a_noisy_run_is_ranked_as_one_on_the_real_split(toy: Path, kind: str, flags: list[str]) -> None:
    given = ["--model=BPR", "--dataset=toy", "--data_path=data", "--run_dir=run", "--embedding_size=8", "--epochs=1"]
    noise = ["--noise_rate=0.2", f"--noise_kind={kind}"]
    assert main([*given, "--tree_leaf_size=4", *noise, *flags]) == 0
    run, result, parts = load_run("run"), read_result(toy / "run"), toy_split()
    real = set(parts["train"]) | set(parts["valid"])
    seen = set(parts["train"]) if {"--eval_mask=train", "--protocol=reference"} & set(flags) else real
    assert masked(run.prepared.valid_data, run.split.dataset) == set(parts["train"])
    assert masked(run.prepared.test_data, run.split.dataset) == seen
    trained = pairs(run.prepared.train_data._dataset)
    if kind == "false_positives":
        assert len(trained - real) == 115
    else:
        assert len(set(parts["train"]) - pairs(run.split.train)) == 115
    assert result["noise"]["pairs"] == 115
    assert result["data"]["train"] == 577
    if result["protocol"] == "honest":  # the mask of the other is no honest one
        assert all(check["passed"] for check in result["checks"])
    assert main(["recommend", "run", "--topk=40", "--output=lists.tsv"]) == 0
    listed = [line.split("\t")[:2] for line in Path("lists.tsv").read_text().splitlines()[1:]]
    assert len(listed) == 60 * 40 - len(real)
    assert not {(user, item) for user, item in listed} & real
    if "--judge=keep_all" in flags:  # hidden pairs are candidates like any other
        assert result["noise"]["recovered"] > result["noise"]["recovered_chance"] > 0


def test_popularity_is_counted_in_the_real_train(toy: Path) -> None:
    given = ["--model=Pop", "--dataset=toy", "--data_path=data", "--metrics=['NDCG', 'AveragePopularity']"]
    assert main([*given, "--noise_rate=0.9", "--run_dir=run", "--topk=41"]) == 0  # a list of all items and padding
    assert read_result(toy / "run")["test_result"]["averagepopularity@41"] == pytest.approx(577 / 41, abs=1e-3)


def test_where_noise_is_refused(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--dataset=toy", "--data_path=data", "--noise_rate=0.1", "--run_dir=run"]
    assert main(["identify", *given]) == 2
    assert "identify reads train alone" in capsys.readouterr().err
    assert main([*given, "--model=SASRec", "--loss_type=BPR"]) == 2
    assert "SASRec is not one" in capsys.readouterr().err
    assert not (toy / "run").exists()
