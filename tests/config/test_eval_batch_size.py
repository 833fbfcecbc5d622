"""RecBole's `eval_batch_size` counts cells where all items are ranked, and pairs elsewhere."""

from pathlib import Path
from typing import Any

import pytest
from toy import write_timed

from recbole_dtlns.config.run_config import Config
from recbole_dtlns.data.build import build_split
from recbole_dtlns.training.assemble import prepare

BY_VALUE = {"metrics": ["AUC"], "valid_metric": "AUC"}


def size(folder: Path, dataset: str = "toy", model: str = "BPR", **keys: Any) -> int:
    config = Config(model, dataset, config_dict={"data_path": str(folder / "data"), "judge": "none", **keys})
    return int(config["eval_batch_size"])


def mode(valid: Any) -> dict[str, Any]:
    return {"eval_args": {"mode": valid}}


def test_a_full_ranking_takes_many_users_a_batch(toy: Path) -> None:
    assert size(toy) == size(toy, **mode("full")) == 500_000


@pytest.mark.parametrize("model", ["KGCN", "FPMC", "TransRec"])
def test_knowledge_aware_and_sequential_models_keep_recboles(toy: Path, model: str) -> None:
    assert size(toy, model=model) == 4096


@pytest.mark.parametrize(
    "keys",
    [mode("uni100"), mode("pop10"), mode({"valid": "uni100", "test": "full"}), {**mode("labeled"), **BY_VALUE}],
    ids=["uniform", "popularity", "one of two", "by value"],
)
def test_pairs_that_are_scored_one_by_one_are_as_many_as_in_recbole(toy: Path, keys: dict[str, Any]) -> None:
    assert size(toy, **keys) == 4096


@pytest.mark.parametrize("chosen", ["full", "uni100"])
def test_what_the_user_sets_holds(toy: Path, chosen: str) -> None:
    assert size(toy, **mode(chosen), eval_batch_size=77) == 77
    written = toy / "mine.yaml"
    written.write_text("eval_batch_size: 78\n")
    given = {"data_path": str(toy / "data"), "judge": "none", **mode(chosen)}
    assert Config("BPR", "toy", [str(written)], given)["eval_batch_size"] == 78


def test_a_shipped_data_set_has_its_own_number_of_cells_but_not_of_pairs(toy: Path) -> None:
    (toy / "data" / "toy").rename(toy / "data" / "yelp")
    for file in (toy / "data" / "yelp").glob("toy.*"):
        file.rename(file.with_name(file.name.replace("toy.", "yelp.")))
    assert size(toy, "yelp") == 20_000_000
    assert size(toy, "yelp", **mode("uni100")) == 4096
    assert size(toy, "yelp", "KGCN") == size(toy, "yelp", "FPMC") == 4096


def test_all_users_of_a_small_data_set_are_one_batch(tmp_path: Path) -> None:
    write_timed(tmp_path / "data", n_users=150, n_items=100)
    config = Config("BPR", "timed", config_dict={"data_path": str(tmp_path / "data"), "judge": "none"})
    config["checkpoint_dir"] = str(tmp_path / "saved")
    prepared = prepare(config, build_split(config, tmp_path / "cache"), None, None, for_training=False)
    assert len(prepared.valid_data) == 1
