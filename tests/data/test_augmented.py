"""The augmented training split on RecBole's own data."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from recbole.data.interaction import Interaction
from scipy import sparse
from toy import toy_split

from recbole_dtlns.config.run_config import Config
from recbole_dtlns.data import sequences
from recbole_dtlns.data.augmented import (
    WEIGHT_FIELD,
    InferredIds,
    augment,
    bar_from_stock_sampler,
    is_stored,
    positives_matrix,
)
from recbole_dtlns.data.build import BuiltSplit, build_split
from recbole_dtlns.data.loaders import PositiveDataLoader
from recbole_dtlns.data.tokens import internal_ids, positions, token_pairs, tokens_of, train_split
from recbole_dtlns.false_negatives.identification.stage import identify
from recbole_dtlns.training.assemble import prepare


@pytest.fixture
def built(toy_data: Path) -> tuple[Config, BuiltSplit]:
    config = Config("LightGCN", "toy", config_dict={"data_path": str(toy_data), "embedding_size": 8})
    config["checkpoint_dir"] = str(toy_data / "saved")
    return config, build_split(config, toy_data / "cache")


def unseen(split: BuiltSplit, n: int = 20) -> InferredIds:
    free = np.argwhere(positives_matrix(split.train).toarray() == 0)
    free = free[(free > 0).all(axis=1)][:: max(1, len(free) // n)][:n]
    return InferredIds(free[:, 0], free[:, 1], np.linspace(0.1, 0.9, len(free)))


def test_augmenting_adds_weighted_rows_and_touches_nothing_else(built: Any) -> None:
    _, split = built
    train = split.train
    before = {name: column.clone() for name, column in train.inter_feat.interaction.items()}
    extra = unseen(split)
    result = augment(train, extra)
    assert len(result) == len(train) + len(extra)
    weights = result.inter_feat[WEIGHT_FIELD]
    assert weights.dtype == torch.float32
    assert weights[: len(train)].eq(1).all()
    assert weights[len(train) :].numpy() == pytest.approx(extra.weights, abs=1e-6)
    assert result.inter_feat["item_id"][len(train) :].tolist() == extra.items.tolist()
    assert set(train.inter_feat.interaction) == set(before)
    for name, column in before.items():
        assert torch.equal(train.inter_feat[name], column)
    assert result.inter_matrix("coo").nnz == train.inter_matrix("coo").nnz + len(extra)


@pytest.mark.parametrize(("in_loss", "in_graph"), [(True, False), (False, True), (True, True), (False, False)])
def test_the_switches_decide_where_inferred_positives_go(toy_data: Path, in_loss: bool, in_graph: bool) -> None:
    keys = {"data_path": str(toy_data), "embedding_size": 8, "judge": "keep_all"}
    keys |= {"augment_loss": in_loss, "augment_graph": in_graph}
    config = Config("LightGCN", "toy", config_dict=keys)
    config["checkpoint_dir"] = str(toy_data / "saved")
    split = build_split(config, toy_data / "cache")
    identified = identify(split.view, config.settings, config.method, toy_data / "cache")
    ready = prepare(config, split, identified.inferred, identified.trees)
    assert ready.extra is not None
    real, more = len(split.train), len(ready.extra)
    assert len(ready.train_data._dataset) == real + more * in_loss
    assert ready.model.norm_adj_matrix._nnz() == 2 * (real + more * in_graph)


def test_ml_100k_keeps_its_other_columns() -> None:
    config = Config("BPR", "ml-100k")
    split = build_split(config, Path("unused"))
    train = split.train
    result = augment(train, unseen(split))
    assert set(result.inter_feat.columns) == {"user_id", "item_id", "rating", "timestamp", WEIGHT_FIELD}
    added = result.inter_feat["rating"][len(train) :]
    assert added.numpy() == pytest.approx(train.inter_feat["rating"].mean().item(), abs=1e-4)
    assert split.statistics.train == len(train) == 80808


def test_rows_are_drawn_in_proportion_to_weight(built: Any) -> None:
    config, split = built
    train = split.train
    extra = unseen(split, 1)
    extra = InferredIds(extra.users, extra.items, np.array([50.0]))
    loader = PositiveDataLoader(config, augment(train, extra), None, shuffle=True)
    loader.draw_rows_by_weight()
    hits = total = 0
    for _ in range(30):
        for rows in loader:
            match = (rows["user_id"] == extra.users[0]) & (rows["item_id"] == extra.items[0])
            hits, total = hits + int(match.sum()), total + len(rows)
    assert total == 30 * (len(train) + 1)
    assert hits / total == pytest.approx(50 / (50 + len(train)), rel=0.1)


def test_rows_drawn_by_weight_come_from_the_loaders_own_generator(built: Any) -> None:
    config, split = built
    loader = PositiveDataLoader(config, augment(split.train, unseen(split)), None, shuffle=True)
    loader.draw_rows_by_weight()
    drawn = []
    for seed in range(2):
        torch.manual_seed(seed)
        loader.generator.manual_seed(7)
        drawn.append(loader.collate_fn(list(range(50)))["item_id"])
    assert torch.equal(*drawn)


def test_a_batch_holds_the_rows_asked_for_in_their_order_with_features(
    built: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, split = built
    train, joined = split.train, []
    monkeypatch.setattr(train, "join", lambda batch: joined.append(len(batch)) or batch)
    batch = PositiveDataLoader(config, train, None, shuffle=False).collate_fn([5, 2, 9])
    for name in ("user_id", "item_id"):
        assert torch.equal(batch[name], train.inter_feat[name][[5, 2, 9]])
    assert joined == [3]


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("by_weight", [True, False])
def test_batches_and_what_they_draw_are_those_of_torchs_loader(built: Any, shuffle: bool, by_weight: bool) -> None:
    config, split = built
    config["train_batch_size"] = 30
    loader = PositiveDataLoader(config, augment(split.train, unseen(split)), None, shuffle=shuffle)
    if by_weight:
        loader.draw_rows_by_weight()
    found = []
    for batches in (loader.__iter__, super(PositiveDataLoader, loader).__iter__):
        loader.generator.manual_seed(3)
        epochs = [[rows["item_id"] for rows in batches()] for _ in range(2)]
        found.append((epochs, loader.generator.get_state()))
    (ours, our_state), (torchs, torchs_state) = found
    assert len(ours[0]) == len(loader)
    for epoch, expected in zip(ours, torchs, strict=True):
        assert all(torch.equal(*pair) for pair in zip(epoch, expected, strict=True))
    assert torch.equal(our_state, torchs_state)
    if not by_weight:
        assert torch.equal(torch.cat(ours[0]), torch.cat(ours[1])) is not shuffle


def test_no_row_of_a_batch_is_a_python_number(built: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    config, split = built
    loader, given = PositiveDataLoader(config, split.train, None, shuffle=True), []
    monkeypatch.setattr(loader, "collate_fn", given.append)
    monkeypatch.setattr(type(loader.sampler), "__iter__", lambda _: pytest.fail("torch makes a list"))
    list(loader)
    assert {type(places) for places in given} == {torch.Tensor}


def test_models_without_bpr_loss_get_weights_by_drawn_rows(toy_data: Path) -> None:
    config = Config(
        "SimpleX", "toy", config_dict={"data_path": str(toy_data), "judge": "keep_all", "embedding_size": 8}
    )
    config["checkpoint_dir"] = str(toy_data / "saved")
    split = build_split(config, toy_data / "cache")
    identified = identify(split.view, config.settings, config.method, toy_data / "cache")
    ready = prepare(config, split, identified.inferred, identified.trees)
    assert ready.train_data._row_weights is not None
    assert ready.train_data._row_weights.min() == pytest.approx(0.5)


def test_stock_sampler_phases_stay_apart(built: Any) -> None:
    from recbole.data.utils import create_samplers

    config, split = built
    samplers = create_samplers(config, split.dataset, split.parts)
    extra = unseen(split)
    before, valid_before = ([set(items) for items in sampler.used_ids] for sampler in samplers[:2])
    bar_from_stock_sampler(samplers[0], extra)
    for user, item in zip(extra.users.tolist(), extra.items.tolist(), strict=True):
        assert item in samplers[0].used_ids[user]
        assert before[user] < samplers[0].used_ids[user]
    assert [set(items) for items in samplers[1].used_ids] == valid_before


def test_tokens_and_numbers_are_one_mapping(built: Any) -> None:
    _, split = built
    tokens = tokens_of(split.dataset, "item")
    assert tokens[0] == "[PAD]"
    assert internal_ids(split.dataset, "item", tokens[1:]).tolist() == list(range(1, len(tokens)))
    assert positions(np.array(["[PAD]", "b", "a"]), np.array(["a", "zz", "b", "[PAD]"])).tolist() == [2, 0, 1, 0]
    users, items = token_pairs(split.train)
    assert set(zip(users.tolist(), items.tolist(), strict=True)) == set(toy_split()["train"])
    view = train_split(split.train)
    assert view.users[1:].tolist() == sorted(set(users.tolist()))
    assert view.matrix[0].nnz == view.matrix[:, 0].nnz == 0


def test_is_stored() -> None:
    matrix = sparse.csr_matrix(np.array([[0, 1], [0, 0]]))
    assert is_stored(matrix, np.array([0, 0, 1]), np.array([1, 0, 1])).tolist() == [True, False, False]
    assert is_stored(matrix, np.array([], dtype=int), np.array([], dtype=int)).tolist() == []


def test_pairs_that_are_barred_are_left_out_and_the_others_keep_their_weights() -> None:
    extra = InferredIds(np.array([1, 2, 1, 2]), np.array([3, 3, 1, 2]), np.array([0.1, 0.2, 0.3, 0.4]))
    barred = sparse.csr_matrix(([1, 1], ([1, 2], [3, 1])), shape=(3, 4))
    left = extra.without(barred)
    assert (left.users.tolist(), left.items.tolist()) == ([2, 1, 2], [3, 1, 2])
    assert left.weights.tolist() == [0.2, 0.3, 0.4]
    assert len(extra) == 4


def rows(users: list[int], items: list[int], prefixes: list[list[int]] | None = None) -> Any:
    """What is read of a part of a data set of 3 users and 9 items."""
    columns = {"user_id": torch.tensor(users), "item_id": torch.tensor(items)}
    if prefixes is not None:
        columns["item_id_list"] = torch.tensor(prefixes)
    names = {"uid_field": "user_id", "iid_field": "item_id", "item_id_list_field": "item_id_list"}
    return SimpleNamespace(**names, inter_feat=Interaction(columns), user_num=3, item_num=9)


def test_a_repeated_pair_counts_once() -> None:
    matrix = positives_matrix(rows([1] * 256 + [2, 2], [3] * 256 + [4, 5]))  # as many as a byte can count
    assert sorted(zip(*(ids.tolist() for ids in matrix.nonzero()), strict=True)) == [(1, 3), (2, 4), (2, 5)]
    assert matrix.data.tolist() == [1, 1, 1]
    assert matrix.dtype == np.int8, "a byte for each pair"


@pytest.mark.parametrize("cells", [1, 4, 1 << 22])
def test_every_item_of_a_prefix_is_its_users_in_blocks_of_any_size(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequences, "_CELLS", cells)
    users, items = sequences.interactions(rows([2, 1, 1], [8, 4, 5], [[7, 6], [3, 0], [3, 4]]))
    assert list(zip(users.tolist(), items.tolist(), strict=True)) == [(1, 3), (1, 4), (1, 5), (2, 6), (2, 7), (2, 8)]


def test_the_matrix_of_a_part_is_made_once_and_cannot_be_changed(built: Any) -> None:
    part = built[1].train
    matrix = positives_matrix(part)
    assert positives_matrix(part) is matrix
    with pytest.raises(ValueError, match="read-only"):
        matrix.data[:] = 0
    other = part.copy(part.inter_feat[torch.arange(2)])
    assert positives_matrix(other).nnz < matrix.nnz
    part.inter_feat = other.inter_feat
    assert positives_matrix(part).nnz < matrix.nnz
