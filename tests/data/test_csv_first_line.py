"""The first line of a CSV file is a row or a header by what the file shows; where nothing shows it, it is asked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from recbole_dtlns.cli import main
from recbole_dtlns.data.csv_first_line import guess_separator

PAIR = "--columns=user,item"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def convert(lines: list[str], *flags: str) -> int:
    Path("shop.csv").write_text("\n".join([*lines, ""]), encoding="utf-8")
    return main(["convert", "shop.csv", "data", *flags])


def rows() -> list[str]:
    return Path("data/shop/shop.inter").read_text(encoding="utf-8").splitlines()[1:]


@pytest.mark.parametrize(
    ("lines", "columns"),
    [
        (["customer,product,date", "ann,x,2023-08-30", "ben,y,2022-07-12"], "user,item,date"),
        (["customer,product", "ann,x", "ben,y", "ann,y"], "user,item"),
        (["ann,x", "ben,y"], "user,item"),
    ],
)
def test_a_first_line_that_may_be_either_is_asked_about(capsys, lines, columns):
    columns = f"--columns={columns}"
    assert convert(lines, columns) == 2
    error = capsys.readouterr().err
    assert f"shop.csv, line 1: {lines[0]!r} may name the columns, or be a row" in error
    assert not Path("data").exists()
    joined = [line.replace(",", "\t") for line in lines]
    for answer, kept in (("true", joined[1:]), ("false", joined)):
        assert f"--header={answer}" in error
        assert convert(lines, columns, f"--header={answer}") == 0
        assert rows() == kept


@pytest.mark.parametrize("again", ["ann,z", "cid,x"])
def test_a_user_or_an_item_that_comes_again_tells_a_row(again):
    assert convert(["ann,x", "ben,y", again], PAIR) == 0
    assert rows() == ["ann\tx", "ben\ty", again.replace(",", "\t")]


def test_a_header_that_comes_again_is_no_row(capsys):
    lines = ["customer,product", "ann,x", "customer,product", "ben,y"]
    assert convert(lines, PAIR) == 2
    assert "nothing in the file tells" in capsys.readouterr().err
    assert convert(lines, PAIR, "--header=true") == 2
    assert "line 3: 'customer,product' is the header once more" in capsys.readouterr().err


@pytest.mark.parametrize("header", ["user_id:token\titem_id:token", "client:token\tthing:token_seq"])
def test_the_header_of_an_atomic_file_is_no_row(header):
    assert convert([header, "ann\tx", "ben\ty"], PAIR) == 0
    assert rows() == ["ann\tx", "ben\ty"]


def test_an_atomic_file_needs_no_conversion(capsys):
    assert convert(["user_id:token\titem_id:token\tprice:float", "ann\tx\t3"]) == 2
    assert "is the header of an atomic file, which needs no conversion" in capsys.readouterr().err


def test_names_of_ids_are_no_row_and_said(caplog):
    assert convert(["customer_id,movieId", "ann,x", "ben,y"], PAIR) == 0
    assert rows() == ["ann\tx", "ben\ty"]
    assert "'customer_id,movieId' is taken for a header" in caplog.text


@pytest.mark.parametrize("first", ["ann,x,", "ann,x,5"])
def test_a_missing_number_in_the_first_row_drops_no_row(first):
    assert convert([first, "ann,y,4", "ben,y,"], "--columns=user,item,rating") == 0
    assert len(rows()) == 3


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("user,user_id,item,rating", "names 2 columns that would be user: user, user_id.*--columns=user,-,item,rating"),
        ("user,item,stars,rating", "names 2 columns that would be rating: stars, rating.*--columns=user,item,rating,-"),
        ("user,item,shelf mark,rating", "names the column 'shelf mark', .*--columns=user,item,-,rating"),
    ],
)
def test_a_header_that_cannot_be_used_is_quoted_with_the_cure(capsys, header, expected):
    lines = [header, "ann,x,2,3", "ben,y,5,4"]
    assert convert(lines) == 2
    error = capsys.readouterr().err
    assert re.search(f"shop.csv, line 1: '{header}' {expected}", error), error
    assert convert(lines, error.strip().split()[-1]) == 0  # the cure cures


@pytest.mark.parametrize(
    ("lines", "columns", "mark"),
    [
        (["the old man,u1", "foo bar,u2"], "item,user", ","),
        (["old man,u 1", "foo bar,u 2"], "item,user", ","),
        (["item name,user", "foo bar baz qux,u1"], None, ","),
        (["a b|u1", "c d|u2", "e|u3"], None, "|"),
        (["u1 i1 3,5", "u2 i2 4,5"], "user,item,rating", " "),
        (["u1 i1", "u2 i2"], "user,item", " "),
        (["user item", "u1 i1"], None, " "),
        (['"a,b";u1', '"c,d,e";u2'], "item,user", ";"),
        (["u1,blue cup,4,11", "u2,red cup,3,12"], "user,item", ","),  # refused: four columns; never `u1,blue`
    ],
)
def test_the_separator_fits_the_lines(lines, columns, mark):
    assert guess_separator("\n".join([*lines, ""]).encode(), columns) == mark


def test_the_separator_stands_in_the_message(capsys):
    assert convert(["ann,x", "ben,y", "ann;z"], PAIR) == 2
    assert "line 3: 'ann;z' has 1 field; expected 2, as the first line has, with ',' between" in capsys.readouterr().err
