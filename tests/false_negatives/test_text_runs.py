"""Titles on the real command line, with a tiny language model of random weights."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from toy import toy_split, write_pairs

from recbole_dtlns.cli import main
from recbole_dtlns.false_negatives.judges import JUDGES, JudgeContext, RuleJudge
from recbole_dtlns.false_negatives.judges.keys import PairKeys
from recbole_dtlns.files.run_folder import read_result

for package in ("transformers", "accelerate"):
    pytest.importorskip(package)


@pytest.fixture
def identify(tmp_path: Path, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`identify(name, *flags)` on a small data set with text of its items; returns the exit status."""
    write_pairs(tmp_path / "data" / "toy", toy_split(30, 24))
    monkeypatch.chdir(tmp_path)
    Path("texts.tsv").write_text("".join(f"i{item}\tw{item} w{item % 7}\n" for item in range(23)))

    def call(name: str, *flags: str) -> int:
        judge = [] if any(flag.startswith("--judge=") for flag in flags) else ["--judge=llm"]
        start = ["--dataset=toy", "--data_path=data", "--tree_leaf_size=4", "--candidate_topk=4", *judge]
        start += [f"--llm_model={tiny_llama}", "--cache_dir=cache", f"--run_dir={name}", "--judge_decision=rate"]
        return main(["identify", *start, "--judge_report=false", *flags])

    return call


def asked(name: str) -> int:
    """How many questions a run asked."""
    return int(read_result(Path(name))["identification"]["llm_calls"])


def test_titles_are_asked_about_and_another_title_is_another_question(identify: Any) -> None:
    flags = ["--item_text=texts.tsv", "--llm_prompt=titles"]
    assert identify("first", *flags, "--export_verdicts=v.tsv") == 0
    assert identify("again", *flags) == 0
    assert (asked("again"), asked("first") > 0) == (0, True)
    result = read_result(Path("first"))
    assert "text of items was read by the prompt titles; 1 of 24 items have none" in result["marks"]
    assert [entry["kind"] for entry in result["external"]] == ["item_text"]
    assert len(result["judging"]["judge"]["settings"]["titles"]) == 16
    Path("texts.tsv").write_text(Path("texts.tsv").read_text().replace("w5 w5", "w5 w6"))
    assert identify("other", *flags) == 0
    assert 0 < asked("other") < asked("first")
    told = [read_result(Path(name))["judging"]["judge"]["settings"]["titles"] for name in ("first", "other")]
    assert told[0] != told[1]


def test_a_prompt_without_titles_asks_the_same_with_text_and_without(identify: Any, caplog: Any) -> None:
    assert identify("with", "--item_text=texts.tsv") == 0
    assert "item_text=texts.tsv is read by nothing here" in caplog.text
    assert read_result(Path("with"))["external"] == []
    assert identify("without") == 0
    assert (asked("without"), asked("with") > 0) == (0, True)


def test_a_judge_of_ones_own_may_read_titles(identify: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(JUDGES, "mine", RuleJudge)  # so that it is forgotten afterwards
    Path("mine.py").write_text(
        "import numpy as np\n"
        "from recbole_dtlns.false_negatives.judges import JUDGES, Judge\n"
        "class Mine(Judge):\n"
        "    name, revision, reads_titles = 'mine', '1', True\n"
        "    def __init__(self, context): self.titles = context.titles\n"
        "    def settings(self): return {}\n"
        "    def score(self, users, items): return np.array([float('w3' in self.titles[i]) for i in items]), None\n"
        "JUDGES['mine'] = Mine\n"
    )
    assert identify("run", "--plugins=mine.py", "--judge=mine", "--item_text=texts.tsv") == 0
    assert "text of items was read by the judge mine; 1 of 24 items have none" in read_result(Path("run"))["marks"]


def test_titles_are_part_of_a_key_for_a_judge_that_reads_them_alone() -> None:
    matrix = sparse.csr_matrix(([1.0, 1.0], ([1, 1], [1, 2])), shape=(2, 5))
    codes = np.array([[-1], [0], [0], [1], [1]], dtype=np.int16)
    titles = np.array(["", "Alien", "Heat", "Fargo", "Casino"], dtype=object)
    without, shown = JudgeContext(matrix, codes, codes), JudgeContext(matrix, codes, codes, titles=titles)
    exchanged = JudgeContext(matrix, codes, codes, titles=titles[[0, 2, 1, 3, 4]])
    judge, users, items = RuleJudge(shown), np.array([1, 1]), np.array([3, 4])
    plain = PairKeys(shown, judge).of(users, items)
    assert plain == PairKeys(without, judge).of(users, items)
    assert plain[0] == plain[1]
    judge.reads_titles = True
    keys = PairKeys(shown, judge).of(users, items)
    assert keys[0] != keys[1]
    assert not set(keys) & set(plain)
    assert keys == PairKeys(exchanged, judge).of(users, items)  # the same history in another numbering


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--llm_prompt=titles"], "llm_prompt=titles shows titles. Name them with --item_text"),
        (["--item_vectors=text"], "item_vectors=text embeds the text of items. Name it with --item_text"),
        (["--item_vectors=text", "--item_text=texts.tsv", "--text_model=./absent"], "there is no such folder"),
        (["--llm_prompt=titles", "--item_text=title"], "there is no such file"),
    ],
)
def test_text_or_model_that_is_missing_is_found_before_any_work(
    identify: Any, capsys: pytest.CaptureFixture[str], flags: list[str], message: str
) -> None:
    assert identify("run", *flags) == 2
    assert message in capsys.readouterr().err
    assert not Path("run").exists()
    assert not Path("cache").exists()
