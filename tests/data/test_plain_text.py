"""Reading plain text: both layouts, and every refusal with its line number and content."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from recbole_dtlns.data.pair_codes import pair_codes
from recbole_dtlns.data.plain_text import choose_layout, read_pairs
from recbole_dtlns.data.text_file import LONGEST_WORD, read_text
from recbole_dtlns.errors import UserError


@pytest.fixture
def write(tmp_path: Path):
    def write_file(content: str | bytes, name: str = "train.txt") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file


def listed(pairs: tuple[np.ndarray, np.ndarray]) -> list[tuple[str, str]]:
    users, items = pairs
    assert users.dtype.kind == items.dtype.kind == "U"
    return list(zip(users.tolist(), items.tolist(), strict=True))


def test_pairs_keep_the_order_of_the_file(write):
    assert listed(read_pairs(write("b 10\na 9\nb 007\n"))) == [("b", "10"), ("a", "9"), ("b", "007")]


def test_lists_are_ragged(write):
    path = write("u1 a b c\nu2\nu3 b\n")
    assert listed(read_pairs(path)) == [("u1", "a"), ("u1", "b"), ("u1", "c"), ("u3", "b")]


@pytest.mark.parametrize(
    "content",
    [
        b"1 a\r\n1 b\r\n2 a\r\n",
        b"1 a\r1 b\r2 a",
        b"\xef\xbb\xbf1 a\n1 b\n2 a",
        b"\n\n1\ta\n  \n 1   b \t\n\t2 \t a\n\n",
    ],
    ids=["crlf", "cr", "bom", "blank lines and runs of blanks"],
)
def test_line_ends_marks_and_blanks_do_not_matter(write, content):
    assert listed(read_pairs(write(content))) == [("1", "a"), ("1", "b"), ("2", "a")]


def test_tokens_that_are_not_ascii_survive(write):
    assert listed(read_pairs(write("ÿser äpfel\nÿser 东西\nz\u00a0z 东西\n"))) == [
        ("ÿser", "äpfel"),
        ("ÿser", "东西"),
        ("z\u00a0z", "东西"),
    ]


def test_repeated_pairs_are_kept_once_and_logged(write, caplog):
    with caplog.at_level(logging.WARNING):
        pairs = listed(read_pairs(write("1 b\n1 a\n1 b\n2 a\n1 b\n")))
    assert pairs == [("1", "b"), ("1", "a"), ("2", "a")]
    assert "2 repeated pairs" in caplog.text
    assert listed(read_pairs(write("1 a a b\n2 c\n"))) == [("1", "a"), ("1", "b"), ("2", "c")]


@pytest.mark.parametrize(
    ("content", "layout", "expected"),
    [
        ("1 a\n2\n1 b\n", "auto", ("line 2", "'2'", "one column", "text_layout=pairs")),
        ("1 a\n\n1 b\n2 c 5.0\n3 d 1 2\n", "auto", ("line 4", "'2 c 5.0'", "3 columns", "2 lines are like this")),
        ("1 a\r\n2 b c\r\n", "pairs", ("line 2", "'2 b c'", "3 columns")),
        ("1 a 5 99\n\n1 b 3 98\n2 a 4 97\n", "auto", ("line 3", "'1 b 3 98'", "first is line 1", "rating or a time")),
        ("1 a b\n2 c\n1 d\n", "lists", ("line 3", "'1 d'", "user '1'", "Join the lines")),
        ("1,a\n1,b\n", "auto", ("line 1", "'1,a'", "one column")),
        ("1\n2\n", "lists", ("line 1", "'1'", "one column")),
        ("", "auto", ("is empty",)),
        ("\n \t\n", "pairs", ("is empty",)),
        ("\nuser_id:token\titem_id:token\n1\ta\n1\tb\n", "pairs", ("line 2", "NAME.train.inter", "delete the header")),
        ("user_id:token item_id:token rating:float\n1 a 3\n", "lists", ("line 1", "atomic")),
        ("1, a\n1, b\n", "auto", ("line 1", "'1, a'", "has ',' behind the user", "blank")),
        ("1: a, b\n2: b, c\n", "lists", ("line 1", "has ':' behind the user")),
        ("User item_id\n1 a\n1 b\n", "auto", ("line 1", "'User item_id'", "header", "Delete")),
        ("1 a\n1 [PAD]\n2 b\n", "auto", ("line 2", "'1 [PAD]'", "padding")),
        (b"1 a\n1 \xff\n", "auto", ("line 2", "UTF-8")),
        ("1 a\n1 b\n2 c\n".encode("utf-16"), "auto", ("is text in UTF-16", "UTF-8")),
        ("1 a\n1 \u2028\n2 b\n", "auto", ("line 2", "'\\u2028'", "separates no columns")),
        ("1 a\n1 b\x1fc\n", "auto", ("line 2", "UTF-8 text")),
        ("1 a\n1 b" + "c" * LONGEST_WORD + "\n", "auto", ("line 2", f"{LONGEST_WORD + 1} bytes", "...")),
        ("1 a\n1 b\n", "csv", ("text_layout", "'csv'", "auto, pairs, lists")),
    ],
)
def test_bad_input_is_named(write, content, layout, expected):
    path = write(content)
    with pytest.raises(UserError) as caught:
        read_pairs(path, layout)
    for part in expected:
        assert part in str(caught.value)
    assert layout == "csv" or str(path) in str(caught.value)
    assert len(str(caught.value)) < 600


def test_the_longest_word_is_read(write):
    word = "w" * LONGEST_WORD
    assert listed(read_pairs(write(f"1 a\n1 {word}\n"))) == [("1", "a"), ("1", word)]


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(UserError, match=r"train\.txt cannot be read \(No such file"):
        read_pairs(tmp_path / "train.txt")
    with pytest.raises(UserError, match="cannot be read"):
        read_pairs(tmp_path)


def test_auto_refuses_when_both_readings_fit(write):
    path = write("1 a\n2 b\n")
    with pytest.raises(UserError, match=r"cannot be told.*text_layout=pairs.*text_layout=lists"):
        read_pairs(path)
    assert listed(read_pairs(path, "pairs")) == listed(read_pairs(path, "lists")) == [("1", "a"), ("2", "b")]
    with pytest.raises(UserError, match=r"line 2: '2'; an error in pairs"):
        read_pairs(write("1 a\n2\n"))


@pytest.mark.parametrize(
    ("train", "valid", "layout"),
    [
        ("1 a\n1 b\n2 c\n", "1 c\n2 d\n", "pairs"),
        ("1 c\n2 d\n", "1 a\n1 b\n2 c\n", "pairs"),
        ("1 a b\n2 c\n", "1 c\n2 d\n", "lists"),
        ("1 a\n2 c\n", "1\n2 d e\n", "lists"),
    ],
)
def test_a_folder_has_one_layout(write, train, valid, layout):
    files = [read_text(write(train)), read_text(write(valid, "valid.txt"))]
    assert choose_layout(files, "auto") == layout
    assert choose_layout(files[::-1], "auto") == layout


def test_pair_codes_are_equal_for_equal_pairs_and_sort_as_tokens_do():
    three = (np.array(["b", "a", "a"]), np.array(["x", "z", "y"]))
    two = (np.array(["a", "longer", "b"]), np.array(["z", "x", "x"]))
    first, second = pair_codes([three, two])
    assert first.dtype == np.int64
    assert first[1] == second[0]
    assert first[0] == second[2]
    assert len({*first.tolist(), *second.tolist()}) == 4
    assert np.argsort(first).tolist() == [2, 1, 0]
    empty = (np.array([], dtype=str), np.array([], dtype=str))
    assert [len(codes) for codes in pair_codes([three, empty])] == [3, 0]
    assert [len(codes) for codes in pair_codes([empty, empty])] == [0, 0]
