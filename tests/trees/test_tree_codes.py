import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_dtlns.data.train_split import PAD
from recbole_dtlns.errors import UserError
from recbole_dtlns.trees.codes import CodeTable, read_all_codes, read_codes, write_codes


def table_of(codes: dict[str, str], items: list[str] | None = None) -> CodeTable:
    names = list(codes) if items is None else items
    depth = max(len(code.split("-")) for code in codes.values())
    matrix = np.full((len(names) + 1, depth), -1, dtype=np.int16)
    for row, name in enumerate(names, start=1):
        if name in codes:
            digits = [int(digit) for digit in codes[name].split("-")]
            matrix[row, : len(digits)] = digits
    return CodeTable(np.array([PAD, *names]), matrix)


def items_of(*names: str) -> np.ndarray:
    return np.array([PAD, *names])


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


EXAMPLE = {"c": "0-1-2", "a": "0-1-2", "b": "3", "d": "0-0"}


def test_properties():
    table = table_of(EXAMPLE, ["a", "b", "c", "d", "uncoded"])
    assert table.lengths.tolist() == [0, 3, 1, 3, 2, 0]
    assert table.lengths.dtype == np.int64
    assert table.leaves().tolist() == [0, 2, 3, 2, 1, 0]
    assert table.leaves().dtype == np.int64
    assert (table.n_leaves, table.depth) == (3, 3)


def test_table_without_codes():
    table = CodeTable(items_of("a"), np.full((2, 1), -1, dtype=np.int16))
    assert table.leaves().tolist() == [0, 0]
    assert table.n_leaves == 0


def test_another_numbering():
    table = table_of(EXAMPLE)
    moved = table.for_tokens(items_of("d", "new", "c", "longer token"))
    assert moved.tokens.tolist() == [PAD, "d", "new", "c", "longer token"]
    assert moved.codes.tolist() == [[-1, -1, -1], [0, 0, -1], [-1, -1, -1], [0, 1, 2], [-1, -1, -1]]
    assert moved.codes.dtype == np.int16
    back = table.for_tokens(table.tokens)
    np.testing.assert_array_equal(back.codes, table.codes)


def test_shuffled_keeps_leaf_sizes_and_who_has_none():
    table = table_of({str(item): f"{item % 4}-{item % 3}" for item in range(60)}, [*map(str, range(60)), "uncoded"])
    shuffled = table.shuffled(np.random.default_rng(0))
    assert (shuffled.codes != table.codes).any()
    assert sorted(shuffled.codes.tolist()) == sorted(table.codes.tolist())
    assert shuffled.lengths[[0, -1]].tolist() == [0, 0]
    np.testing.assert_array_equal(shuffled.codes, table.shuffled(np.random.default_rng(0)).codes)


def test_reads_the_format_of_the_authors(tmp_path):
    path = write(tmp_path / "structural_paths.txt", "23197: 0-0-0-0\n23108: 0-0-0-0\n9: 3-1-0\n")
    read = read_codes(path, items_of("23108", "23197", "9"))
    assert (read.dropped, read.missing) == (0, 0)
    assert read.table.codes.tolist() == [[-1, -1, -1, -1], [0, 0, 0, 0], [0, 0, 0, 0], [3, 1, 0, -1]]
    assert read.table.codes.dtype == np.int16


def test_accepts_other_line_ends_blank_lines_colons_and_a_byte_order_mark(tmp_path):
    path = write(tmp_path / "codes.txt", "\ufeffa:b: 0-1\r\n\r\nc:2\r\nd\u2028e: 0-12")
    assert read_codes(path, items_of("a:b", "c", "d\u2028e")).table.codes.tolist() == [
        [-1, -1],
        [0, 1],
        [2, -1],
        [0, 12],
    ]


def test_known_items_without_code_are_counted(tmp_path):
    read = read_codes(write(tmp_path / "codes.txt", "b: 1\n"), items_of("a", "b", "c"))
    assert read.missing == 2
    assert read.table.lengths.tolist() == [0, 0, 1, 0]


def test_unknown_items_are_refused_or_dropped(tmp_path):
    path = write(tmp_path / "codes.txt", "".join(f"x{n}: 0-0-{n}\n" for n in range(7)) + "a: 1-0\n")
    with pytest.raises(UserError, match=r"7 items .*: x0, x1, x2, x3, x4, \.\.\.\. .*allow_foreign=true"):
        read_codes(path, items_of("a"))
    read = read_codes(path, items_of("a"), drop_unknown=True)
    assert (read.dropped, read.missing) == (7, 0)
    assert read.table.codes.tolist() == [[-1, -1], [1, 0]], "depth is that of the items that stay"


@pytest.mark.parametrize("padding", [PAD, "other"])
def test_file_without_any_known_item_is_refused(tmp_path, padding):
    path = write(tmp_path / "codes.txt", f"{padding}: 0\n")
    with pytest.raises(UserError, match="no code of any of the 2 items"):
        read_codes(path, items_of("a", "b"), drop_unknown=True)


BAD = ["a 0-1", "a: ", ": 0", "a: 0-", "a: -1", "a: 0--1", "a: 0-x", "a: 1.5", "a: 0 1", "a: 32768", "a: ²", "a: +1"]


def test_number_too_long_for_python_is_a_malformed_line(tmp_path):
    with pytest.raises(UserError, match=r"line 1: 'a: 9{77}'\.\.\. should read"):
        read_codes(write(tmp_path / "codes.txt", "a: " + "9" * 5000), items_of("a"))


@pytest.mark.parametrize("line", BAD)
def test_malformed_lines_are_named(tmp_path, line):
    path = write(tmp_path / "codes.txt", f"b: 0-1\n\n{line}\nc: 1\n")
    with pytest.raises(UserError, match=re.escape(f"codes.txt, line 3: {line!r} should read `item: 0-1-2`")):
        read_codes(path, items_of("a", "b", "c"))


def test_largest_digit(tmp_path):
    assert read_codes(write(tmp_path / "codes.txt", "a: 32767"), items_of("a")).table.codes[1, 0] == 32767


def test_item_twice_is_named(tmp_path):
    path = write(tmp_path / "codes.txt", "b: 0\na: 1\n\nb: 0\n")
    with pytest.raises(UserError, match=r"codes.txt, line 4: item 'b' is already in line 1\."):
        read_codes(path, items_of("a", "b"))
    with pytest.raises(UserError, match=r"codes.txt, line 4: item 'b' is already in line 1\."):
        read_all_codes(path)


@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_empty_file(tmp_path, content):
    (tmp_path / "codes.txt").write_bytes(content)
    with pytest.raises(UserError, match=r"is empty\. Expected"):
        read_codes(tmp_path / "codes.txt", items_of("a"))


def test_unreadable_files(tmp_path):
    (tmp_path / "codes.txt").write_bytes(b"\xff\xfe: 0")
    for name in ("codes.txt", "absent.txt"):
        with pytest.raises(UserError, match=f"{name} cannot be read"):
            read_codes(tmp_path / name, items_of("a"))


def test_writes_sorted_by_code_then_token_and_leaves_out_what_has_none(tmp_path):
    codes = {"b": "1-10", "a": "1-2", "d": "0-3", "c": "0-3", "e": "0"}
    write_codes(tmp_path / "new" / "codes.txt", table_of(codes, [*codes, "uncoded"]))
    written = (tmp_path / "new" / "codes.txt").read_bytes()
    assert written == b"e: 0\nc: 0-3\nd: 0-3\na: 1-2\nb: 1-10\n"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["codes.txt"]


tokens = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=5).filter(
    lambda token: token != PAD
)


@given(st.dictionaries(tokens, st.lists(st.integers(0, 32767), min_size=1, max_size=5), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_round_trip_is_exact(tmp_path_factory, codes):
    folder = tmp_path_factory.mktemp("codes")
    table = table_of({name: "-".join(map(str, digits)) for name, digits in codes.items()})
    write_codes(folder / "one.txt", table)
    read = read_codes(folder / "one.txt", table.tokens)
    assert (read.dropped, read.missing) == (0, 0)
    np.testing.assert_array_equal(read.table.codes, table.codes)
    write_codes(folder / "two.txt", read.table)
    assert (folder / "two.txt").read_bytes() == (folder / "one.txt").read_bytes()
