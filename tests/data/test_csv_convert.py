"""An ordinary CSV file becomes an atomic file that trains."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from recbole_dtlns.cli import main

HEADER = "user_id:token\titem_id:token\trating:float\ttimestamp:float"
EXPECTED = [HEADER, "u1\tblue cup\t4\t11", "u2\ti,2\t3.5\t12", "u1\ti3\t5\t13"]
ROWS = ["u1,blue cup,4,11", 'u2,"i,2",3.5,12', "u1 , i3,5,13"]
COLUMNS = "--columns=user,item,rating,timestamp"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def convert(lines: list[str], *flags: str, end: str = "\n") -> int:
    Path("shop.csv").write_bytes((end.join(lines) + end).encode())
    return main(["convert", "shop.csv", "data", *flags])


def written() -> list[str]:
    return Path("data/shop/shop.inter").read_text().splitlines()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_without_a_header(here, end):
    assert convert(ROWS, COLUMNS, end=end) == 0
    assert written() == EXPECTED


@pytest.mark.parametrize(
    "header",
    ["user,item,rating,timestamp", "\ufeffuserId,itemId,stars,time", '"customer","product","rating","timestamp"'],
)
def test_with_a_header(here, header):
    assert convert([header, *ROWS], *([COLUMNS] if "customer" in header else [])) == 0
    assert written() == EXPECTED


def test_columns_are_left_out_and_put_in(here):
    assert convert(["9;x;u1;a", "9;y;u2;b"], "--columns=-,item,user,colour") == 0
    assert written() == ["item_id:token\tuser_id:token\tcolour:token", "x\tu1\ta", "y\tu2\tb"]
    assert convert(["client,thing", "u1,x"], "--columns=user,item", "--header=true") == 0
    assert written()[1:] == ["u1\tx"]


def test_a_header_over_numbers_is_no_row(here, caplog):
    assert convert(["customer,product", "1,20", '"2",30'], "--columns=user,item") == 0
    assert written()[1:] == ["1\t20", "2\t30"]
    assert "'customer,product' is taken for a header" in caplog.text
    assert convert(["customer,product", "1,20"], "--columns=user,item", "--header=false") == 0
    assert written()[1:] == ["customer\tproduct", "1\t20"]


def test_a_row_may_have_a_word_of_the_header(here):
    (here / "log.csv").write_text("user,item\nu1,item\nuser,i2\n", encoding="utf-8")
    assert main(["convert", "log.csv", "data"]) == 0
    assert (here / "data/log/log.inter").read_text().splitlines()[1:] == ["u1\titem", "user\ti2"]


def test_data_of_another_origin_stays(here, capsys):
    assert convert([",user,item", "0,u1,x"]) == 0  # as pandas writes it
    assert written()[1:] == ["u1\tx"]
    assert convert(["user,item", "u2,y"]) == 0
    Path("data/shop/shop.yaml").unlink()
    assert convert(["user,item", "u3,z"]) == 2
    assert "shop.inter is there already" in capsys.readouterr().err
    assert written()[1:] == ["u2\ty"]
    assert main(["convert", "none.csv", "data"]) == 2
    assert "There is no file or folder none.csv" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("lines", "flags", "expected"),
    [
        (ROWS, [], "line 1: .*does not name a user and an item column.*--columns"),
        (ROWS, ["--columns=user,item"], "has 4 columns separated by ',', and --columns names 2"),
        (ROWS, ["--columns=user,user,rating,timestamp"], "expected user and item once each"),
        ([*ROWS, "u1,i4,3"], [COLUMNS], "line 4: 'u1,i4,3' has 3 fields; expected 4"),
        ([*ROWS, "u1,i4,good,3"], [COLUMNS], "line 4: .*'good' as rating"),
        ([*ROWS, 'u1,"i4,3,3'], [COLUMNS], "line 4: .*quotation mark"),
        ([*ROWS, ",i4,3,3"], [COLUMNS], "line 4: .*'' as user_id"),
        ([*ROWS, "nan,i4,3,3"], [COLUMNS], "line 4: .*'nan' as user_id"),
        ([*ROWS, 'u1,"a\tb",3,3'], [COLUMNS], "line 4: .*a tab"),
        (["user,item", "u1,i1", "user,item", "u2,i2"], [], "line 3: 'user,item' is the header once more"),
        (["user,item"], [], "has a header and no rows"),
        (
            ["user,item", "u1,i1"],
            ["--columns=item,user"],
            "names a column of users that --columns=item,user calls item",
        ),
        (["user,item,timestamp", "u1,i1,2020-01-01"], [], "as timestamp; expected a finite number. .*seconds since"),
        (["user,item", "u1,i1,3"], [], r"expected 2, as the first line has. .*\(--separator\)"),
        (ROWS, [COLUMNS, "--header=maybe"], "expected true or false"),
        (ROWS, [COLUMNS, "--seed=1"], "convert of a file takes .*; found --seed"),
    ],
)
def test_bad_files_are_refused(here, capsys, lines, flags, expected):
    assert convert(lines, *flags) == 2
    assert re.search(expected, capsys.readouterr().err)
    assert not [path for path in Path("data").rglob("*") if path.is_file()]


def test_the_result_trains(here):
    rows = [f"{user},{(user * 3 + place) % 31},{place % 5 + 1},{place}" for user in range(12) for place in range(10)]
    assert convert(rows, COLUMNS) == 0
    flags = ["--dataset=shop", "--data_path=data", "--config_files=data/shop/shop.yaml", "--epochs=1"]
    assert main(["--model=BPR", *flags, "--eval_args={'order': 'TO'}", "--judge=none"]) == 0
