"""`result.json`: what the reader takes and refuses, and the page that names its fields."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin, is_typeddict

import pytest
from fake_result import fake_result

from recbole_dtlns.errors import UserError
from recbole_dtlns.files.result_schema import SCHEMA_VERSION, Result
from recbole_dtlns.files.run_folder import read_result
from recbole_dtlns.files.typed_json import fields_of, options_of

PAGE = Path(__file__).parents[2] / "docs" / "result_json.md"
_WORDS = {int: "whole number", float: "number", str: "text", bool: "true or false", type(None): "null"}
EXTERNAL = {"kind": "judge_file", "file": "v.tsv", "sha256": None, "train_hash": None, "foreign": False}


def written(folder: Path, **changes: Any) -> Path:
    (folder / "result.json").write_text(json.dumps({**fake_result(), **changes}), encoding="utf-8")
    return folder


def test_what_was_written_is_read(tmp_path: Path) -> None:
    assert read_result(written(tmp_path)) == fake_result()


def test_fields_that_an_older_version_did_not_write_are_null(tmp_path: Path) -> None:
    older = dict(fake_result(external=[EXTERNAL], judging={"judge": {"name": "rule"}}))
    for name in ("schema_version", "machine", "masks", "test_result", "reliability"):
        del older[name]
    del older["data"]["split_hash"], older["external"][0]["marks"]
    (tmp_path / "result.json").write_text(json.dumps(older), encoding="utf-8")
    result = read_result(tmp_path)
    assert result["schema_version"] is result["machine"] is result["masks"] is result["data"]["split_hash"] is None
    assert (result["external"][0]["marks"], result["judging"]["judge"]) == (None, {"name": "rule"})
    assert list(result["seconds"]) == ["trees", "candidates", "judging", "training", "sampling", "evaluation"]


def test_fields_of_a_later_addition_are_kept(tmp_path: Path) -> None:
    result = read_result(written(tmp_path, later=[1], data={**fake_result()["data"], "density": 0.5}))
    assert (result["later"], result["data"]["density"]) == ([1], 0.5)


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    newer = SCHEMA_VERSION + 1
    with pytest.raises(
        UserError, match=f"newer recbole_dtlns: its schema_version is {newer}, .* up to {SCHEMA_VERSION}"
    ):
        read_result(written(tmp_path, schema_version=newer, seed="of another kind"))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"seed": "x"}, 'seed is "x", expected a whole number'),
        ({"seed": True}, "seed is true, expected a whole number"),
        ({"schema_version": "1"}, 'schema_version is "1", expected a whole number or null'),
        ({"marks": None}, "marks is null, expected a list"),
        ({"config": []}, "config is [], expected an object"),
        ({"data": {}}, "data.users is missing, expected a whole number"),
        ({"test_result": {"ndcg@20": "high"}}, 'test_result.ndcg@20 is "high", expected a number'),
        ({"external": [EXTERNAL, {**EXTERNAL, "foreign": 0}]}, "external[1].foreign is 0, expected true or false"),
        ({"checks": [7]}, "checks[0] is 7, expected an object"),
        ({"judge": "x" * 99}, None),
        ({"judge": ["x" * 99]}, 'judge is ["xxx'),
    ],
)
def test_a_field_of_another_type_is_named(tmp_path: Path, changes: dict[str, Any], problem: str | None) -> None:
    if problem is None:
        assert read_result(written(tmp_path, **changes))["judge"] == "x" * 99
        return
    with pytest.raises(UserError) as refused:
        read_result(written(tmp_path, **changes))
    assert problem in str(refused.value)
    assert "Restore the file, or remove its folder and repeat the run." in str(refused.value)
    assert len(str(refused.value)) < 600 + len(str(tmp_path))


@pytest.mark.parametrize("content", ["[]", "7", "null", '{"accuracy": 0.5}', '{"model": "BPR"', ""])
def test_a_foreign_file_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "result.json").write_text(content)
    with pytest.raises(UserError, match="damaged"):
        read_result(tmp_path)


def test_a_fake_cannot_drift() -> None:
    for wrong in ({"metrics": {}}, {"seed": None}, {"machine": {"cpu": "x"}}, {"data": {"density": 0.5}}):
        with pytest.raises((UserError, AssertionError)):
            fake_result(**wrong)


def tables(kind: Any, place: str = "") -> Iterator[str]:
    """The tables of the page: the fields of a type, then those of its parts."""
    inner_types = []
    heading = f"## {place}\n\n{kind.__doc__}\n\n" if place else ""
    lines = ["| field | type | what it holds |", "| --- | --- | --- |"]
    for name, annotated in fields_of(kind).items():
        options = options_of(annotated)
        lines.append(f"| `{name}` | {' or '.join(map(word, options))} | {get_args(annotated)[1]} |")
        inner_types += [(part, f"{place}.{name}".strip(".")) for option in options for part in typed_parts(option)]
    yield heading + "\n".join(lines)
    for part, name in inner_types:
        yield from tables(part, name)


def typed_parts(option: Any) -> list[Any]:
    return [part for part in (option, *get_args(option)) if is_typeddict(part)]


def word(option: Any) -> str:
    if get_origin(option) is list:
        return "list of text" if get_args(option) == (str,) else "list of objects"
    return _WORDS.get(option, "object")


def test_the_page_names_every_field() -> None:
    expected = "\n\n".join(tables(Result))
    assert PAGE.read_text(encoding="utf-8").partition("| field |")[2] == expected.partition("| field |")[2] + "\n", (
        expected
    )
