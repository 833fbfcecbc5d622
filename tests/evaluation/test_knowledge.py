"""Knowledge-aware pairwise models: negatives of ours in the recommender part, and inferred positives."""

from pathlib import Path
from typing import Any

import pytest
import torch
from recbole.model.loss import BPRLoss
from toy import write_timed

from recbole_dtlns.cli import main
from recbole_dtlns.config.run_config import Config
from recbole_dtlns.data.augmented import WEIGHT_FIELD, positives_matrix
from recbole_dtlns.data.build import BuiltSplit, build_split
from recbole_dtlns.data.loaders import PositiveDataLoader
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.identification.stage import identify
from recbole_dtlns.files.run_folder import read_result
from recbole_dtlns.training.assemble import Prepared, prepare
from recbole_dtlns.training.loss import WeightedBPRLoss

COLUMNS = {
    "inter": ["user_id", "item_id"],
    "kg": ["head_id", "relation_id", "tail_id"],
    "link": ["item_id", "entity_id"],
}
SIZES = {"load_col": COLUMNS, "embedding_size": 8, "tree_leaf_size": 4, "train_batch_size": 64}
MODELS: dict[str, dict[str, Any]] = {
    "CKE": {"kg_embedding_size": 8},
    "CFKG": {},
    "KTUP": {"train_rec_step": 1, "train_kg_step": 1},
    "KGCN": {"n_iter": 1, "neighbor_sample_size": 2},
    "KGNNLS": {"n_iter": 1, "neighbor_sample_size": 2},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: Any) -> Path:
    return write_timed(tmp_path_factory.mktemp("data"))


def ready(model: str, data: Path, **keys: Any) -> tuple[BuiltSplit, Prepared]:
    given = {**SIZES, **MODELS[model], "data_path": str(data), "neg_sampler": "dns", **keys}
    config = Config(model, "timed", config_dict=given)
    config["checkpoint_dir"] = str(data / "saved")
    split = build_split(config, data / "cache")
    identified = identify(split.view, config.settings, config.method, data / "cache")
    return split, prepare(config, split, identified.inferred, identified.trees)


def run(data: Path, folder: Path, model: str, *more: str) -> dict[str, Any]:
    keys = [f"--{name}={value}" for name, value in {**SIZES, **MODELS[model]}.items()]
    places = [f"--data_path={data}", f"--run_dir={folder}", f"--cache_dir={data / 'cache'}"]
    assert (
        main([f"--model={model}", "--dataset=timed", "--epochs=2", "--checkpoint_seconds=0", *keys, *places, *more])
        == 0
    )
    return read_result(folder)


@pytest.mark.parametrize("model", MODELS)
def test_the_recommender_part_trains_with_our_negatives(data: Path, tmp_path: Path, model: str) -> None:
    result = run(data, tmp_path, model, "--neg_sampler=dns")
    assert result["neg_sampler_effective"] == "dns"
    assert result["seconds"]["sampling"] > 0
    assert result["best_valid_result"]


@pytest.mark.parametrize("model", ["CKE", "KTUP"])
def test_the_default_is_the_tree_view_on_dns_with_inferred_positives(data: Path, tmp_path: Path, model: str) -> None:
    result = run(data, tmp_path, model)
    assert (result["neg_sampler_effective"], result["judge"]) == ("dns+tree", "learned")
    assert "list_loss" in (tmp_path / "epochs.csv").read_text()
    assert result["data"]["inferred_positives"] > 0


@pytest.mark.parametrize("sampler", ["dns", "recbole:uniform"])
def test_inferred_positives_are_rows_of_the_recommender_part_alone(data: Path, sampler: str) -> None:
    split, prepared = ready("CKE", data, judge="keep_all", neg_sampler=sampler)
    loader, extra = prepared.train_data, prepared.extra
    assert extra is not None
    general = loader.general_dataloader
    assert isinstance(general, PositiveDataLoader) == (sampler == "dns")
    assert len(general._dataset) == len(split.train) + len(extra)
    rows = next(iter(general))
    assert WEIGHT_FIELD in rows.columns
    triples = next(iter(loader.kg_dataloader))
    assert WEIGHT_FIELD not in triples.columns
    assert len(loader.kg_dataloader._dataset.kg_feat) == 30


def test_weights_reach_the_recommender_loss_and_not_that_of_the_triples(data: Path) -> None:
    _, prepared = ready("CKE", data, judge="keep_all")
    model = prepared.model
    assert isinstance(model.rec_loss, WeightedBPRLoss)
    assert type(model.kg_loss) is BPRLoss
    assert not prepared.train_data.draws_by_weight


@pytest.mark.parametrize("model", ["CFKG", "KGCN"])
def test_models_without_bpr_loss_draw_rows_by_weight(data: Path, model: str) -> None:
    _, prepared = ready(model, data, judge="keep_all")
    assert prepared.train_data.draws_by_weight
    assert prepared.train_data.general_dataloader.draws_by_weight


def test_no_positive_nor_inferred_item_is_drawn(data: Path) -> None:
    split, prepared = ready("CKE", data, judge="keep_all", neg_candidates=20)
    barred = positives_matrix(split.train, prepared.extra).toarray()
    users = torch.arange(1, split.dataset.user_num)
    drawn = prepared.trainer.step.sampler.propose(users, 50)
    assert drawn.max() < split.dataset.item_num  # entities that are no items are never drawn
    assert not barred[users.numpy()[:, None], drawn.numpy()].any()


def test_what_cannot_be_had_is_said(data: Path) -> None:
    with pytest.raises(UserError, match="general recommender"):
        ready("CKE", data, judge="rule", judge_refresh=1)
    with pytest.raises(UserError, match="It works with BPR"):
        ready("CKE", data, neg_sampler="mixgcf")
