"""YAML is read as plain values, and what is none says so in one line."""

from pathlib import Path

import pytest

from recbole_dtlns.errors import UserError
from recbole_dtlns.files import yaml_text
from recbole_dtlns.files.yaml_text import parse_yaml, read_yaml_file


def bomb() -> str:
    first = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]"
    return "\n".join([first, *(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 25))])


def test_plain_values() -> None:
    text = "a: 1e-5\nb: [1, .5, true, ~, 2020-01-01]\nc: &x {d: '1'}\ne: *x\n"
    expected = {"a": 1e-5, "b": [1, 0.5, True, None, "2020-01-01"], "c": {"d": "1"}, "e": {"d": "1"}}
    assert parse_yaml(text, "f") == expected
    assert parse_yaml("", "f") is None
    numbers = "[0, 05, -7, 1_000, 0x1F, 1.5, 1e3, .5, 1_0.5, .inf]"
    assert parse_yaml(numbers, "f") == [0, 5, -7, 1000, 31, 1.5, 1000.0, 0.5, 10.5, float("inf")]


@pytest.mark.parametrize("word", ["010", "0o17", "-007", "12:30", "8:1:1", "1:30.5", "2020-01-01"])
def test_what_yaml_counts_in_another_base_stays_text(word: str) -> None:
    assert parse_yaml(f"a: {word}", "f") == {"a": word}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs: !!int x", "holds a value that cannot be read"),
        ("epochs: !!int", "holds a value that cannot be read"),
        ("epochs: !!bool x", "holds a value that cannot be read"),
        ("epochs: " + "9" * 5000, "holds a value that cannot be read"),
        ("plugins: !!binary aGVsbG8=", "found a value of type binary"),
        ("a: !!python/object/apply:os.system [ls]", "found a value of type python/object/apply:os.system"),
        ("1: 2", "found the key 1; expected text"),
        ("a: {true: 1}", "found the key true; expected text"),
        ("? [a]\n: 2", "found the key a list or a mapping"),
        ("a: 1\na: 2", "line 2: a is given twice, first in line 1"),
        ("a: &x [*x]", "or an alias of itself"),
        ("a: " + "[" * 5000 + "]" * 5000, "nested too deeply"),
        (bomb(), "more than 200000 values"),
        ("a: [", "is not valid YAML"),
    ],
)
def test_what_is_none(text: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        parse_yaml(text, "file.yaml")
    assert message in str(error.value)
    assert str(error.value).startswith("file.yaml")
    assert "\n" not in str(error.value)


def test_files_that_are_no_short_text_are_named_with_their_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "keys.yaml"
    file.write_bytes("name: Mot\xf6r\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"^plan: \S+keys.yaml is not valid YAML: .*Save it as UTF-8"):
        read_yaml_file(file, "plan")
    monkeypatch.setattr(yaml_text, "_LONGEST", 5)
    with pytest.raises(UserError, match=r"^\S+keys.yaml has more than"):
        read_yaml_file(file)
    with pytest.raises(UserError, match=r"none.yaml cannot be read \(No such file or directory\)"):
        read_yaml_file(tmp_path / "none.yaml")
