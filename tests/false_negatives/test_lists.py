"""`positives_loss=list` in a run: the command line, the batches, what it leaves alone, and that it learns."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recbole.data.interaction import Interaction
from toy import toy_split, write_pairs

from recbole_dtlns.cli import main
from recbole_dtlns.config.run_config import Config
from recbole_dtlns.data.augmented import WEIGHT_FIELD, positives_matrix
from recbole_dtlns.data.build import BuiltSplit, build_split
from recbole_dtlns.false_negatives.identification.identified import Identification
from recbole_dtlns.false_negatives.identification.stage import identify
from recbole_dtlns.files.run_folder import read_result
from recbole_dtlns.training.assemble import Prepared, prepare
from recbole_dtlns.training.layers import LAYER_SOURCES
from recbole_dtlns.training.resume import RunPlace

SMALL = {"tree_leaf_size": 4, "embedding_size": 8, "train_batch_size": 100, "learning_rate": 0.01}
SHAPES: dict[str, dict[str, Any]] = {
    "DGCF": {"n_factors": 2, "n_iterations": 1, "n_layers": 1},
    "NGCF": {"hidden_size_list": [8, 8]},
    "SGL": {"n_layers": 1},
}
LISTS = {"judge": "rule", "positives_loss": "list"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_pairs(folder / "toy", toy_split())
    return folder


def run(data: Path, folder: Path, model: str = "BPR", **keys: Any) -> Path:
    given = {**SMALL, **SHAPES.get(model, {}), "epochs": 1, "model": model, "dataset": "toy", **keys}
    paths = {"data_path": data, "cache_dir": data / "cache", "run_dir": folder}
    assert main([f"--{name}={value}" for name, value in {**given, **paths}.items()]) == 0
    return folder


def ready(data: Path, model: str = "BPR", **keys: Any) -> tuple[BuiltSplit, Identification, Prepared]:
    given = {**SMALL, **SHAPES.get(model, {}), "epochs": 1, "data_path": str(data), **keys}
    config = Config(model, "toy", config_dict=given)
    config["checkpoint_dir"] = str(data / "saved")
    split = build_split(config, data / "cache")
    identified = identify(split.view, config.settings, config.method, data / "cache")
    prepared = prepare(
        config, split, identified.inferred, identified.trees, lists=identified.lists, place=RunPlace(data)
    )
    return split, identified, prepared


def column(folder: Path, name: str) -> list[float]:
    with (folder / "epochs.csv").open() as file:
        return [float(row[name]) for row in csv.DictReader(file)]


@pytest.mark.parametrize("model", ["BPR", "LightGCN", "NGCF", "DGCF", "SGL"])  # layers, tables, and predict alone
def test_the_list_loss_falls_and_is_logged(data: Path, tmp_path: Path, model: str) -> None:
    folder = run(data, tmp_path / "run", model, epochs=5, eval_step=5, **LISTS)
    losses = column(folder, "list_loss")
    assert len(losses) == 5
    assert losses[-1] < losses[0]
    assert f"epoch 4 list loss: {losses[-1]:.4f}"[:-1] in (folder / "run.log").read_text()
    result = read_result(folder)
    assert result["config"]["positives_loss"] == "list"
    assert result["data"]["inferred_positives"] > 0


@pytest.mark.parametrize("model", ["BPR", "LightGCN", "NGCF", "DGCF", "SGL", "SimpleX"])
def test_the_list_part_of_a_step_reaches_the_models_own_parameters(data: Path, model: str) -> None:
    _, _, prepared = ready(data, model, neg_sampler="uniform", list_negatives=16, **LISTS)
    assert (model in LAYER_SOURCES) <= (prepared.trainer.step.source.sizes is not None)
    step, trained = prepared.trainer.step, prepared.model.train()
    batch = next(iter(prepared.train_data))
    lists, parts = step.lists, []

    def watched(*arguments: Any) -> torch.Tensor:
        parts.append(lists(*arguments))
        return parts[-1]

    watched.begin = lists.begin
    step.lists = watched
    step(trained.calculate_loss, batch)
    gradients = torch.autograd.grad(parts[0], list(trained.parameters()), allow_unused=True)
    assert sum(float(gradient.abs().sum()) for gradient in gradients if gradient is not None) > 0


def test_one_propagation_a_step(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, prepared = ready(data, "LightGCN", neg_sampler="uniform", **LISTS)
    source, calls = prepared.trainer.step.source.source, []
    stock = source.propagate.product
    monkeypatch.setattr(source.propagate, "product", lambda dense: (calls.append(1), stock(dense))[1])
    batch = next(iter(prepared.train_data))
    prepared.trainer.step(prepared.model.calculate_loss, batch)
    assert len(calls) == prepared.model.n_layers


def test_accepted_pairs_are_no_rows_but_are_barred_and_edges(data: Path) -> None:
    split, _, prepared = ready(data, neg_sampler="dns", list_size=7, positives_per_user=3, **LISTS)
    rows = list(prepared.train_data)
    assert sum(map(len, rows)) == len(split.train)
    assert WEIGHT_FIELD not in rows[0].columns
    assert prepared.extra is not None
    assert prepared.trainer.step.lists.items.shape == (split.dataset.user_num, 7)
    barred = positives_matrix(split.train, prepared.extra)
    users = torch.arange(1, split.dataset.user_num)
    drawn = prepared.trainer.step.sampler.propose(users, 200)
    assert np.asarray(barred[np.repeat(users.numpy(), 200), np.array(drawn.flatten())]).sum() == 0
    edges = [ready(data, "LightGCN", augment_graph=wanted, **LISTS)[2].model for wanted in (True, False)]
    counts = [model.norm_adj_matrix.coalesce().values().numel() for model in edges]
    assert counts[0] > counts[1] == 2 * len(split.train)


def negatives(data: Path, **keys: Any) -> list[torch.Tensor]:
    _, _, prepared = ready(data, epochs=2, exclude_inferred=False, **keys)
    seen: list[torch.Tensor] = []
    stock = prepared.model.calculate_loss

    def watched(rows: Interaction) -> Any:
        seen.append(rows[prepared.model.NEG_ITEM_ID].clone())
        return stock(rows)

    for epoch in range(2):
        prepared.trainer.step.epoch_begin(epoch)
        for batch in prepared.train_data:
            prepared.trainer.optimizer.zero_grad()
            prepared.trainer.step(watched, batch).backward()
            prepared.trainer.optimizer.step()
    return seen


def test_lists_do_not_move_the_negatives(data: Path) -> None:
    without = negatives(data, neg_sampler="uniform", judge="none")
    with_lists = negatives(data, neg_sampler="uniform", **LISTS)
    assert len(without) == len(with_lists) > 8
    assert all(map(torch.equal, without, with_lists))


@pytest.mark.parametrize("off", [{"list_weight": 0}, {"augment_loss": False}], ids=str)
@pytest.mark.parametrize("model", ["NGCF", "SGL"])
def test_switched_off_it_is_the_run_without_digit_for_digit(data: Path, tmp_path: Path, model: str, off: Any) -> None:
    keys = {"neg_sampler": "dns", "exclude_inferred": False, "epochs": 2}
    plain = run(data, tmp_path / "plain", model, judge="none", **keys)
    folder = run(data, tmp_path / "off", model, **keys, **LISTS, **off)
    assert column(folder, "train_loss") == column(plain, "train_loss")
    assert "list_loss" not in (folder / "epochs.csv").read_text()
    for key in ("best_valid_result", "test_result"):
        assert read_result(folder)[key] == read_result(plain)[key]


def test_replacing_valid_and_test_changes_no_list(data: Path, tmp_path: Path) -> None:
    parts = toy_split()
    other = {"valid": [("newcomer", "aaa"), ("u4", "zzz")], "test": [("u1", "0"), ("a0", "i1")]}
    write_pairs(tmp_path / "toy", {**parts, **other})
    runs = [ready(folder, **LISTS) for folder in (data, tmp_path)]
    for name in ("users", "items", "values"):
        np.testing.assert_array_equal(*(getattr(run[1].lists, name) for run in runs))
    tokens = []
    for split, _, prepared in runs:  # the numbering of the ids differs, the lists by token do not
        users, items = (np.array(split.dataset.field2id_token[field]) for field in ("user_id", "item_id"))
        table = prepared.trainer.step.lists.items.numpy()
        tokens.append({user: items[row].tolist() for user, row in zip(users, table, strict=True) if row.any()})
    assert tokens[0] == tokens[1]
    assert len(tokens[0]) == 60


def test_no_list_at_all_trains_without(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    split, identified, _ = ready(data, **LISTS)
    empty = type(identified.lists)(identified.lists.users[:0], identified.lists.items[:0], identified.lists.values[:0])
    config = Config("BPR", "toy", config_dict={**SMALL, "data_path": str(data), **LISTS})
    prepared = prepare(config, split, identified.inferred, identified.trees, lists=empty)
    assert prepared.trainer.step.lists is None
    assert "No user has a judged list" in caplog.text
