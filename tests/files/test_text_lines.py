"""One rule for line ends: LF, CR LF and a CR alone, in every reader of text."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_dtlns.data.plain_text import read_pairs
from recbole_dtlns.data.split_files import read_split
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.candidates.candidate_file import read_candidates
from recbole_dtlns.false_negatives.candidates.ranking import Candidates
from recbole_dtlns.false_negatives.decide import Decision
from recbole_dtlns.false_negatives.inferred import read_inferred
from recbole_dtlns.false_negatives.judges.exchange import write_verdicts
from recbole_dtlns.false_negatives.judges.judging import Verdicts
from recbole_dtlns.false_negatives.judges.verdict_file import read_verdicts
from recbole_dtlns.files.text_lines import read_blocks, unix_lines
from recbole_dtlns.trees.codes import read_codes
from recbole_dtlns.trees.vectors import read_vectors

VIEW = TrainSplit.from_pairs(np.array(["u", "v", "w", "w"]), np.array(["a", "b", "c", "d"]))
ENDS = pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])


def write(path, lines, end, last=True):
    path.write_bytes((end.join(lines) + (end if last else "")).encode())
    return path


@ENDS
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("block_bytes", [1, 2, 5, 1000])
def test_blocks_hold_the_same_lines_and_numbers(tmp_path, end, last, block_bytes):
    path = write(tmp_path / "file", ["\ufeffone", "", "two\u2028x\x0by", "é"], end, last)
    blocks = list(read_blocks(path, block_bytes))
    assert b"".join(piece for _, piece in blocks).decode() == "one\n\ntwo\u2028x\x0by\né\n"
    lines_before = 0
    for number, piece in blocks:
        assert number == lines_before + 1
        assert piece.endswith(b"\n")
        lines_before += piece.count(b"\n")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([b"a", b"\r", b"\n", b" "]), max_size=12), st.integers(1, 5))
def test_blocks_of_any_size_are_the_whole(tmp_path_factory, pieces, block_bytes):
    path = tmp_path_factory.mktemp("lines") / "file"
    path.write_bytes(b"".join(pieces))
    whole = unix_lines(path.read_bytes())
    whole += b"\n" if whole and not whole.endswith(b"\n") else b""
    assert b"".join(piece for _, piece in read_blocks(path, block_bytes)) == whole


def test_a_file_that_cannot_be_read_is_a_users_error(tmp_path):
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(UserError, match="cannot be read"):
            list(read_blocks(path))


@ENDS
def test_interactions(tmp_path, end):
    users, items = read_pairs(write(tmp_path / "pairs.txt", ["u a", "u b", "v a"], end))
    assert list(zip(users, items, strict=True)) == [("u", "a"), ("u", "b"), ("v", "a")]
    write(tmp_path / "train.txt", ["u a b c", "v a", "w b"], end)
    write(tmp_path / "valid.txt", ["u d"], end)
    write(tmp_path / "test.txt", ["v b"], end)
    split = read_split(tmp_path, "lists", 1)
    assert [len(split.parts[part][0]) for part in ("train", "valid", "test")] == [5, 1, 1]


@ENDS
def test_verdicts_candidates_and_inferred_positives(tmp_path, end):
    verdicts = read_verdicts(write(tmp_path / "v.tsv", ["user\titem\tprobability", "u\tb\t0.5", "v\ta\t1"], end), VIEW)
    np.testing.assert_array_equal(verdicts.probability, [0.5, 1.0])
    candidates = read_candidates(write(tmp_path / "c.txt", ["u b c", "v a", "w a"], end), VIEW).candidates
    assert len(candidates) == 4
    header = "user\titem\tprobability\tweight"
    inferred = read_inferred(write(tmp_path / "i.tsv", [header, "u\tb\t0.5\t0.25", "v\ta\t1\t0.5"], end))
    assert inferred.items.tolist() == ["b", "a"]


@ENDS
def test_codes_and_vectors(tmp_path, end):
    codes = read_codes(write(tmp_path / "codes.txt", ["a: 0-1", "b: 0-2", "c: 1", "d: 2"], end), VIEW.items)
    assert codes.missing == 0
    np.save(tmp_path / "vectors.npy", np.arange(8.0).reshape(4, 2))
    write(tmp_path / "vectors.tokens.txt", ["a", "b", "c", "d"], end)
    vectors, missing = read_vectors(tmp_path / "vectors.npy", VIEW.items)
    assert not missing.any()
    lines = ["iid:token\titem_emb:float_seq", "a\t0 1", "b\t2 3", "c\t4 5", "d\t6 7"]
    same, _ = read_vectors(write(tmp_path / "vectors.itememb", lines, end), VIEW.items)
    np.testing.assert_array_equal(same, vectors)


def test_a_token_with_a_line_end_is_not_written_into_a_tsv(tmp_path):
    view = TrainSplit.from_pairs(np.array(["u\rv", "w"]), np.array(["a", "b"]))
    user = int(np.flatnonzero(view.users == "u\rv")[0])
    pair = Candidates(np.array([user]), np.array([2]), np.array([0]), np.array([1.0]), "test")
    decision = Decision(np.array([0.5]), np.array([True]))
    verdicts = Verdicts(np.array([0.5]), np.array([np.nan]), 1, 0)
    with pytest.raises(UserError, match="line end"):
        write_verdicts(tmp_path / "x.tsv", view, pair, verdicts, decision, {})
