"""The augmented training split on RecBole's own data."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy import toy_split

from recbole_dtlns.config import Config
from recbole_dtlns.data.augmented import (
    WEIGHT_FIELD,
    ExtraPairs,
    augment,
    bar_from_stock_sampler,
    is_stored,
    positives_matrix,
)
from recbole_dtlns.data.build import BuiltSplit, build_split
from recbole_dtlns.data.loaders import PositiveDataLoader
from recbole_dtlns.data.tokens import internal_ids, positions, token_pairs, tokens_of, train_view
from recbole_dtlns.identification import identify
from recbole_dtlns.training import prepare


@pytest.fixture
def built(toy_data: Path) -> tuple[Config, BuiltSplit]:
    config = Config("LightGCN", "toy", config_dict={"data_path": str(toy_data), "embedding_size": 8})
    config["checkpoint_dir"] = str(toy_data / "saved")
    return config, build_split(config, toy_data / "cache")


def unseen(split: BuiltSplit, n: int = 20) -> ExtraPairs:
    free = np.argwhere(positives_matrix(split.parts[0]).toarray() == 0)
    free = free[(free > 0).all(axis=1)][:: max(1, len(free) // n)][:n]
    return ExtraPairs(free[:, 0], free[:, 1], np.linspace(0.1, 0.9, len(free)))


def test_augmenting_adds_weighted_rows_and_touches_nothing_else(built: Any) -> None:
    _, split = built
    train = split.parts[0]
    before = {name: column.clone() for name, column in train.inter_feat.interaction.items()}
    extra = unseen(split)
    result = augment(train, extra)
    assert len(result) == len(train) + len(extra)
    weights = result.inter_feat[WEIGHT_FIELD]
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
    found = identify(split.view, config.settings, config.plan, toy_data / "cache")
    ready = prepare(config, split, found.inferred, found.trees)
    assert ready.extra is not None
    real, more = len(split.parts[0]), len(ready.extra)
    assert len(ready.train_data._dataset) == real + more * in_loss
    assert ready.model.norm_adj_matrix._nnz() == 2 * (real + more * in_graph)


def test_ml_100k_keeps_its_other_columns() -> None:
    config = Config("BPR", "ml-100k")
    split = build_split(config, Path("unused"))
    train = split.parts[0]
    result = augment(train, unseen(split))
    assert set(result.inter_feat.columns) == {"user_id", "item_id", "rating", "timestamp", WEIGHT_FIELD}
    added = result.inter_feat["rating"][len(train) :]
    assert added.numpy() == pytest.approx(train.inter_feat["rating"].mean().item(), abs=1e-4)
    assert split.statistics.train == len(train) == 80808


def test_rows_are_drawn_in_proportion_to_weight(built: Any) -> None:
    config, split = built
    train = split.parts[0]
    extra = unseen(split, 1)
    extra = ExtraPairs(extra.users, extra.items, np.array([50.0]))
    loader = PositiveDataLoader(config, augment(train, extra), None, shuffle=True)
    loader.draw_rows_by_weight()
    hits = total = 0
    for _ in range(30):
        for rows in loader:
            match = (rows["user_id"] == extra.users[0]) & (rows["item_id"] == extra.items[0])
            hits, total = hits + int(match.sum()), total + len(rows)
    assert total == 30 * (len(train) + 1)
    assert hits / total == pytest.approx(50 / (50 + len(train)), rel=0.1)


def test_models_without_bpr_loss_get_weights_by_drawn_rows(toy_data: Path) -> None:
    config = Config(
        "SimpleX", "toy", config_dict={"data_path": str(toy_data), "judge": "keep_all", "embedding_size": 8}
    )
    config["checkpoint_dir"] = str(toy_data / "saved")
    split = build_split(config, toy_data / "cache")
    found = identify(split.view, config.settings, config.plan, toy_data / "cache")
    ready = prepare(config, split, found.inferred, found.trees)
    assert ready.train_data._row_weights is not None
    assert ready.train_data._row_weights.min() == pytest.approx(0.5)


def test_stock_sampler_phases_stay_apart(built: Any) -> None:
    from recbole.data.utils import create_samplers

    config, split = built
    samplers = create_samplers(config, split.dataset, split.parts)
    extra = unseen(split)
    valid_before = [set(items) for items in samplers[1].used_ids]
    bar_from_stock_sampler(samplers[0], extra)
    for user, item in zip(extra.users.tolist(), extra.items.tolist(), strict=True):
        assert item in samplers[0].used_ids[user]
    assert [set(items) for items in samplers[1].used_ids] == valid_before


def test_tokens_and_numbers_are_one_mapping(built: Any) -> None:
    _, split = built
    tokens = tokens_of(split.dataset, "item")
    assert tokens[0] == "[PAD]"
    assert internal_ids(split.dataset, "item", tokens[1:]).tolist() == list(range(1, len(tokens)))
    assert positions(np.array(["[PAD]", "b", "a"]), np.array(["a", "zz", "b", "[PAD]"])).tolist() == [2, 0, 1, 0]
    users, items = token_pairs(split.parts[0])
    assert set(zip(users.tolist(), items.tolist(), strict=True)) == set(toy_split()["train"])
    view = train_view(split.parts[0])
    assert view.users[1:].tolist() == sorted(set(users.tolist()))
    assert view.matrix[0].nnz == view.matrix[:, 0].nnz == 0


def test_is_stored() -> None:
    from scipy import sparse

    matrix = sparse.csr_matrix(np.array([[0, 1], [0, 0]]))
    assert is_stored(matrix, np.array([0, 0, 1]), np.array([1, 0, 1])).tolist() == [True, False, False]
    assert is_stored(matrix, np.array([], dtype=int), np.array([], dtype=int)).tolist() == []
