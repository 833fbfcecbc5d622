import json
import logging
import sys

import numpy as np
import pandas as pd
import pytest

from recbole_dtlns.data.train_view import TrainView
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.budget import Budget
from recbole_dtlns.false_negatives.candidates import top_unseen
from recbole_dtlns.false_negatives.decide import DecisionSettings, decide
from recbole_dtlns.false_negatives.exchange import check_exchange_path, write_verdicts
from recbole_dtlns.false_negatives.judging import Verdicts
from recbole_dtlns.false_negatives.verdict_file import read_verdicts

VIEW = TrainView.from_pairs(np.array(["10", "9", "9", "x", "x"]), np.array(["a", "b", "c", "d", "e"]))


def judged(view=VIEW, unjudged=0, seed=0):
    """Candidates, verdicts and the decision about them; raw outside 0 .. 1 and with ties."""
    rng = np.random.default_rng(seed)
    scores = rng.random(view.matrix.shape)
    found = top_unseen(view, Budget.parse(3), lambda users: scores[users], "test")
    raw = rng.choice([0.1, 1 / 3, 0.7, 0.7 + 1e-16, 1.25, -0.5], len(found))
    raw[:unjudged] = np.nan
    mass = np.where(rng.random(len(found)) < 0.5, np.nan, rng.random(len(found)))
    settings = DecisionSettings("per_user", 0.3, Budget.parse(2))
    decision = decide(found.users, found.ranks, raw, found.items, settings, view.history)
    return found, Verdicts(raw, mass, len(found), 0), decision, settings


def write(tmp_path, text, name="verdicts.tsv"):
    path = tmp_path / name
    path.write_bytes(text.encode())
    return path


def named(found, view=VIEW):
    columns = (view.users[found.candidates.users], view.items[found.candidates.items], found.raw)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@pytest.mark.parametrize("suffix", [".tsv", ".parquet"])
@pytest.mark.parametrize("spaces", [False, True])
def test_what_goes_out_comes_back(tmp_path, suffix, spaces):
    rows, columns = np.nonzero(np.random.default_rng(1).random((12, 9)) < 0.4)
    tokens = [np.char.add("a b" if spaces else "é", numbers.astype(str)) for numbers in (rows, columns)]
    view = TrainView.from_pairs(*tokens)
    found, verdicts, decision, settings = judged(view)
    path = tmp_path / f"verdicts{suffix}"
    write_verdicts(path, view, found, verdicts, decision, {"judge": "rule", "revision": "1", "settings": {"a": 1}})
    back = read_verdicts(path, view)
    for name in ("users", "items", "ranks"):
        np.testing.assert_array_equal(getattr(back.candidates, name), getattr(found, name))
    np.testing.assert_array_equal(back.raw, verdicts.raw)  # to the bit: 0.7 and 0.7 + 1e-16 differ
    np.testing.assert_array_equal(back.mass, verdicts.mass)
    assert (back.dropped, back.external["foreign"], back.external["train_hash"]) == (0, False, view.train_hash)
    imported = back.candidates
    again = decide(imported.users, imported.ranks, back.raw, imported.items, settings, view.history)
    np.testing.assert_array_equal(again.accepted, decision.accepted)
    about = json.loads((tmp_path / f"verdicts{suffix}.json").read_text())
    expected = {"judge": "rule", "revision": "1", "settings": {"a": 1}, "pairs": len(found)}
    assert about == {**expected, "train_hash": view.train_hash}


def test_the_columns_and_their_order(tmp_path):
    found, verdicts, decision, _ = judged()
    path = tmp_path / "verdicts.tsv"
    write_verdicts(path, VIEW, found, verdicts, decision, {})
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    assert rows[0] == ["user", "item", "probability", "accepted", "raw", "label_mass", "rank"]
    assert rows[1:] == sorted(rows[1:], key=lambda row: row[:2])
    assert {row[3] for row in rows[1:]} == {"0", "1"}
    assert path.read_bytes().endswith(b"\n")
    assert b"\r" not in path.read_bytes()
    frame = pd.read_csv(path, sep="\t", dtype={"user": str, "item": str})
    order = np.lexsort((found.items, found.users))
    np.testing.assert_array_equal(frame["raw"], verdicts.raw[order])
    np.testing.assert_array_equal(frame["accepted"], decision.accepted[order])
    np.testing.assert_array_equal(frame["probability"], np.clip(verdicts.raw[order], 0, 1))


def test_parquet_has_the_same_rows(tmp_path):
    found, verdicts, decision, _ = judged()
    for suffix in (".tsv", ".parquet"):
        write_verdicts(tmp_path / f"v{suffix}", VIEW, found, verdicts, decision, {})
    parquet = pd.read_parquet(tmp_path / "v.parquet")
    tsv = pd.read_csv(tmp_path / "v.tsv", sep="\t", dtype={"user": str, "item": str}, float_precision="round_trip")
    assert parquet["accepted"].dtype == bool
    pd.testing.assert_frame_equal(parquet.astype({"accepted": int}), tsv, check_exact=True, check_dtype=False)


def test_pairs_without_a_verdict_stay_out(tmp_path, caplog):
    found, verdicts, decision, _ = judged(unjudged=2)
    write_verdicts(tmp_path / "v.tsv", VIEW, found, verdicts, decision, {})
    assert "2 pairs without a verdict are left out" in caplog.text
    np.testing.assert_array_equal(read_verdicts(tmp_path / "v.tsv", VIEW).raw, verdicts.raw[2:])


def test_only_these_endings(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"as .tsv or .parquet; found x.csv"):
        check_exchange_path("x.csv")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    check_exchange_path("x.tsv")
    with pytest.raises(UserError, match="pip install pyarrow"):
        check_exchange_path("x.parquet")
    with pytest.raises(UserError, match="pip install pyarrow"):
        read_verdicts(write(tmp_path, "", "x.parquet"), VIEW)


def test_tokens_that_a_tsv_cannot_hold(tmp_path):
    view = TrainView.from_pairs(np.array(["u\tv", "w"]), np.array(["a", "b"]))
    found, verdicts, decision, _ = judged(view)
    with pytest.raises(UserError, match="holds a tab or a line end"):
        write_verdicts(tmp_path / "v.tsv", view, found, verdicts, decision, {})
    assert list(tmp_path.iterdir()) == []


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
    found = read_verdicts(write(tmp_path, text), VIEW)
    assert named(found) == expected
    assert found.dropped == 0
    assert np.isnan(found.mass).all()


def test_train_pairs_are_dropped_and_counted(tmp_path):
    found = read_verdicts(write(tmp_path, "10 a\n9 b\n9 c\nx d\nx e\n9 d\n9 d\n"), VIEW)
    assert (named(found), found.dropped) == ([("9", "d", 1.0)], 5)


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
    found = read_verdicts(path, VIEW, allow_foreign=True)
    assert (named(found), found.dropped, found.external["foreign"]) == ([("9", "a", 1.0)], 2, True)


def test_another_split_and_a_missing_file(tmp_path):
    with pytest.raises(UserError, match="judge_file: there is no file"):
        read_verdicts(tmp_path / "none.tsv", VIEW)
    found, verdicts, decision, _ = judged()
    write_verdicts(tmp_path / "v.tsv", VIEW, found, verdicts, decision, {})
    other = TrainView.from_pairs(VIEW.users[[1, 2, 3, 3, 3, 3]], VIEW.items[[1, 2, 3, 4, 5, 1]])
    with pytest.raises(UserError, match="another training split"):
        read_verdicts(tmp_path / "v.tsv", other)
    assert read_verdicts(tmp_path / "v.tsv", other, allow_foreign=True).external["foreign"]


def test_parquet_forms_and_faults(tmp_path):
    path = tmp_path / "v.parquet"
    numbers = TrainView.from_pairs(np.array(["1", "2"]), np.array(["5", "6"]))
    pd.DataFrame({"user": [1, 2, 1], "item": [6, 5, 5]}).to_parquet(path)
    found = read_verdicts(path, numbers)
    assert (named(found, numbers), found.dropped) == ([("1", "6", 1.0), ("2", "5", 1.0)], 1)
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
