"""Atomic files: what RecBole would misread is refused with file, line and content; good files are left alone."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_dtlns.cli import main
from recbole_dtlns.data import atomic_loading
from recbole_dtlns.data.atomic_check import Wanted, check_atomic
from recbole_dtlns.data.atomic_header import AtomicFormat
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.run_folder import read_result

HEADER = "user_id:token\titem_id:token\trating:float\ttimestamp:float"
ROWS = [f"u{user}\ti{(user * 3 + place) % 17}\t{place % 5 + 1}\t{place}" for user in range(12) for place in range(8)]
FLAGS = ["--epochs=1", "--embedding_size=4", "--judge=none", "--topk=[2,5]", "--neg_sampler=uniform"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "shop").mkdir(parents=True)
    return tmp_path / "data" / "shop"


def write(home: Path, lines: list[str] | bytes, name: str = "shop.inter", end: str = "\n") -> None:
    content = lines if isinstance(lines, bytes) else (end.join(lines) + end).encode()
    (home / name).write_bytes(content)


def train(*flags: str, run: str = "run") -> int:
    return main(["--model=BPR", "--dataset=shop", "--data_path=data", f"--run_dir={run}", *FLAGS, *flags])


def changed(row: int, line: str) -> list[str]:
    return [HEADER, *ROWS[:row], line, *ROWS[row + 1 :]]


BAD = {
    "a tab at the end of every line": ([HEADER, *(row + "\t" for row in ROWS)], r"line 2: .*5 fields; expected 4.*Del"),
    "one field too many": (changed(4, "u0\ti1\t3\t1\tx"), r"line 6: 'u0\\ti1\\t3\\t1\\tx' has 5 fields; expected 4"),
    "one field too few": (changed(4, "u0\ti1\t3"), "line 6: .* has 3 fields; expected 4"),
    "another separator": ([HEADER, *(row.replace("\t", ",") for row in ROWS)], "line 2: .* has 1 field; expected 4"),
    "a lone mark": (changed(4, 'u0\t"i1\t3\t1'), "line 6: .* begins with a quotation mark"),
    "a mark to the last line": (changed(len(ROWS) - 1, 'u0\t"i1\t3\t1'), "begins with a quotation mark"),
    "marks that pair over lines": (
        [HEADER, *ROWS[:3], 'u0\t"i1\t3\t1', *ROWS[4:60], 'u7\ti1"\t3\t1', *ROWS[61:]],
        "line 5: .* begins with a quotation mark",
    ),
    "no number": (changed(4, "u0\ti1\tgood\t1"), "line 6: .* has 'good' as rating; expected a finite number"),
    "a decimal comma": (changed(4, "u0\ti1\t3,5\t1"), "line 6: .*'3,5' as rating"),
    "infinity": (changed(4, "u0\ti1\tinf\t1"), "line 6: .*'inf' as rating"),
    "an underscore": (changed(4, "u0\ti1\t1_0\t1"), "line 6: .*'1_0' as rating"),
    "a user called NA": (changed(4, "NA\ti1\t3\t1"), "line 6: .* has 'NA' as user_id, which RecBole reads as missing"),
    "an item called null": (changed(4, "u0\tnull\t3\t1"), "'null' as item_id"),
    "padding": (changed(4, "u0\t[PAD]\t3\t1"), r"'\[PAD\]' as item_id, which RecBole reads as padding"),
    "no header": (ROWS, "line 1: .* is no header of an atomic file.*name:type.*--columns"),
    "a header with commas": (
        [HEADER.replace("\t", ","), *(row.replace("\t", ",") for row in ROWS)],
        "separated by a comma: set field_separator=','",
    ),
    "an unknown type": (
        [HEADER.replace("rating:float", "rating:int"), *ROWS],
        "found 'rating:int'.*types token",
    ),
    "a name twice": ([HEADER.replace("timestamp", "rating"), *ROWS], "names the field rating twice"),
    "another user field": ([HEADER.replace("user_id", "uid"), *ROWS], r"expected user_id:token \(USER_ID_FIELD\)"),
    "a user of numbers": ([HEADER.replace("user_id:token", "user_id:float"), *ROWS], "user_id .* as float; expected"),
    "files put together": ([HEADER, *ROWS, HEADER, *ROWS], f"line {len(ROWS) + 2}: .*is the header once more.*Delete"),
    "nothing": (b"", "shop.inter is empty"),
    "a header alone": ([HEADER], "has a header but no rows"),
    "Latin-1": (
        "\n".join(changed(4, "u0\té\t3\t1")).encode("latin-1"),
        "line 6: .*is no UTF-8 text. Save the file as UTF-8",
    ),
    "a zero byte": ("\n".join(changed(4, "u0\ti\0\t3\t1")).encode(), "line 6: .*is no UTF-8 text"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_by_the_command_and_by_doctor(home, capsys, name):
    lines, expected = BAD[name]
    write(home, lines)
    keys = ["--load_col={'inter': ['user_id', 'item_id', 'rating', 'timestamp']}"]
    assert train(*keys) == 2
    output = capsys.readouterr().err
    assert "shop.inter" in output
    assert re.search(expected, output)
    assert main(["doctor", "--dataset=shop", "--data_path=data", *keys]) == 2
    assert re.search(expected, capsys.readouterr().err)


@pytest.mark.parametrize("ending", ["user", "item"])
def test_features_are_checked_too(home, capsys, ending):
    write(home, [HEADER, *ROWS])
    token = ending[0]
    lines = [f"{ending}_id:token\tname:token_seq\tsize:float_seq"]
    lines += [f"{token}{number}\ta b\t1 2.5" for number in range(17)]
    keys = [f"--load_col={{'inter': ['user_id', 'item_id'], '{ending}': ['{ending}_id', 'name', 'size']}}"]
    write(home, lines, f"shop.{ending}")
    assert train(*keys) == 0
    for bad, expected in ((f'{token}3\t"Weird Al\t1', "line 5: .*quotation"), (f"{token}3\ta\t1 x", "line 5: .*'1 x'")):
        write(home, [*lines[:4], bad, *lines[5:]], f"shop.{ending}")
        assert train(*keys, run="bad") == 2
        assert re.search(f"shop.{ending}, {expected}", capsys.readouterr().err)


def test_rows_of_features_that_go_are_counted(home, capsys):
    write(home, [HEADER, *ROWS])
    keys = "--load_col={'inter': ['user_id', 'item_id'], 'item': ['item_id', 'price']}"
    told = "load_col names ['item_id', 'price'] under item, but there is no file data/shop/shop.item"
    assert train(keys) == 0  # as in RecBole
    assert told in capsys.readouterr().err
    assert main(["doctor", "--dataset=shop", "--data_path=data", keys]) == 0
    assert told in capsys.readouterr().out
    lines = ["item_id:token\tprice:float", *(f"i{number}\t{number}" for number in range(16)), "i3\t9", "i4\t9"]
    write(home, lines, "shop.item")
    assert train(keys, run="with-features") == 0
    output = capsys.readouterr().err
    assert "shop.item: 2 of 18 rows repeat the item_id of an earlier row; RecBole keeps one" in output
    lost = sum("\ti16\t" in row for row in ROWS)
    assert f"{lost} of {len(ROWS)} interactions are left out" in output


def test_knowledge_graphs_are_checked_too(tmp_path, monkeypatch, capsys, caplog):
    from toy import write_timed

    monkeypatch.chdir(tmp_path)
    home = write_timed(tmp_path / "data") / "timed"
    flags = ["--model=CKE", "--dataset=timed", "--data_path=data", "--run_dir=run", *FLAGS]
    for name in ("kg", "link"):
        whole = (home / f"timed.{name}").read_text()
        (home / f"timed.{name}").write_text(whole.replace("\n", "\t\n").replace("\t\n", "\n", 1))
        assert main(flags) == 2
        assert f"timed.{name}, line 2" in capsys.readouterr().err
        (home / f"timed.{name}").write_text(whole)

    with (home / "timed.link").open("a") as link:
        link.write("i3\te4\n")
    assert main(["doctor", *flags]) == 0
    assert "timed.link: 1 of 31 rows repeat the item_id of an earlier row" in caplog.text
    (home / "timed.link").write_text("\n".join(whole.splitlines()[:20]) + "\n")
    assert main(flags) == 0
    assert "interactions are left out: the .link file has no row for their item" in capsys.readouterr().err


def test_split_files_are_checked_each(home, capsys):
    for number, part in enumerate(("train", "valid", "test")):
        write(home, [HEADER, *ROWS[number::3]], f"shop.{part}.inter")
    assert train() == 0
    write(home, [HEADER, "u1\t\t3\t4", *ROWS[2::3]], "shop.test.inter")  # RecBole would make it the padding item
    assert train(run="bad") == 2
    assert "shop.test.inter, line 2" in capsys.readouterr().err


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_blank_lines_marks_and_boms_change_nothing(home, end):
    write(home, [HEADER, *ROWS])
    assert train() == 0
    result = read_result(Path("run"))
    quoted = [f'"{row.split(chr(9))[0]}"' + row[row.index("\t") :] for row in ROWS]
    write(home, ["\ufeff" + HEADER, "", *quoted[:40], "  ", *quoted[40:], ""], end=end)
    assert train(run="other") == 0
    other = read_result(Path("other"))
    assert (other["test_result"], other["data"]) == (result["test_result"], result["data"])


def test_other_separators_and_encodings(home):
    write(home, [HEADER.replace("\t", "::"), *(row.replace("\t", "::") for row in ROWS)])
    assert train("--field_separator=::") == 0
    assert sum(read_result(Path("run"))["data"][part] for part in ("train", "valid", "test")) == len(ROWS)
    path = home / "latin.inter"
    path.write_bytes("\n".join([HEADER, "é\tü\t1\t2"]).encode("latin-1"))
    assert check_atomic(path, AtomicFormat(encoding="latin-1"), Wanted(None, {"user_id"})).rows == 1
    with pytest.raises(UserError, match="regular expression"):
        AtomicFormat(separator="||")


def test_a_load_col_that_no_file_has_is_named(home, capsys):
    write(home, [HEADER, *ROWS])
    assert train("--load_col={'inter': ['user_id', 'item_id', 'price']}") == 2
    assert "lacks price, which load_col names" in capsys.readouterr().err
    assert train("--load_col={'inter': ['user_id', 'rating']}") == 2
    assert "leaves out item_id (ITEM_ID_FIELD)" in capsys.readouterr().err
    time = "--eval_args={'order': 'TO'}"
    assert train(time, "--load_col={'inter': ['user_id', 'item_id', 'rating']}") == 2
    assert "leaves out timestamp (TIME_FIELD)" in capsys.readouterr().err
    assert train(time, "--TIME_FIELD=when") == 2
    assert "has no when (TIME_FIELD)" in capsys.readouterr().err
    write(home, [HEADER.replace("timestamp:float", "timestamp:token"), *ROWS])  # would be in the order of the file
    assert train(time, "--load_col={'inter': ['user_id', 'item_id', 'timestamp']}") == 2
    assert "has timestamp (TIME_FIELD) as token" in capsys.readouterr().err


def test_what_recbole_says_after_reading_names_the_fields(home, capsys):
    write(home, [HEADER, *ROWS])
    assert train("--val_interval={'price': '[1,2]'}") == 2
    output = capsys.readouterr().err
    assert "price" in output
    assert "shop.inter: user_id, item_id, rating, timestamp" in output


def test_missing_numbers_are_counted(tmp_path, caplog):
    path = tmp_path / "x.inter"
    path.write_text("\n".join([HEADER, "u\ti\t\t1", "u\tj\tNA\t2", "u\tk\t3\t"]))
    contents = check_atomic(path, AtomicFormat())
    assert contents.missing == {"rating": 2, "timestamp": 1}
    assert "2 of 3 values of rating are missing" in caplog.text


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (lambda *_: pd.DataFrame({"user_id": ["u"]}), f"has {len(ROWS)} rows and RecBole reads 1 of them"),
        (lambda *_: {}["price"], r"RecBole cannot read .*shop.inter: price. The header is 'user_id:token"),
        (lambda *_: [].index(3), r"RecBole cannot read .*shop.inter: .*is not in list"),
    ],
)
def test_other_rows_and_other_errors_of_recbole_are_told(home, monkeypatch, capsys, read, expected):
    write(home, [HEADER, *ROWS])
    checked = atomic_loading.load_checked
    monkeypatch.setattr(atomic_loading, "load_checked", lambda _, *arguments: checked(read, *arguments))
    assert train() == 2
    assert re.search(expected, capsys.readouterr().err)


CELLS = st.sampled_from(["a", "", '"', '"b"', '"c', 'd"e', '""', " ", "NA", "é", "1"])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(CELLS, min_size=1, max_size=3), min_size=1, max_size=6), st.integers(1, 40))
def test_what_passes_is_read_by_pandas_as_it_stands(tmp_path_factory, rows, block_bytes):
    path = tmp_path_factory.mktemp("atomic") / "x.inter"
    text = "\n".join(["a:token\tb:token", *("\t".join(row) for row in rows)])
    path.write_text(text)
    try:
        contents = check_atomic(path, AtomicFormat(), block_bytes=block_bytes)
    except UserError:
        return
    frame = pd.read_csv(io.StringIO(text), delimiter="\t", dtype=str, engine="python", keep_default_na=False)
    lines = [line for line in text.split("\n")[1:] if line.strip(" ")]
    alone = [next(csv.reader([line], delimiter="\t")) for line in lines]
    assert contents.rows == len(frame) == len(lines)
    np.testing.assert_array_equal(frame.to_numpy(), np.array(alone))
