import json

import numpy as np
import pytest

from recbole_dtlns.config.budget import Budget
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.candidates.candidate_file import read_candidates

# numbers: users 10 -> 1, 9 -> 2, x -> 3; items a .. e -> 1 .. 5
VIEW = TrainSplit.from_pairs(np.array(["10", "9", "9", "x"]), np.array(["a", "b", "c", "d"]))
VIEW5 = TrainSplit.from_pairs(np.array(["10", "9", "9", "x", "x"]), np.array(["a", "b", "c", "d", "e"]))


def write(tmp_path, text, name="candidates.txt"):
    path = tmp_path / name
    path.write_bytes(text.encode())
    return path


def pairs(read, view=VIEW5):
    return [
        (view.users[user], view.items[item], int(rank))
        for user, item, rank in zip(read.candidates.users, read.candidates.items, read.candidates.ranks, strict=True)
    ]


@pytest.mark.parametrize(
    "text",
    [
        "9\ta\te\td\n10\tb\tc\n",
        "9 a e d\n10 b c",
        "10 b\n9 a\n10 c\n9 e\n9 d\n",
        "user item\n9 a\n9 e\n9 d\n10 b\n10 c\n",
        "\ufeff9 a e\r\n\r\n10 b c\r\n9 d\r\n",
        "9 a e a d e\n10 b b c\n",
    ],
)
def test_lists_and_pairs_mean_the_same(tmp_path, text):
    read = read_candidates(write(tmp_path, text), VIEW5)
    assert pairs(read) == [("10", "b", 0), ("10", "c", 1), ("9", "a", 0), ("9", "e", 1), ("9", "d", 2)]
    assert read.candidates.scores.tolist() == [0, -1, 0, -1, -2]
    assert (read.candidates.source, read.dropped) == ("file", 0)


def test_train_pairs_are_dropped_and_counted_and_ranks_close_up(tmp_path):
    read = read_candidates(write(tmp_path, "9 b a c e\nx d\n"), VIEW5)
    assert pairs(read) == [("9", "a", 0), ("9", "e", 1)]
    assert read.dropped == 3


def test_the_budget_keeps_the_first(tmp_path):
    path = write(tmp_path, "9 b a d e\n10 b c d\n")
    assert pairs(read_candidates(path, VIEW5, Budget.parse("100%"))) == [("10", "b", 0), ("9", "a", 0), ("9", "d", 1)]


@pytest.mark.parametrize("line", ["9", "\t9\t"])
def test_a_line_without_items(tmp_path, line):
    path = write(tmp_path, f"10 b\n\n{line}\n")
    with pytest.raises(
        UserError, match=r"candidate_file: .*candidates\.txt, line 3: found '9'; expected a user and at"
    ):
        read_candidates(path, VIEW)


def test_unknown_tokens_are_counted_and_shown(tmp_path):
    path = write(tmp_path, "9 a zz\n77 a\n10 b u1 u2 u3 u4 u5 zz\n")
    with pytest.raises(UserError) as error:
        read_candidates(path, VIEW)
    message = str(error.value)
    assert "found 1 users (77) and 6 items (zz, u1, u2, u3, u4, ...) that the training split does not have" in message
    assert "allow_foreign=true to leave these rows out" in message
    read = read_candidates(path, VIEW, allow_foreign=True)
    assert pairs(read) == [("10", "b", 0), ("9", "a", 0)]
    assert read.dropped == 8
    assert read.external["foreign"]


def test_tokens_that_look_like_numbers_are_not_numbers(tmp_path):
    with pytest.raises(UserError, match=r"1 users \(09\)"):
        read_candidates(write(tmp_path, "09 a\n"), VIEW)


def test_the_padding_token_is_unknown(tmp_path):
    with pytest.raises(UserError, match=r"1 items \(\[PAD\]\)"):
        read_candidates(write(tmp_path, "9 [PAD]\n"), VIEW)


def test_missing_empty_and_binary_files(tmp_path):
    with pytest.raises(UserError, match="candidate_file: there is no file"):
        read_candidates(tmp_path / "none.txt", VIEW)
    with pytest.raises(UserError, match=r"is empty; expected lines `user item item \.\.\.`"):
        read_candidates(write(tmp_path, "\n\n"), VIEW)
    (tmp_path / "binary").write_bytes(b"9 a\n\x80\x81\n")
    with pytest.raises(UserError, match="line 2: found the bytes"):
        read_candidates(tmp_path / "binary", VIEW)


def test_a_file_from_another_split_is_refused(tmp_path):
    path = write(tmp_path, "9 a\n")
    (tmp_path / "candidates.txt.json").write_text(json.dumps({"train_hash": "f" * 64}))
    with pytest.raises(UserError, match="another training split"):
        read_candidates(path, VIEW)
    assert read_candidates(path, VIEW, allow_foreign=True).external["foreign"]
    (tmp_path / "candidates.txt.json").write_text(json.dumps({"train_hash": VIEW.train_hash}))
    assert not read_candidates(path, VIEW).external["foreign"]


def test_tokens_with_spaces_are_separated_by_tabs(tmp_path):
    view = TrainSplit.from_pairs(np.array(["Ann Lee", "Bo"]), np.array(["The Sea", "Up"]))
    read = read_candidates(write(tmp_path, "Ann Lee\tUp\nBo\tThe Sea\n"), view)
    assert pairs(read, view) == [("Ann Lee", "Up", 0), ("Bo", "The Sea", 0)]
    with pytest.raises(UserError, match="separate the columns by tabs"):
        read_candidates(write(tmp_path, "Ann\tUp\n"), view)
