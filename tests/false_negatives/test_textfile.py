import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives import textfile
from recbole_dtlns.false_negatives.textfile import floats, read_lines, write_described


def lines_of(path, tabs=False, block_bytes=1 << 20):
    return [
        (int(number), [field.decode() for field in lines.fields[start : start + count]])
        for lines in read_lines("key", path, tabs, block_bytes)
        for number, start, count in zip(lines.numbers, lines.starts, lines.counts, strict=True)
    ]


@pytest.mark.parametrize("block_bytes", [1, 3, 10, 1000])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_and_numbers_in_blocks_of_any_size(tmp_path, block_bytes, end):
    path = tmp_path / "file"
    path.write_bytes(f"\ufeffa b  c{end}{end}  {end}\td\té {end}last".encode())
    assert lines_of(path, block_bytes=block_bytes) == [(1, ["a", "b", "c"]), (4, ["d", "é"]), (5, ["last"])]
    assert lines_of(path, True, block_bytes) == [(1, ["a b  c"]), (3, ["  "]), (4, ["d", "é "]), (5, ["last"])]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.lists(st.text("ab é", min_size=1, max_size=3), max_size=4), max_size=8), st.integers(1, 20))
def test_blocks_equal_a_split_of_the_whole(tmp_path_factory, rows, block_bytes):
    path = tmp_path_factory.mktemp("text") / "file"
    text = "\n".join("\t".join(row) for row in rows)
    path.write_bytes(text.encode())
    for tabs in (False, True):
        split = [line.split("\t") if tabs else line.split() for line in text.split("\n")]
        expected = [(number, [field for field in line if field]) for number, line in enumerate(split, start=1)]
        assert lines_of(path, tabs, block_bytes) == [line for line in expected if line[1]]


def test_an_empty_file_has_no_lines(tmp_path):
    (tmp_path / "file").write_bytes(b"\n \n")
    assert lines_of(tmp_path / "file") == []


def test_what_is_no_utf8_is_named_with_its_line(tmp_path):
    (tmp_path / "file").write_bytes("é\nb\n".encode() + b"c \xff\xfe\n")
    with pytest.raises(UserError, match=r"key: .*file, line 3: found the bytes b'\\xff\\xfe\\n'; expected UTF-8"):
        lines_of(tmp_path / "file")
    with pytest.raises(UserError, match="line 3"):
        lines_of(tmp_path / "file", block_bytes=2)


def test_floats(tmp_path):
    path = tmp_path / "file"
    path.write_text("a 1\nb 2e-3\nc nan\n")
    (lines,) = read_lines("key", path, tabs=False)
    np.testing.assert_array_equal(floats(lines, 1, "a number"), [1, 0.002, np.nan])
    path.write_text("a 1\n\nb two\nc three\n")
    (lines,) = read_lines("key", path, tabs=False)
    with pytest.raises(UserError, match=r"key: .*file, line 3: found 'b two'; expected a number\."):
        floats(lines, 1, "a number")


def test_long_lines_are_cut_in_messages(tmp_path):
    (tmp_path / "file").write_text("x" * 200)
    (lines,) = read_lines("key", tmp_path / "file", tabs=False)
    assert f"found '{'x' * 77}...';" in str(lines.error(0, "less"))


def test_described_files(tmp_path):
    path = tmp_path / "deep" / "x.tsv"
    write_described(path, b"one", {"train_hash": "a"})
    write_described(path, b"two", {"train_hash": "b"})
    assert path.read_bytes() == b"two"
    assert json.loads((tmp_path / "deep" / "x.tsv.json").read_text()) == {"train_hash": "b"}
    assert sorted(file.name for file in path.parent.iterdir()) == ["x.tsv", "x.tsv.json"]


def test_a_crash_never_leaves_a_file_beside_the_description_of_another(tmp_path, monkeypatch):
    path = tmp_path / "x.tsv"
    write_described(path, b"one", {"train_hash": "a"})

    def crash(target, content):
        raise OSError("no room")

    monkeypatch.setattr(textfile, "write_atomically", crash)
    with pytest.raises(OSError, match="no room"):
        write_described(path, b"two", {"train_hash": "b"})
    assert [file.name for file in tmp_path.iterdir()] == ["x.tsv"]
