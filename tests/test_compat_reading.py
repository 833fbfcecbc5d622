"""Reading is faster than RecBole's own and gives the same, row by row."""

import collections
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from recbole.data import create_dataset
from recbole.data.dataset import Dataset, dataset
from toy import write_timed

from recbole_dtlns.compat.reading import fast_parser
from recbole_dtlns.config.run_config import Config

HEADER = "user_id:token\titem_id:token\trating:float\ttag:token\n"
PLAIN = f"{HEADER}u1\ti1\t4.5\tNA\nu2\ti2\t\t\nu3\ti 3\t978300760.1234567\tx \nu1\ti9\t-0.0\tnull\n"
FLOATS = [repr(float(x)) for x in np.random.default_rng(0).random(200) * 10.0 ** np.arange(-100, 100)]
MANY = HEADER + "".join(f"{n}\ti{n}\t{n}\t{n}\n" for n in FLOATS)
NANOSECONDS = HEADER + "".join(f"u\ti{n}\t{1563087497439626892 + 977 * n}\t\n" for n in range(200))
PADDED = HEADER + "".join(f"{n % 300:>7}\t{n:>7}\t1\t\n" for n in range(20_000))  # C lets blanks go between its blocks
OLD_MAC = "tag:token\tuser_id:token\titem_id:token\trating:float\nx\tu1\ti1\t4\n\n\tu2\ti2\t3\n"
SHIFTED = OLD_MAC.replace("\n\n", "\r\r")  # in C the second row loses its empty field


@pytest.fixture
def timed(tmp_path):
    """`timed(**keys)`: RecBole's data set of a small file."""
    write_timed(tmp_path)

    def made(**keys):
        given = {"data_path": str(tmp_path), "load_col": {"inter": "*"}, **keys}
        return create_dataset(Config("BPR", "timed", config_dict=given))

    return made


@pytest.fixture
def parsers(monkeypatch):
    """The parsers of pandas that have been used."""
    used = []
    read = pd.read_csv

    def noted(*given, **options):
        used.append(options["engine"])
        return read(*given, **options)

    monkeypatch.setattr(pd, "read_csv", noted)
    return used


@pytest.mark.parametrize(
    ("text", "separator", "newline", "used"),
    [
        pytest.param(PLAIN, "\t", "\n", ["c"], id="plain"),
        pytest.param(PLAIN, "\t", "\r\n", ["c"], id="windows"),
        pytest.param(MANY, "\t", "\n", ["c"], id="floats"),
        pytest.param(PLAIN.replace("\t", ","), ",", "\n", ["c"], id="commas"),
        pytest.param(PLAIN.replace("i1", 'i"1'), "\t", "\n", ["c"], id="mark inside"),
        pytest.param(PLAIN.replace("i1", '"i1"'), "\t", "\n", ["python"], id="quoted"),
        pytest.param(PLAIN.replace("\t", "::"), "::", "\n", ["python"], id="long separator"),
        pytest.param(PLAIN.replace("\nu2", "\n\nu2"), "\t", "\n", ["python"], id="blank"),
        pytest.param(PLAIN.replace("\nu2", "\n u2"), "\t", "\n", ["python"], id="leading blank"),
        pytest.param(PADDED, "\t", "\n", ["python"], id="padded"),
        pytest.param(NANOSECONDS, "\t", "\n", ["python"], id="nanoseconds"),
        pytest.param(PLAIN, "\t", "\r", ["python"], id="old mac"),
        pytest.param(OLD_MAC, "\t", "\r", ["python"], id="old mac, empty first field"),
        pytest.param(SHIFTED, "\t", "\n", ["python"], id="stray CR"),
    ],
)
def test_a_file_is_read_as_by_recbole(timed, tmp_path, parsers, text, separator, newline, used):
    mine, path = timed(), tmp_path / "other.inter"
    path.write_bytes(text.replace("\n", newline).encode())
    mine.config["field_separator"] = separator
    parsers.clear()
    read = mine._load_feat(str(path), "inter")
    assert parsers == used
    mine.config["encoding"] = "utf-8"
    pd.testing.assert_frame_equal(read, Dataset._load_feat.__wrapped__(mine, str(path), "inter"), check_exact=True)
    assert parsers[-1] == "python"


@pytest.mark.parametrize(("number", "rows"), [("1_000", 1), ("1", 2)])
def test_what_one_parser_refuses_or_miscounts_the_other_reads(tmp_path, parsers, number, rows):
    path = tmp_path / "numbers.csv"
    path.write_text(f"a,b\nx,{number}\n")
    given = {"dtype": {"a": str, "b": np.float64}, "engine": "python"}
    with fast_parser(rows):
        frame = dataset.pd.read_csv(path, **given)
    assert parsers == ["c", "python"]
    assert frame["b"].tolist() == [float(number)]


def test_the_fast_parser_is_for_its_own_block_and_thread(tmp_path, parsers):
    path = tmp_path / "one.csv"
    path.write_text("a\n1\n")
    with fast_parser(7):
        with fast_parser(1):
            dataset.pd.read_csv(path, engine="python")
            with ThreadPoolExecutor(1) as pool:
                pool.submit(dataset.pd.read_csv, path, engine="python").result()
        dataset.pd.read_csv(path, engine="python")
    dataset.pd.read_csv(path, engine="python")
    assert parsers == ["c", "python", "c", "python", "python"]


def test_a_file_in_another_encoding_is_read_by_the_python_parser(timed, tmp_path, parsers):
    mine, path = timed(), tmp_path / "other.inter"
    path.write_bytes(PLAIN.replace("i1", "í1").encode("latin-1"))
    mine.config["encoding"] = "latin-1"
    parsers.clear()
    assert mine._load_feat(str(path), "inter")["item_id"][0] == "í1"
    assert parsers == ["python"]


@pytest.mark.parametrize("ratios", [[0.8, 0.1, 0.1], [0.7, 0.3], [1], [0.34, 0.33, 0.33], [0.9, 0.0, 0.1], [1] * 200])
def test_the_split_is_recboles(timed, ratios):
    parts = []
    for divide in (Dataset.split_by_ratio, Dataset.split_by_ratio.__wrapped__):
        mine = timed(unused_col={"inter": ["rating"]})
        order = np.random.default_rng(1).permutation(len(mine.inter_feat))
        mine._change_feat_format()
        mine.inter_feat._reindex(order)
        parts.append([part.inter_feat for part in divide(mine, ratios, "user_id")])
    ours, stock = parts
    assert len(ours) == len(stock) == len(ratios)
    for one, other in zip(ours, stock, strict=True):
        assert list(one.interaction) == list(other.interaction) == ["user_id", "item_id", "timestamp"]
        for name, values in other.interaction.items():
            assert one[name].dtype == values.dtype
            assert one[name].tolist() == values.tolist()


def test_without_groups_recbole_splits_by_itself(timed):
    mine = timed()
    mine._change_feat_format()
    total = len(mine.inter_feat)
    assert [len(part) for part in mine.split_by_ratio([0.5, 0.5])] == [total - total // 2, total // 2]


@pytest.mark.parametrize(
    ("keys", "counts"),
    [
        ({}, 0),
        ({"user_inter_num_interval": None, "item_inter_num_interval": None}, 0),
        ({"user_inter_num_interval": "[9,inf)"}, 2),
        ({"item_inter_num_interval": "[0,20)"}, 2),
    ],
)
def test_intervals_that_keep_all_are_not_counted(timed, monkeypatch, keys, counts):
    made = []

    class Counted(collections.Counter):
        def __init__(self, *given):
            made.append(len(given))
            super().__init__(*given)

    monkeypatch.setattr(dataset, "Counter", Counted)
    mine = timed(**keys)
    assert len(made) >= counts
    assert bool(made) == bool(counts)
    lengths = np.bincount(mine.inter_feat["user_id"])[1:]
    assert lengths.min() >= (9 if "user_inter_num_interval" in keys and counts else 8)
