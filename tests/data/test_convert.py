"""The converter, with stock RecBole as the reader of what it writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from recbole.config import Config
from recbole.data import create_dataset
from recbole.utils import init_seed

import recbole_dtlns
from recbole_dtlns.config.locate import locate
from recbole_dtlns.config.reading_keys import ATOMIC_KEYS, reading_keys
from recbole_dtlns.data.atomic_columns import MISSING
from recbole_dtlns.data.convert import convert, write_atomic
from recbole_dtlns.data.split_files import PARTS, SplitPairs, read_split
from recbole_dtlns.errors import UserError

FILES = {"train": "007 a'b\n007 x\n8 x\n8 ä\n9 a'b\n9 z\"z\n", "valid": "007 ä\n8 1.0\n", "test": "9 x\n10 q#1\n9 ä\n"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "tiny"
    folder.mkdir()
    for part, content in FILES.items():
        (folder / f"{part}.txt").write_text(content, encoding="utf-8")
    return folder


def stock_dataset(name: str, data_path: Path, **keys: object) -> tuple[Config, object]:
    assert recbole_dtlns.__version__
    given = {"data_path": str(data_path), "use_gpu": False, "state": "ERROR", **keys}
    config = Config(
        model="BPR", dataset=name, config_file_list=[str(data_path / name / f"{name}.yaml")], config_dict=given
    )
    assert type(config).__module__.startswith("recbole.")
    init_seed(config["seed"], True)
    return config, create_dataset(config)


def read_back(part: object) -> list[tuple[str, str]]:
    users = part.id2token("user_id", part.inter_feat["user_id"])
    items = part.id2token("item_id", part.inter_feat["item_id"])
    return list(zip(users.tolist(), items.tolist(), strict=True))


def test_stock_recbole_reads_the_same_pairs(source, tmp_path):
    folder = convert(source, tmp_path / "data", None, "auto", 1)
    assert folder == tmp_path / "data" / "tiny"
    assert sorted(path.name for path in folder.iterdir()) == [
        "tiny.test.inter",
        "tiny.train.inter",
        "tiny.valid.inter",
        "tiny.yaml",
    ]
    config, dataset = stock_dataset("tiny", tmp_path / "data")
    split = read_split(source, "auto", 1)
    for built, part in zip(dataset.build(), PARTS, strict=True):
        users, items = split.parts[part]
        assert read_back(built) == list(zip(users.tolist(), items.tolist(), strict=True))
    for key, value in ATOMIC_KEYS.items():
        assert config[key] == value


def test_the_files_are_tab_separated_with_a_typed_header(source, tmp_path):
    folder = convert(source, tmp_path, "other", "pairs", 1)
    content = (folder / "other.valid.inter").read_bytes().decode("utf-8")
    assert content == "user_id:token\titem_id:token\n007\tä\n8\t1.0\n"


def test_lists_and_a_made_valid_are_converted_too(tmp_path):
    source = tmp_path / "lists"
    source.mkdir()
    (source / "train.txt").write_text("1 a b c\n2 d\n3\n")
    (source / "test.txt").write_text("1 d\n")
    folder = convert(source, tmp_path / "data", "ragged", "auto", 1)
    lines = {part: (folder / f"ragged.{part}.inter").read_text().splitlines()[1:] for part in PARTS}
    assert len(lines["valid"]) == 1
    assert lines["valid"][0].startswith("1\t")
    assert sorted(lines["train"] + lines["valid"]) == ["1\ta", "1\tb", "1\tc", "2\td"]


def test_converting_again_replaces_the_files(source, tmp_path):
    convert(source, tmp_path, "again", "auto", 1)
    (source / "valid.txt").write_text("8 q\n")
    folder = convert(source, tmp_path, "again", "auto", 1)
    assert (folder / "again.valid.inter").read_text() == "user_id:token\titem_id:token\n8\tq\n"
    assert not list(folder.glob("*.partial"))


def test_a_whole_inter_file_would_hide_the_split(source):
    (source / "tiny.inter").write_text("user_id:token\titem_id:token\n1\ta\n")
    with pytest.raises(UserError, match=r"tiny\.inter exists"):
        convert(source, source.parent, "tiny", "auto", 1)
    assert not (source / "tiny.train.inter").exists()


@pytest.mark.parametrize("token", ["NA", "nan", "null", '"quoted'])
def test_tokens_that_recbole_would_change_are_refused(source, tmp_path, token):
    with (source / "test.txt").open("a", encoding="utf-8") as file:
        file.write(f"8 {token}\n")
    with pytest.raises(UserError, match="1 tokens would be read by RecBole as missing or quoted") as caught:
        convert(source, tmp_path, "bad", "auto", 1)
    assert repr(token) in str(caught.value)
    assert not (tmp_path / "bad").exists()


def test_the_list_of_missing_values_is_the_one_of_pandas(tmp_path):
    parsers = pytest.importorskip("pandas._libs.parsers")
    assert set(parsers.STR_NA_VALUES) == MISSING


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b"])
def test_a_name_is_a_folder_name(source, tmp_path, name):
    with pytest.raises(UserError, match="no folder name"):
        convert(source, tmp_path, name, "auto", 1)


def test_write_atomic_writes_what_it_is_given(tmp_path):
    pair = (np.array(["u"]), np.array(["i"]))
    split = SplitPairs(dict.fromkeys(PARTS, pair), "pairs", False)
    write_atomic(split, tmp_path / "cache", "name")
    assert (tmp_path / "cache" / "name.test.inter").read_text() == "user_id:token\titem_id:token\nu\ti\n"


def test_the_keys_that_a_location_calls_for(source, tmp_path):
    assert reading_keys(locate("tiny", str(tmp_path))) == ATOMIC_KEYS
    convert(source, tmp_path / "data", "yelp", "auto", 1)
    location = locate("yelp", str(tmp_path / "data"))
    assert (location.kind, reading_keys(location)) == ("atomic", ATOMIC_KEYS)
    for part in PARTS:
        (location.folder / f"yelp.{part}.inter").write_text("user_id:token\tbusiness_id:token\n1\ta\n")
    assert reading_keys(location) == {"benchmark_filename": list(PARTS)}
    assert reading_keys(locate("ml-100k", None)) == reading_keys(locate("yelp", str(tmp_path))) == {}


def test_the_log_names_the_copy_of_text_files_where_it_stays(toy: Path, caplog: pytest.LogCaptureFixture) -> None:
    from recbole_dtlns.cli import main

    flags = ["--neg_sampler=uniform", "--judge=none", "--epochs=1", "--run_dir=run"]
    assert main(["--model=BPR", "--dataset=toy", "--data_path=data", *flags]) == 0
    (said,) = [line for line in (record.getMessage() for record in caplog.records) if line.startswith("Wrote toy.")]
    assert (Path(said.rpartition(" into ")[2].removesuffix(".")) / "toy.train.inter").is_file()
