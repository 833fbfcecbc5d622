"""Whatever a file or a command line holds: a right result, or UserError. `--nightly` tries many more."""

import contextlib
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from fake_result import fake_result
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_dtlns.commands.arguments import flags
from recbole_dtlns.comparison.plan.plan_file import make_plan
from recbole_dtlns.config.config_files import typed
from recbole_dtlns.config.nested_keys import check_nested_keys
from recbole_dtlns.config.run_config import Config
from recbole_dtlns.config.settings import Settings, our_keys
from recbole_dtlns.data.atomic_check import check_atomic
from recbole_dtlns.data.atomic_header import AtomicFormat
from recbole_dtlns.data.plain_text import read_pairs
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.judges.verdict_file import read_verdicts
from recbole_dtlns.files.result_schema import Result, check_result
from recbole_dtlns.files.yaml_text import parse_yaml
from recbole_dtlns.llm.generation import read_label
from recbole_dtlns.llm.prompts import Prompt
from recbole_dtlns.llm.server.base import read_tokens
from recbole_dtlns.llm.server.connect import SHAPE_ERRORS
from recbole_dtlns.llm.server.labels import from_texts
from recbole_dtlns.llm.server.openai import _top as listed_tokens
from recbole_dtlns.llm.server.scoring import GenerativeScoring, Score
from recbole_dtlns.trees.codes import read_codes

MANY = settings(max_examples=max(300, settings().max_examples))  # 3,900 inputs for all readers; --nightly: 130,000
PROMPT = Prompt.read("compact")
VIEW = TrainSplit.from_pairs(np.array(["u1", "u1", "u2"]), np.array(["a", "b", "a"]))

_words = st.sampled_from(["u1", "u2", "a", "b", "user", "item", "probability", "0.5", "nan", "-1", "0-1-2", "1e400"])
_marks = st.sampled_from([" ", "\t", "\n", "\r\n", "\r", ":", "-", '"', ",", "\0", "\ufeff", "\u2028"])
LINES = (
    st.lists(st.one_of(_words, _marks, st.text(max_size=3)), max_size=30)
    .map("".join)
    .map(lambda text: text.encode("utf-8", "surrogatepass"))
)
BYTES = st.one_of(LINES, st.binary(max_size=40))
_yaml = st.sampled_from(
    [
        "a: ",
        "&x ",
        "*x",
        "- ",
        "[",
        "]",
        "{",
        "}",
        "!!int ",
        "!!binary ",
        "? ",
        "\n",
        "  ",
        "epochs: 1\n",
        "<<: ",
        "1e9",
    ]
)
YAML = st.lists(st.one_of(_yaml, st.text(max_size=3)), max_size=30).map("".join)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), _words),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)


def on_a_file(content: bytes, read: Callable[[Path], Any]) -> Any:
    """The result of a reader on a file of this content, or None where it said what is wrong."""
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(UserError):
        path = Path(folder) / "file.txt"
        path.write_bytes(content)
        return read(path)
    return None


@MANY
@given(BYTES)
def test_interaction_text(content: bytes) -> None:
    pairs = on_a_file(content, read_pairs)
    if pairs is not None:
        users, items = pairs
        assert len(users) == len(items)
        assert all(token.strip() and not set(token) & set(" \t\n\r") for token in [*users, *items])


HEADERS = st.sampled_from([b"user_id:token\titem_id:token\tx:float\n", b"user_id:token\titem_id:token_seq\n", b""])
ROWS = st.lists(st.sampled_from([b"u1\ta\t1\n", b"u2\tb\t-0.5\n", b"u1\ta b\n", b'u2\t"\t2\n']), max_size=4).map(
    b"".join
)


@MANY
@given(HEADERS, ROWS, BYTES)
def test_atomic(header: bytes, rows: bytes, rest: bytes) -> None:
    content = header + rows + rest
    read = on_a_file(content, lambda path: check_atomic(path, AtomicFormat()))
    if read is not None:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
        lines = text.replace("\r", "\n").split("\n")  # a carriage return alone ends a line
        assert 0 <= read.rows < len(lines)
        assert all(name for name in read.header.names)


@MANY
@given(BYTES)
def test_codes(content: bytes) -> None:
    read = on_a_file(content, lambda path: read_codes(path, VIEW.items, drop_unknown=True))
    if read is not None:
        assert read.table.codes.shape[0] == VIEW.n_items + 1
        assert read.table.codes.min() >= -1


@MANY
@given(BYTES)
def test_verdicts(content: bytes) -> None:
    read = on_a_file(content, lambda path: read_verdicts(path, VIEW, allow_foreign=True))
    if read is not None and len(read.probability):
        assert ((read.probability >= 0) & (read.probability <= 1)).all()
        assert not VIEW.matrix[read.candidates.users, read.candidates.items].any()


@MANY
@given(YAML)
def test_yaml(text: str) -> None:
    with contextlib.suppress(UserError):
        content = parse_yaml(text, "file.yaml")
        if isinstance(content, dict):
            assert all(isinstance(key, str) for key in content)


@MANY
@given(st.lists(st.one_of(st.text(max_size=8), st.sampled_from(["--model", "--seed=1", "--=", "--x=", "a=b"]))))
def test_words_of_the_command_line(words: list[str]) -> None:
    with contextlib.suppress(UserError):
        assert all(isinstance(value, str) for value in flags(words).values())


@MANY
@given(st.sampled_from(sorted(our_keys())), st.one_of(VALUES, st.text(max_size=12)))
def test_values_of_our_keys(key: str, value: Any) -> None:
    with contextlib.suppress(UserError):
        Settings.parse({key: value})


@MANY
@given(
    st.sampled_from(["eval_args", "train_neg_sample_args", "load_col", "val_interval", "threshold", "metrics"]), VALUES
)
def test_values_inside_nested_keys(key: str, value: Any) -> None:
    with contextlib.suppress(UserError):
        check_nested_keys({key: value}, presplit=False)


STOCK_KEYS = ["topk", "train_batch_size", "embedding_size", "learning_rate", "gpu_id", "seed", "NEG_PREFIX", "encoding"]


@MANY
@given(st.sampled_from([*STOCK_KEYS, "clip_grad_norm", "state", "valid_metric", "data_path", "eval_args"]), VALUES)
def test_values_of_recboles_keys(key: str, value: Any) -> None:
    with contextlib.suppress(UserError):
        Config("BPR", "ml-100k", config_dict={key: value})


@pytest.mark.parametrize("text", ["9" * 5000, "[" * 500, "1e400", "{1:2}", "'\0'", "lambda: 1"])
def test_raw_text_becomes_a_plain_value(text: str) -> None:
    assert isinstance(typed("topk", text), (str, int, float, list, dict))


PLAN_ENTRIES = ["datasets", "models", "samplers", "judges", "seeds", "trials", "search", "noise", "ranges", "fixed"]


@MANY
@given(
    st.dictionaries(st.sampled_from([*PLAN_ENTRIES, "judge_keys", "config_files", "rows", "else"]), VALUES, max_size=3)
)
def test_plans(entries: dict[str, Any]) -> None:
    text = yaml.safe_dump({"datasets": ["ml-100k"], **entries}, allow_unicode=True).encode("utf-8", "surrogatepass")
    plan = on_a_file(text, lambda path: make_plan({"plan": str(path)}))
    if plan is not None:
        assert plan.cells()
        assert all(isinstance(seed, int) for seed in plan.seeds)


_said = st.sampled_from(['{"label": "', "positive", "negative", "not ", '"}', "label=", "\n", " "])


@MANY
@given(st.lists(st.one_of(_said, st.text(max_size=3)), max_size=12).map("".join))
def test_texts_of_a_language_model(text: str) -> None:
    label = read_label(text, PROMPT)
    assert label in {0.0, 1.0} or math.isnan(label)


TOKENS = st.sampled_from(["positive", " Pos", "neg", "negative", "", "x"])
NUMBERS = st.one_of(st.floats(), st.sampled_from([0, -1.5, -9999, 1e4, "0.5", None]))
LISTED = st.lists(st.tuples(TOKENS, NUMBERS), max_size=4)


@MANY
@given(st.sampled_from(range(4)), LISTED, VALUES, st.integers(0, 9))
def test_answers_of_a_server(kind: int, listed: list[tuple[str, Any]], other: Any, place: int) -> None:
    """In the right shape with odd values, and now and then in another shape."""
    answers: list[Any] = [
        {"logprobs": {"content": [{"top_logprobs": [{"token": token, "logprob": value} for token, value in listed]}]}},
        {"logprobs": {"top_logprobs": [dict(listed)]}},
        {"scores": [[value, 0.5] for _, value in listed]},
        {"data": [{"index": number, "score": value} for number, (_, value) in enumerate(listed)]},
    ]
    answer = other if place == 0 else answers[kind]
    with contextlib.suppress(*SHAPE_ERRORS):
        if kind < 2:
            replies = [from_texts(listed_tokens(answer), "positive", "negative", read_tokens({"usage": other}))]
        else:
            replies = object.__new__(Score if kind == 2 else GenerativeScoring)._read(answer)
        for told in replies:
            assert math.isnan(told.margin) or abs(told.margin) < math.inf
            assert math.isnan(told.mass) or 0 <= told.mass <= 1


@MANY
@given(st.dictionaries(st.sampled_from(sorted(Result.__annotations__)), VALUES, max_size=3))
def test_results(changes: dict[str, Any]) -> None:
    with contextlib.suppress(UserError):
        result = check_result({**fake_result(), **changes}, Path("result.json"))
        assert set(result) == set(Result.__annotations__)
        assert isinstance(result["seed"], int)
