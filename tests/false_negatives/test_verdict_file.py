import logging

import numpy as np
import pandas as pd
import pytest

from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.judges.verdict_file import read_verdicts

VIEW = TrainSplit.from_pairs(np.array(["10", "9", "9", "x", "x"]), np.array(["a", "b", "c", "d", "e"]))


def write(tmp_path, text, name="verdicts.tsv"):
    path = tmp_path / name
    path.write_bytes(text.encode())
    return path


def named(read, view=VIEW):
    columns = (view.users[read.candidates.users], view.items[read.candidates.items], read.raw)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("9\ta\n9 d\n10 b\n", [("10", "b", 1.0), ("9", "a", 1.0), ("9", "d", 1.0)]),
        ("9 a 0.25\n10 b 1\n", [("10", "b", 1.0), ("9", "a", 0.25)]),
        ("9 a 0.25 because of this\n10 b 1 x\n", [("10", "b", 1.0), ("9", "a", 0.25)]),
        ("user\titem\tprobability\n9\ta\t0.25\n", [("9", "a", 0.25)]),
        ("user item note probability raw\n9 a x 0.5 7.5\n", [("9", "a", 7.5)]),
        ("user item rank\n9 a 3\n9 d 1\n9 e 2\n", [("9", "d", 1.0), ("9", "e", 1.0), ("9", "a", 1.0)]),
        ("9 a 0.25\n9 a 0.75\n", [("9", "a", 0.25)]),
        ("user item probability\n", []),
    ],
)
def test_forms_of_text(tmp_path, text, expected):
    read = read_verdicts(write(tmp_path, text), VIEW)
    assert named(read) == expected
    assert read.dropped == 0
    assert np.isnan(read.mass).all()


def test_train_pairs_are_dropped_and_counted(tmp_path):
    read = read_verdicts(write(tmp_path, "10 a\n9 b\n9 c\nx d\nx e\n9 d\n9 d\n"), VIEW)
    assert (named(read), read.dropped) == ([("9", "d", 1.0)], 5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("9 a 0.5\n9 d 1.5\n", "line 2: found '9 d 1.5'; expected a probability from 0 to 1"),
        ("9 a 0.5\n\n9 d -0.1\n", "line 3: found '9 d -0.1'; expected a probability from 0 to 1"),
        ("9 a nan\n", "line 1: found '9 a nan'; expected a probability from 0 to 1"),
        ("9 a 0.5\n9 d high\n", "line 2: found '9 d high'; expected a probability from 0 to 1"),
        ("uid iid p\n9 a 0.5\n", "line 1: found 'uid iid p'; expected a probability from 0 to 1"),
        ("9 a\n9 d 0.5\n", "line 2: found '9 d 0.5'; expected 2 columns (user, item) as at the head of the file"),
        ("9 a 0.5\n9 d\n", "line 2: found '9 d'; expected 3 columns (user, item, probability)"),
        ("9\n", "line 1: found '9'; expected 2 columns (user, item)"),
        ("user item raw\n9 a nan\n", "line 2: found '9 a nan'; expected a raw score that is a number"),
        ("user item raw\n9 a x\n", "line 2: found '9 a x'; expected a number as raw"),
        ("user item rank\n9 a nan\n", "line 2: found '9 a nan'; expected a rank that is a number"),
        ("", "is empty; expected lines `user item [probability]`"),
    ],
)
def test_malformed_text_is_named_with_its_line(tmp_path, text, message):
    with pytest.raises(UserError) as error:
        read_verdicts(write(tmp_path, text), VIEW)
    assert message in str(error.value)
    assert str(error.value).startswith("judge_file: ")


def test_unknown_tokens(tmp_path):
    path = write(tmp_path, "9 a 1\n9 zz 1\n8 a 1\n")
    with pytest.raises(UserError, match=r"found 1 users \(8\) and 1 items \(zz\) .* set allow_foreign=true"):
        read_verdicts(path, VIEW)
    read = read_verdicts(path, VIEW, allow_foreign=True)
    assert (named(read), read.dropped, read.external["foreign"]) == ([("9", "a", 1.0)], 2, True)


def test_parquet_forms_and_faults(tmp_path):
    path = tmp_path / "v.parquet"
    numbers = TrainSplit.from_pairs(np.array(["1", "2"]), np.array(["5", "6"]))
    pd.DataFrame({"user": [1, 2, 1], "item": [6, 5, 5]}).to_parquet(path)
    read = read_verdicts(path, numbers)
    assert (named(read, numbers), read.dropped) == ([("1", "6", 1.0), ("2", "5", 1.0)], 1)
    pd.DataFrame({"user": ["1", "2"], "item": ["6", "5"], "probability": [0.5, 2.0]}).to_parquet(path)
    with pytest.raises(UserError, match=r"v\.parquet, row 2: found .*'2'.* expected a probability from 0 to 1"):
        read_verdicts(path, numbers)
    pd.DataFrame({"user": ["1", None], "item": ["6", "5"]}).to_parquet(path)
    with pytest.raises(UserError, match=r"row 2: found .* expected a user and an item"):
        read_verdicts(path, numbers)
    pd.DataFrame({"user": ["1"], "item": ["6"], "probability": ["high"]}).to_parquet(path)
    with pytest.raises(UserError, match=r"column probability: expected numbers"):
        read_verdicts(path, numbers)
    pd.DataFrame({"uid": [1], "item": [6]}).to_parquet(path)
    with pytest.raises(UserError, match=r"has columns uid, item; expected user and item"):
        read_verdicts(path, numbers)
    path.write_bytes(b"user\titem\n")
    with pytest.raises(UserError, match=r"cannot be read as Parquet"):
        read_verdicts(path, numbers)


def test_counts_are_logged(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    read_verdicts(write(tmp_path, "9 a\n9 b\n"), VIEW)
    assert "1 verdicts; dropped 1 in train, 0 with unknown tokens" in caplog.text
