"""Reading is faster than RecBole's own and gives the same, row by row."""

import collections

import numpy as np
import pandas as pd
import pytest
from recbole.data import create_dataset
from recbole.data.dataset import Dataset, dataset
from toy import write_timed

from recbole_dtlns.compat.reading import fast_parser
from recbole_dtlns.config.run_config import Config

HEADER = "user_id:token\titem_id:token\trating:float\ttag:token\n"
PLAIN = f"{HEADER}u1\ti1\t4.5\tNA\nu2\ti2\t\t\nu3\ti 3\t978300760.1234567\tx \n\nu1\ti9\t-0.0\tnull\n"
NUMBERS = [repr(float(x)) for x in np.random.default_rng(0).random(200) * 10.0 ** np.arange(-100, 100)]
MANY = HEADER + "".join(f"{n}\ti{n}\t{n}\t{n}\n" for n in NUMBERS)


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
        (PLAIN, "\t", "\n", ["c"]),
        (PLAIN, "\t", "\r\n", ["c"]),
        (PLAIN, "\t", "\r", ["c"]),
        (MANY, "\t", "\n", ["c"]),
        (PLAIN.replace("\t", ","), ",", "\n", ["c"]),
        (PLAIN.replace("i1", 'i"1'), "\t", "\n", ["c"]),
        (PLAIN.replace("i1", '"i1"'), "\t", "\n", ["python"]),
        (PLAIN.replace("\t", "::"), "::", "\n", ["python"]),
        (PLAIN.replace("\n\n", "\n\x0c\n"), "\t", "\n", ["c", "python"]),
    ],
    ids=[
        "plain",
        "windows",
        "old mac",
        "numbers",
        "commas",
        "mark inside",
        "quoted",
        "long separator",
        "blank",
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
    assert dataset.pd is pd


@pytest.mark.parametrize("number", ["1_000", "1e400"])
def test_what_one_parser_refuses_the_other_reads(tmp_path, parsers, number):
    path = tmp_path / "numbers.csv"
    path.write_text(f"a,b\nx,{number}\n")
    given = {"dtype": {"a": str, "b": np.float64}, "engine": "python"}
    with fast_parser(1):
        frame = dataset.pd.read_csv(path, **given)
    assert parsers == ["c", "python"]
    assert frame["b"].tolist() == [float(number)]


@pytest.mark.parametrize("ratios", [[0.8, 0.1, 0.1], [0.7, 0.3], [8, 1, 1], [0.34, 0.33, 0.33], [0.9, 0.0, 0.1]])
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
