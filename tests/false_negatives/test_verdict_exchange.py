import json
import sys

import numpy as np
import pandas as pd
import pytest

from recbole_dtlns.config.budget import Budget
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.candidates.ranking import top_unseen
from recbole_dtlns.false_negatives.decide import Calibration, DecisionSettings, decide, probability_of
from recbole_dtlns.false_negatives.judges.exchange import check_exchange_path, write_verdicts
from recbole_dtlns.false_negatives.judges.judging import Verdicts
from recbole_dtlns.false_negatives.judges.verdict_file import read_verdicts

VIEW = TrainSplit.from_pairs(np.array(["10", "9", "9", "x", "x"]), np.array(["a", "b", "c", "d", "e"]))


def judged(view=VIEW, unjudged=0, seed=0):
    """Candidates, verdicts and the decision about them; raw outside 0 .. 1 and with ties."""
    rng = np.random.default_rng(seed)
    scores = rng.random(view.matrix.shape)
    pairs = top_unseen(view, Budget.parse(3), lambda users: scores[users], "test")
    raw = rng.choice([0.1, 1 / 3, 0.7, 0.7 + 1e-16, 1.25, -0.5], len(pairs))
    raw[:unjudged] = np.nan
    mass = np.where(rng.random(len(pairs)) < 0.5, np.nan, rng.random(len(pairs)))
    settings = DecisionSettings("per_user", 0.3, Budget.parse(2))
    decision = decide(pairs.users, pairs.ranks, raw, pairs.items, settings, view.history)
    return pairs, Verdicts(raw, mass, len(pairs), 0), decision, settings


@pytest.mark.parametrize("suffix", [".tsv", ".parquet"])
@pytest.mark.parametrize("spaces", [False, True])
def test_what_goes_out_comes_back(tmp_path, suffix, spaces):
    rows, columns = np.nonzero(np.random.default_rng(1).random((12, 9)) < 0.4)
    tokens = [np.char.add("a b" if spaces else "é", numbers.astype(str)) for numbers in (rows, columns)]
    view = TrainSplit.from_pairs(*tokens)
    pairs, verdicts, decision, settings = judged(view)
    path = tmp_path / f"verdicts{suffix}"
    write_verdicts(path, view, pairs, verdicts, decision, {"judge": "rule", "revision": "1", "settings": {"a": 1}})
    back = read_verdicts(path, view)
    for name in ("users", "items", "ranks"):
        np.testing.assert_array_equal(getattr(back.candidates, name), getattr(pairs, name))
    np.testing.assert_array_equal(back.raw, verdicts.raw)  # to the bit: 0.7 and 0.7 + 1e-16 differ
    np.testing.assert_array_equal(back.mass, verdicts.mass)
    assert (back.dropped, back.external["foreign"], back.external["train_hash"]) == (0, False, view.train_hash)
    imported = back.candidates
    again = decide(imported.users, imported.ranks, back.raw, imported.items, settings, view.history)
    np.testing.assert_array_equal(again.accepted, decision.accepted)
    about = json.loads((tmp_path / f"verdicts{suffix}.json").read_text())
    expected = {"judge": "rule", "revision": "1", "settings": {"a": 1}, "pairs": len(pairs)}
    assert about == {**expected, "train_hash": view.train_hash}


@pytest.mark.parametrize("suffix", [".tsv", ".parquet"])
@pytest.mark.parametrize("line", [Calibration(), Calibration(0.013, -0.4), Calibration(-0.5, 1.0)])
@pytest.mark.parametrize("kind", ["per_user", "threshold", "rate"])
def test_log_odds_and_their_calibration_decide_alike_from_a_file(tmp_path, suffix, line, kind):
    rng = np.random.default_rng(3)
    rows, columns = np.nonzero(rng.random((15, 12)) < 0.4)
    view = TrainSplit.from_pairs(np.char.add("u", rows.astype(str)), np.char.add("i", columns.astype(str)))
    scores = rng.random(view.matrix.shape)
    pairs = top_unseen(view, Budget.parse(5), lambda users: scores[users], "test")
    raw = rng.choice([-900.0, -41.5, -0.1, 0.1 + 0.2, 1 / 3, 40.25, 41.0, 900.0], len(pairs))
    raw[rng.random(len(pairs)) < 0.2] = np.nan  # ranks in the file have gaps
    probability = probability_of(raw, line)
    settings = DecisionSettings(kind, 0.4, Budget.parse(2), rate=0.3)
    decision = decide(pairs.users, pairs.ranks, raw, pairs.items, settings, view.history, probability)
    path = tmp_path / f"v{suffix}"
    write_verdicts(path, view, pairs, Verdicts(raw, raw, len(pairs), 0), decision, {})
    back = read_verdicts(path, view)
    judged = ~np.isnan(raw)
    np.testing.assert_array_equal(back.raw, raw[judged])
    np.testing.assert_array_equal(back.probability, probability[judged])
    np.testing.assert_array_equal(back.candidates.ranks, pairs.ranks[judged])
    order = (back.candidates.users, back.candidates.ranks, back.raw, back.candidates.items)
    again = decide(*order, settings, view.history, back.probability)
    assert 0 < again.accepted.sum() < len(back.raw)
    np.testing.assert_array_equal(again.accepted, decision.accepted[judged])


def test_ranks_of_others_that_are_no_whole_numbers_only_order(tmp_path):
    (tmp_path / "v.tsv").write_text("user\titem\traw\trank\n9\ta\t1\t0.7\n9\td\t1\t0.2\n10\tc\t1\t5.5\n")
    read = read_verdicts(tmp_path / "v.tsv", VIEW).candidates
    assert VIEW.items[read.items].tolist() == ["c", "d", "a"]
    assert read.ranks.tolist() == [0, 0, 1]


def test_the_columns_and_their_order(tmp_path):
    pairs, verdicts, decision, _ = judged()
    path = tmp_path / "verdicts.tsv"
    write_verdicts(path, VIEW, pairs, verdicts, decision, {})
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    assert rows[0] == ["user", "item", "probability", "accepted", "raw", "label_mass", "rank"]
    assert rows[1:] == sorted(rows[1:], key=lambda row: row[:2])
    assert {row[3] for row in rows[1:]} == {"0", "1"}
    assert path.read_bytes().endswith(b"\n")
    assert b"\r" not in path.read_bytes()
    frame = pd.read_csv(path, sep="\t", dtype={"user": str, "item": str})
    order = np.lexsort((pairs.items, pairs.users))
    np.testing.assert_array_equal(frame["raw"], verdicts.raw[order])
    np.testing.assert_array_equal(frame["accepted"], decision.accepted[order])
    np.testing.assert_array_equal(frame["probability"], np.clip(verdicts.raw[order], 0, 1))


def test_parquet_has_the_same_rows(tmp_path):
    pairs, verdicts, decision, _ = judged()
    for suffix in (".tsv", ".parquet"):
        write_verdicts(tmp_path / f"v{suffix}", VIEW, pairs, verdicts, decision, {})
    parquet = pd.read_parquet(tmp_path / "v.parquet")
    tsv = pd.read_csv(tmp_path / "v.tsv", sep="\t", dtype={"user": str, "item": str}, float_precision="round_trip")
    assert parquet["accepted"].dtype == bool
    pd.testing.assert_frame_equal(parquet.astype({"accepted": int}), tsv, check_exact=True, check_dtype=False)


def test_pairs_without_a_verdict_stay_out(tmp_path, caplog):
    pairs, verdicts, decision, _ = judged(unjudged=2)
    write_verdicts(tmp_path / "v.tsv", VIEW, pairs, verdicts, decision, {})
    assert "2 pairs without a verdict are left out" in caplog.text
    np.testing.assert_array_equal(read_verdicts(tmp_path / "v.tsv", VIEW).raw, verdicts.raw[2:])


def test_only_these_endings(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"as .tsv or .parquet; found x.csv"):
        check_exchange_path("x.csv")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    check_exchange_path("x.tsv")
    with pytest.raises(UserError, match="pip install pyarrow"):
        check_exchange_path("x.parquet")
    (tmp_path / "x.parquet").touch()
    with pytest.raises(UserError, match="pip install pyarrow"):
        read_verdicts(tmp_path / "x.parquet", VIEW)


def test_tokens_that_a_tsv_cannot_hold(tmp_path):
    view = TrainSplit.from_pairs(np.array(["u\tv", "w"]), np.array(["a", "b"]))
    pairs, verdicts, decision, _ = judged(view)
    with pytest.raises(UserError, match="holds a tab or a line end"):
        write_verdicts(tmp_path / "v.tsv", view, pairs, verdicts, decision, {})
    assert list(tmp_path.iterdir()) == []


def test_another_split_and_a_missing_file(tmp_path):
    with pytest.raises(UserError, match="judge_file: there is no file"):
        read_verdicts(tmp_path / "none.tsv", VIEW)
    pairs, verdicts, decision, _ = judged()
    write_verdicts(tmp_path / "v.tsv", VIEW, pairs, verdicts, decision, {})
    other = TrainSplit.from_pairs(VIEW.users[[1, 2, 3, 3, 3, 3]], VIEW.items[[1, 2, 3, 4, 5, 1]])
    with pytest.raises(UserError, match="another training split"):
        read_verdicts(tmp_path / "v.tsv", other)
    assert read_verdicts(tmp_path / "v.tsv", other, allow_foreign=True).external["foreign"]
