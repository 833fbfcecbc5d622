"""Beside RecBole: stock paths give stock numbers, and RecBole's own files keep working."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recbole.config import Config as RecBoleConfig
from recbole.data import create_dataset, data_preparation
from recbole.utils import get_model, get_trainer, init_seed
from toy import write_timed

from recbole_dtlns.files.run_folder import CHECKPOINT, read_result
from recbole_dtlns.quick_start import run_recbole_dtlns

# What our overall.yaml sets on top of RecBole's own start values.
OURS = {"topk": [10, 20], "valid_metric": "NDCG@20", "show_progress": False}


# Large batches: whether the digits agree does not depend on how many updates there are.
BUNDLED = {"dataset": "ml-100k", "train_batch_size": 8192}


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Keys of a small data set in RecBole's own files; the working directory is empty but for it."""
    monkeypatch.chdir(tmp_path)
    write_timed(tmp_path / "data", n_users=150, n_items=100)
    return {"dataset": "timed", "data_path": "data", "train_batch_size": 256}


class StockConfig(RecBoleConfig):
    """RecBole's Config without pytest's command line."""

    def _load_cmd_line(self) -> dict[str, Any]:
        return {}


def stock_run(model: str, folder: Path, keys: dict[str, Any]) -> dict[str, Any]:
    """What RecBole's `run_recbole` does, step by step."""
    config = StockConfig(model, config_dict={**OURS, **keys, "checkpoint_dir": str(folder)})
    init_seed(config["seed"], config["reproducibility"])
    dataset = create_dataset(config)
    train, valid, test = data_preparation(config, dataset)
    init_seed(config["seed"] + config["local_rank"], config["reproducibility"])
    trained = get_model(model)(config, train._dataset).to(config["device"])
    trainer = get_trainer(config["MODEL_TYPE"], model)(config, trained)
    _, best = trainer.fit(train, valid, saved=True, show_progress=False)
    return {"best_valid_result": best, "test_result": trainer.evaluate(test, load_best_model=True)}


@pytest.mark.parametrize(
    ("model", "sampler", "arguments", "bundled"),
    [
        ("BPR", "recbole:uniform", {}, True),
        ("LightGCN", "recbole:uniform", {}, False),
        ("BPR", "recbole:popularity", {"distribution": "popularity"}, False),
        ("BPR", "recbole:dynamic", {"distribution": "uniform", "dynamic": True, "candidate_num": 10}, False),
    ],
)
def test_stock_samplers_give_stock_metrics_digit_for_digit(
    model: str, sampler: str, arguments: dict[str, Any], bundled: bool, small: dict[str, Any], tmp_path: Path
) -> None:
    keys = {**(BUNDLED if bundled else small), "epochs": 2, "learning_rate": 0.005}
    stock = stock_run(
        model, tmp_path / "stock", {**keys, **({"train_neg_sample_args": arguments} if arguments else {})}
    )
    ours = run_recbole_dtlns(model, config_dict={**keys, "neg_sampler": sampler, "run_dir": "ours"})
    assert dict(ours["best_valid_result"]) == dict(stock["best_valid_result"])
    assert dict(ours["test_result"]) == dict(stock["test_result"])
    assert ours["test_result"]["recall@20"] > 0
    assert read_result(tmp_path / "ours")["neg_sampler_effective"] == sampler


def test_our_keys_do_not_disturb_a_stock_yaml(small: dict[str, Any], tmp_path: Path) -> None:
    """A RecBole YAML as its users have it, `train_neg_sample_args` included, through our entry point."""
    Path("stock.yaml").write_text(
        "epochs: 2\nlearning_rate: 0.005\ntrain_neg_sample_args: {distribution: uniform, sample_num: 2}\n"
        "topk: [5]\nvalid_metric: MRR@5\nmetrics: [Recall, MRR]\n"
    )
    keys = {"topk": [5], "valid_metric": "MRR@5", "metrics": ["Recall", "MRR"], "epochs": 2, "learning_rate": 0.005}
    keys |= small
    arguments = {"distribution": "uniform", "sample_num": 2}
    stock = stock_run("BPR", tmp_path / "stock", {**keys, "train_neg_sample_args": arguments})
    ours = run_recbole_dtlns("BPR", config_file_list=["stock.yaml"], config_dict={**small, "run_dir": "ours"})
    assert dict(ours["test_result"]) == dict(stock["test_result"])
    result = read_result(tmp_path / "ours")
    assert result["neg_sampler"] == "recbole:uniform"
    assert result["judge"] == "none"
    assert "train_neg_sample_args is set" in (tmp_path / "ours" / "run.log").read_text()


def test_stock_recbole_reads_our_checkpoint(small: dict[str, Any], tmp_path: Path) -> None:
    ours = run_recbole_dtlns("BPR", config_dict={**small, "epochs": 1, "run_dir": "ours", "judge": "none"})
    config = StockConfig("BPR", config_dict={**OURS, **small, "checkpoint_dir": str(tmp_path / "stock")})
    init_seed(config["seed"], config["reproducibility"])
    train, _, test = data_preparation(config, create_dataset(config))
    model = get_model("BPR")(config, train._dataset)
    trainer = get_trainer(config["MODEL_TYPE"], "BPR")(config, model)
    trainer.eval_collector.data_collect(train)
    again = trainer.evaluate(test, model_file=str(Path("ours") / CHECKPOINT))
    assert dict(again) == dict(ours["test_result"])


def test_models_that_draw_no_negatives_run_as_stock(small: dict[str, Any], tmp_path: Path) -> None:
    run_recbole_dtlns("EASE", config_dict={**small, "run_dir": "ours"})
    result = read_result(tmp_path / "ours")
    assert result["neg_sampler"] is None
    assert result["neg_sampler_effective"] is None
    assert result["test_result"]["ndcg@20"] > 0.1


def test_a_batch_counts_positives_whatever_the_number_of_negatives(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recbole_dtlns.training.step import SampledStep

    sizes: list[int] = []
    stock = SampledStep.__call__

    def counting(self: SampledStep, calculate_loss: Any, interaction: Any) -> Any:
        sizes.append(len(interaction))
        return stock(self, calculate_loss, interaction)

    monkeypatch.setattr(SampledStep, "__call__", counting)
    keys = {"epochs": 1, "num_negatives": 3, "train_batch_size": 500, "neg_sampler": "dns", "run_dir": "ours"}
    run_recbole_dtlns("BPR", config_dict={**small, **keys})
    positives = read_result(tmp_path / "ours")["data"]["train"]
    assert positives > 1000
    assert sizes == [500] * (positives // 500) + [positives % 500]


def test_coverage_metrics_work(small: dict[str, Any]) -> None:
    keys = {
        **small,
        "epochs": 1,
        "metrics": ["NDCG", "ItemCoverage", "GiniIndex", "AveragePopularity", "TailPercentage"],
    }
    both = {}
    for judge in ("none", "keep_all"):
        given = {**keys, "judge": judge, "augment_loss": False, "exclude_inferred": False, "neg_sampler": "uniform"}
        both[judge] = run_recbole_dtlns("BPR", config_dict=given)["test_result"]
    assert both["none"]["itemcoverage@10"] > 0
    # popularity counts the real training items, with or without inferred positives
    assert dict(both["none"]) == dict(both["keep_all"])


def test_tensorboard_and_log_lie_in_the_run_folder(small: dict[str, Any], tmp_path: Path) -> None:
    run_recbole_dtlns("BPR", config_dict={**small, "epochs": 1, "run_dir": "ours", "judge": "none"})
    assert list((tmp_path / "ours" / "tensorboard").glob("events*"))
    assert "epoch 0 training" in (tmp_path / "ours" / "run.log").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "ours", "saved"]
    assert np.isfinite(torch.load(tmp_path / "ours" / CHECKPOINT, weights_only=False)["best_valid_score"])
