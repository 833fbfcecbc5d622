"""`identify --engine=ray` on a made-up cluster: parts of the users, and the same outcome as without the engine."""

import json
import os
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from fake_ray import FakeRay, once_there
from forked import ForkedRun

from recbole_dtlns import cli
from recbole_dtlns.commands import identify_parts
from recbole_dtlns.engines import ray_engine as engines
from recbole_dtlns.false_negatives.judges.llm import LlmJudge
from recbole_dtlns.false_negatives.judges.rule import RuleJudge
from recbole_dtlns.false_negatives.judges.store import VerdictStore
from recbole_dtlns.files.run_folder import EXAMPLES, INFERRED, RESULT

WORDS = ("identify", "--dataset=toy", "--data_path=data", "--judge=rule", "--tree_leaf_size=4", "--judge_report=true")
RAY = ("--engine=ray", "--jobs=3")


class ForkedChild(ForkedRun):
    """A part that begins at once: a copy of this process."""

    def __init__(self, engine, words, output):
        self.words, self.output = words, output
        with output.open("wb") as file:
            super().__init__(["python", *words], stdout=file, env={})


@pytest.fixture
def started(toy, monkeypatch):
    """The parts that were started."""
    children = []

    def child(engine, words, output):
        children.append(ForkedChild(engine, words, output))
        return children[-1]

    monkeypatch.setitem(sys.modules, "ray", FakeRay())
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(engines, "RayChild", child)
    return children


def rows(path):
    with VerdictStore(path) as store:
        return sorted(store._connection.execute("SELECT key, raw FROM verdicts").fetchall())


def test_the_outcome_is_the_same_and_this_command_asks_nothing_more(started, toy, monkeypatch):
    assert cli.main([*WORDS, "--run_dir=alone", "--cache_dir=cache-alone"]) == 0
    asked = []
    stock = RuleJudge.score
    monkeypatch.setattr(RuleJudge, "score", lambda *question: asked.append(question) or stock(*question))
    words = [*WORDS, "--export_verdicts=verdicts.tsv", "--run_dir=parts", "--cache_dir=cache-parts", *RAY]
    assert cli.main(words) == 0
    assert asked == []
    assert [word for child in started for word in child.words if "shard" in word] == [
        f"--shard={n}/3" for n in (1, 2, 3)
    ]
    for name in (INFERRED, EXAMPLES):
        assert (toy / "parts" / name).read_bytes() == (toy / "alone" / name).read_bytes()
    assert rows(toy / "cache-parts/verdicts.sqlite") == rows(toy / "cache-alone/verdicts.sqlite")
    alone, parts = (json.loads((toy / folder / RESULT).read_text()) for folder in ("alone", "parts"))
    for field in ("identification", "judging", "judge", "data", "cached"):
        assert parts[field] == alone[field], field
    assert parts["seconds"]["judging"] > 0.1  # the parts' time is in it
    assert not (toy / "parts/parts").exists()
    assert (toy / "verdicts.tsv").is_file()


def test_a_language_model_is_asked_by_the_parts_alone(started, toy, monkeypatch, tiny_llama):
    """Its report's questions too; the numbers of the parts are those of the run."""
    words = ["identify", "--dataset=toy", "--data_path=data", "--judge=llm", f"--llm_model={tiny_llama}"]
    words += ["--llm_device_map=cpu", "--tree_leaf_size=4", "--judge_report=true", "--judge_report_pairs=20"]
    words += ["--candidate_topk=4"]
    assert cli.main([*words, "--run_dir=alone", "--cache_dir=cache-alone"]) == 0
    stock, own = LlmJudge.score, os.getpid()

    def elsewhere(self, users, items):
        assert os.getpid() != own
        return stock(self, users, items)

    monkeypatch.setattr(LlmJudge, "score", elsewhere)
    assert cli.main([*words, "--run_dir=parts", "--cache_dir=cache-parts", *RAY]) == 0
    alone, parts = (json.loads((toy / folder / RESULT).read_text()) for folder in ("alone", "parts"))
    assert parts["identification"]["llm_calls"] == alone["identification"]["llm_calls"] > 240
    assert parts["judging"]["report"] == alone["judging"]["report"]
    here, there = (pd.read_csv(toy / folder / INFERRED, sep="\t") for folder in ("alone", "parts"))
    # The model reads users side by side, and others stand beside each other: the last digits differ.
    pd.testing.assert_frame_equal(there, here, rtol=1e-3)


def test_parts_that_were_judged_are_kept_when_another_fails(started, toy, monkeypatch, capsys):
    words = [*WORDS, "--run_dir=found", "--cache_dir=cache", *RAY]
    stock = identify_parts._words

    def broken(flags, name, *rest):
        return [*stock(flags, name, *rest), "--judge=none"] if name == "2-of-3" else stock(flags, name, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(identify_parts, "_words", broken)
        assert cli.main(words) == 2
    said = capsys.readouterr().err
    assert "1 part of the users could not be judged. 2-of-3: --judge is given twice" in said
    assert not (toy / "found" / RESULT).exists()
    kept = len(rows(toy / "cache/verdicts.sqlite"))
    assert kept > 0
    assert cli.main(words) == 0
    assert len(started) == 4  # the failed part alone
    assert len(rows(toy / "cache/verdicts.sqlite")) > kept


def test_parts_that_were_judged_for_other_keys_are_judged_anew(started, monkeypatch):
    words = [*WORDS, "--run_dir=found", "--cache_dir=cache", "--engine=ray", "--jobs=2"]
    stock = identify_parts._words
    with monkeypatch.context() as patch:
        patch.setattr(
            identify_parts,
            "_words",
            lambda flags, name, *rest: [*stock(flags, name, *rest), *(["--judge=none"] if name == "2-of-2" else [])],
        )
        assert cli.main([*words, "--candidate_topk=3"]) == 2
    assert cli.main([*words, "--candidate_topk=4"]) == 0
    assert len(started) == 4  # both parts, twice
    assert not Path("found/parts").exists()


def test_ctrl_c_keeps_what_parts_have_judged(started, toy, monkeypatch, ctrl_c):
    """Every part answers for five users and then waits; Ctrl-C comes when all three wait."""
    stock, answered = RuleJudge.score, []
    (toy / "waiting").mkdir()

    def waits(self, users, items):
        if answered:
            Path("waiting", str(os.getpid())).touch()
            if len(os.listdir("waiting")) == 3:
                Path("at-work").touch()
            time.sleep(600)
        answered.append(True)
        return stock(self, users, items)

    words = [*WORDS, "--protocol=reference", "--run_dir=found", "--cache_dir=cache", *RAY]
    words.remove("--judge_report=true")
    words.remove("--judge=rule")  # it is what this protocol takes where no judge is named
    once_there(toy / "at-work", lambda: ctrl_c(0.0))
    with monkeypatch.context() as patch:
        patch.setattr(RuleJudge, "score", waits)
        patch.setattr(RuleJudge, "block_users", 5)
        assert cli.main(words) == 130
    assert [child.wait() for child in started] == [130, 130, 130]
    kept = len(rows(toy / "cache/verdicts.sqlite"))
    assert kept > 0
    assert not (toy / "found" / RESULT).exists()
    assert cli.main(words) == 0
    assert len(rows(toy / "cache/verdicts.sqlite")) > kept
