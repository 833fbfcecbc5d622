"""Text of items from fields of a `.item` file and from two columns."""

import numpy as np
import pytest

from recbole_dtlns.config.run_config import Config
from recbole_dtlns.data.item_text import check_item_text, read_item_text
from recbole_dtlns.errors import UserError


def config(**keys):
    return Config("BPR", "ml-100k", [], keys, {})


def test_fields_of_the_item_file_are_joined():
    text = read_item_text(config(item_text="movie_title, release_year,class"))
    tokens = np.array(["[PAD]", "1", "no such item", "6"])
    assert text.of(tokens).tolist() == [
        "",
        "Toy Story, 1995, Animation Children's Comedy",
        "",
        "Shanghai Triad (Yao a yao yao dao waipo qiao), 1995, Drama",
    ]


def test_a_file_of_two_columns(tmp_path):
    path = tmp_path / "texts.tsv"
    path.write_bytes("\ufeff7\tSeven\ttabs stay\r\n\r\n3\t\r\n".encode())
    text = read_item_text(config(item_text=str(path)))
    assert text.of(np.array(["3", "7"])).tolist() == ["", "Seven\ttabs stay"]


@pytest.mark.parametrize(
    ("named", "content", "message"),
    [
        ("name_of_movie", None, "has no field name_of_movie.*movie_title"),
        ("absent.tsv", None, "there is no file absent.tsv"),
        ("~no-such-user/texts.tsv", None, "there is no file ~no-such-user/texts.tsv"),
        ("texts.tsv", "7 Seven\n", "line 1: '7 Seven' should read `item<TAB>text`"),
        ("texts.tsv", "7\ta\n8\tb\n7\tc\n", "line 3: item '7' is already in line 1"),
        ("texts.tsv", "\n", "is empty"),
        (",", None, "names nothing"),
    ],
)
def test_bad_text_is_explained(tmp_path, monkeypatch, named, content, message):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / named).write_text(content)
    asked = config(item_text=named)
    checks = check_item_text if content is None else read_item_text  # the first is before any work
    with pytest.raises(UserError, match=message):
        checks(asked)


def test_no_text_is_named():
    check_item_text(config())
    assert read_item_text(config()) is None


def test_a_row_with_more_fields_than_the_header_is_refused(tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "own.inter").write_text("user_id:token\titem_id:token\nu\t1\n")
    (tmp_path / "own" / "own.item").write_text("item_id:token\tname:token_seq\n1\tToy Story\t\n")
    with pytest.raises(UserError, match=r"own\.item, line 2"):
        read_item_text(Config("BPR", "own", [], {"data_path": str(tmp_path), "item_text": "name"}, {}))
