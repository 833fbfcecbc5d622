"""The examples of inferred positives: whose they are, how items are called, what a hostile title becomes."""

import html
import json
from pathlib import Path

import numpy as np
import pytest
from toy import toy_split, write_pairs

from recbole_dtlns.cli import main
from recbole_dtlns.data.item_text import ItemText
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.inferred import InferredPositives
from recbole_dtlns.false_negatives.report.examples import USERS, make_examples
from recbole_dtlns.false_negatives.report.examples_file import (
    HISTORY,
    INFERRED_EACH,
    LONGEST,
    one_line,
    read_examples,
    write_examples,
)
from recbole_dtlns.files.run_folder import EXAMPLES
from recbole_dtlns.trees.codes import CodeTable
from recbole_dtlns.trees.stage import Trees

HOSTILE = "</script><script>alert(1)</script>\u202e | \\input{x} =cmd()\u0000"


def split() -> TrainSplit:
    pairs = toy_split()["train"]
    return TrainSplit.from_pairs([user for user, _ in pairs], [item for _, item in pairs])


def inferred_for(view: TrainSplit, users: list[str]) -> InferredPositives:
    """Eight items for each user, with rising probabilities."""
    items = view.items[1:9]
    size = len(users) * len(items)
    rising = np.tile(np.linspace(0.2, 0.9, len(items)), len(users))
    return InferredPositives(np.repeat(users, len(items)), np.tile(items, len(users)), rising, np.full(size, 0.5))


def test_users_are_spread_and_what_is_told_of_each_is_bounded():
    view = split()
    users = sorted(f"u{number}" for number in range(60))
    examples = make_examples(view, inferred_for(view, users), None, None)
    assert [example.user for example in examples] == [users[place] for place in (0, 15, 30, 44, 59)]
    assert len(examples) == USERS
    for example in examples:
        number = int(np.flatnonzero(view.users == example.user)[0])
        assert example.history_size == view.history[number]
        assert len(example.history) == min(HISTORY, example.history_size)
        assert set(example.history) <= set(view.items[view.matrix[number].indices])
        assert example.inferred == view.items[8:3:-1].tolist()
        assert example.probability[0] == 0.9
        assert (len(example.inferred), example.inferred_size) == (INFERRED_EACH, 8)
    assert len(make_examples(view, inferred_for(view, users[:2]), None, None)) == 2
    assert make_examples(view, inferred_for(view, []), None, None) == []


def test_a_history_begins_with_what_is_near_in_a_tree_and_paths_name_items():
    view = split()
    codes = np.full((view.n_items + 1, 2), -1, dtype=np.int16)
    codes[1:] = [[number % 2, number % 3] for number in range(1, view.n_items + 1)]
    table = CodeTable(view.items, codes)
    missing = CodeTable(view.items, np.full_like(codes, -1))
    pair = InferredPositives(view.users[1:2], view.items[2:3], np.array([0.5]), np.array([0.5]))
    (example,) = make_examples(view, pair, Trees(table, missing, "svd", 0.0, 0.0, False), None)
    assert example.inferred == [f"{view.items[2]} (paths 0-2, none)"]
    history = np.sort(view.matrix[1].indices)
    shared = [int(n % 2 == 0) + int(n % 2 == 0 and n % 3 == 2) for n in history]
    order = np.argsort(-np.array(shared), kind="stable")[:HISTORY]
    assert [name.partition(" ")[0] for name in example.history] == view.items[history[order]].tolist()


def test_names_are_titles_and_a_hostile_one_is_one_short_line(tmp_path: Path):
    view = split()
    texts = np.array(["", *(HOSTILE if n else "" for n in range(view.n_items))], dtype=object)
    examples = make_examples(view, inferred_for(view, ["u1"]), None, ItemText(Path("t"), view.items, texts))
    names = examples[0].history + examples[0].inferred
    shown = "</script><script>alert(1)</script> | \\input{x} =cmd()"
    assert set(names) <= {shown, view.items[1]}
    assert one_line("a" * 10_000) == "a" * (LONGEST - 1) + "…"
    assert one_line("\ud800\u200b") == ""
    write_examples(tmp_path, examples)
    assert read_examples(tmp_path) == examples
    assert read_examples(tmp_path / "elsewhere") == []


WHOLE = '[{"user": "a", "history": [], "history_size": 1, "inferred": [], "probability": [], "inferred_size": 1}]'


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[1]",
        '[{"user": "a"}]',
        "null",
        WHOLE.replace('"a"', '{"a": 1}'),
        WHOLE.replace('_size": 1', '_size": Infinity'),
        WHOLE.replace('_size": 1', '_size": -1'),
        "[" * 100_000,
        "{}",
        WHOLE.replace('"a"', '["a", "b"]'),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: str):
    (tmp_path / EXAMPLES).write_text(content)
    with pytest.raises(UserError, match=r"inferred_examples\.json is damaged"):
        read_examples(tmp_path)


def test_the_page_of_a_run_shows_titles_as_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    parts = toy_split()
    write_pairs(tmp_path / "toy", parts)
    items = sorted({item for pairs in parts.values() for _, item in pairs})
    titles = "".join(f"{item}\t{item} {HOSTILE}\n" for item in items)
    Path("titles.tsv").write_text(titles, encoding="utf-8")
    keys = ["--model=BPR", "--dataset=toy", "--data_path=.", "--judge=rule", "--epochs=1", "--item_text=titles.tsv"]
    assert main([*keys, "--run_dir=run", "--state=WARNING"]) == 0
    result = json.loads(Path("run/result.json").read_text(encoding="utf-8"))
    assert result["external"] == []  # the titles were shown to nobody but the reader of the page
    assert main(["report", "run"]) == 0
    page = Path("run/report.html").read_text(encoding="utf-8")
    assert html.escape("</script><script>alert(1)") in page
    assert "<script>alert" not in page
    assert "\u202e" not in page
    summary = page.partition('<section id="summary"')[2].partition("</section>")[0]
    assert "Has in train" in summary
    assert summary.count("</script>") == 0
    latex = Path("run/report/examples-toy-BPR.tex").read_text(encoding="utf-8")
    assert "\\input{" not in latex
    Path("run", EXAMPLES).write_text("{}")
    assert main(["report", "run"]) == 0
    assert "No examples: " in Path("run/report.html").read_text(encoding="utf-8")
