"""The shipped YAML of data sets, read by stock RecBole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.utils import init_seed

import recbole_dtlns

FOLDER = Path(recbole_dtlns.__file__).resolve().parents[1] / "properties" / "dataset"
NAMES = ["ml-100k", "yelp", "amazon-sports", "amazon-toys"]


def config(name: str, dataset: str, data_path: Path, **keys: object) -> Config:
    given = {"data_path": str(data_path), "use_gpu": False, "state": "ERROR", **keys}
    return Config(model="BPR", dataset=dataset, config_file_list=[str(FOLDER / f"{name}.yaml")], config_dict=given)


@pytest.mark.parametrize("name", NAMES)
def test_every_line_says_its_type_and_meaning(name):
    for line in (FOLDER / f"{name}.yaml").read_text().splitlines():
        assert line.startswith("# ") or re.search(r"\S\s+# \((int|str|list|dict)\) \S+", line), line
        assert len(line) <= 120


def test_ml_100k_changes_neither_split_nor_training(tmp_path):
    changed = config("ml-100k", "ml-100k", tmp_path).file_config_dict
    assert changed == {"eval_batch_size": 2_000_000}


def core(k: int, tail: str) -> list[str]:
    """2k users with all but one of k + 2 items, and a user and an item one short of the core."""
    pairs = [(f"u{u}", f"i{i}") for u in range(2 * k) for i in range(k + 2) if u % (k + 2) != i]
    pairs += [("ux", f"i{i}") for i in range(k - 1)] + [(f"u{u}", "ix") for u in range(k - 1)]
    return [f"{user}\t{item}\t5{tail}" for user, item in pairs]


@pytest.mark.parametrize(
    ("name", "dataset", "k", "header"),
    [
        ("yelp", "yelp", 10, "user_id:token\tbusiness_id:token\tstars:float\tdate:float\treview_id:token"),
        ("amazon-sports", "amazon-sports-outdoors", 5, "user_id:token\titem_id:token\trating:float\ttimestamp:float"),
        ("amazon-toys", "amazon-toys-games", 5, "user_id:token\titem_id:token\trating:float\ttimestamp:float"),
    ],
)
def test_the_core_is_kept_and_duplicates_go(tmp_path, name, dataset, k, header):
    tail = "\t100" + ("\tr" if name == "yelp" else "")
    rows = core(k, tail)
    rows += rows[:30] + [f"ux\ti0\t1{tail}", f"u0\tix\t1{tail}"] * 5  # repeats do not lift anyone into the core
    (tmp_path / dataset).mkdir()
    (tmp_path / dataset / f"{dataset}.inter").write_text("\n".join([header, *rows, ""]))
    used = config(name, dataset, tmp_path)
    init_seed(used["seed"], True)
    data = create_dataset(used)
    assert (data.user_num - 1, data.item_num - 1, data.inter_num) == (2 * k, k + 2, 2 * k * (k + 1))
    train, valid, test = data_preparation(used, data)
    assert sorted(train._dataset.inter_feat.columns) == sorted([data.uid_field, data.iid_field])
    sizes = [len(loader._dataset) for loader in (train, valid, test)]
    assert sizes == [2 * k * (k - 1), 2 * k, 2 * k]


def test_evaluation_takes_hundreds_of_users_a_batch(tmp_path):
    for name, items in (("ml-100k", 1683), ("yelp", 60_000), ("amazon-sports", 18_358), ("amazon-toys", 11_925)):
        size = config(name, "toy", tmp_path)["eval_batch_size"]
        assert size // items >= 256
        assert size * 4 <= 100e6  # bytes of scores
