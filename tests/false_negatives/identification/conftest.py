"""The offline stage on a small split, with a judge that counts what it is asked."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from toy import toy_split, write_pairs

from recbole_dtlns.config.judge_checks import check_judge
from recbole_dtlns.config.run_config import Config
from recbole_dtlns.data.build import read_training_part
from recbole_dtlns.evaluation.model_source import RecBoleModels
from recbole_dtlns.false_negatives.identification.stage import identify
from recbole_dtlns.false_negatives.judges import JUDGES, RuleJudge
from recbole_dtlns.false_negatives.judges.base import Judge, Usage


class Oracle(Judge):
    """Says what the rule says, as a language model would: log-odds, label mass, and it counts its calls."""

    name, revision, block_users = "oracle", "1", 8
    gives_log_odds = True
    asked: list  # pairs of all objects of a class
    interrupt_after: int | None = None  # calls of `score` until Ctrl-C, once
    calls = 0

    def __init__(self, context):
        self.context, self.usage = context, Usage()

    @staticmethod
    def answer(rule):
        return 300 * (rule - 0.6)  # far beyond what a probability can tell apart

    def settings(self):
        return {}

    def score(self, users, items):
        kind = type(self)
        if kind.calls == kind.interrupt_after:
            kind.interrupt_after = None
            raise KeyboardInterrupt
        kind.calls += 1
        kind.asked += list(zip(users.tolist(), items.tolist(), strict=True))
        self.usage.calls += len(users)
        self.usage.prompt_tokens += 3 * len(users)
        return self.answer(RuleJudge(self.context).score(users, items)[0]), np.full(len(users), 0.25)

    def on(self, context):
        other = type(self)(context)
        other.usage = self.usage
        return other


@pytest.fixture
def oracle(monkeypatch):
    """A judge class `oracle` of this test's own, known to the configuration."""
    kind = type("Mine", (Oracle,), {"asked": []})
    monkeypatch.setitem(JUDGES, "oracle", kind)
    return kind


@pytest.fixture(scope="session")
def warm(tmp_path_factory):
    """Data and a cache with trees and candidates of the real and the reduced split, and no verdicts."""
    folder = tmp_path_factory.mktemp("warm")
    write_pairs(folder / "data" / "toy", toy_split())
    _run(folder, {"judge": "rule", "judge_report": True})
    (folder / "cache" / "verdicts.sqlite").unlink()
    return folder


@pytest.fixture
def run(warm, tmp_path):
    """`run(judge=..., ...)`: the offline stage with these keys, in a cache of the test's own; `run.folder` holds it."""
    return _runner(warm, tmp_path)


@pytest.fixture(scope="module")
def shared_run(warm, tmp_path_factory):
    """`run` in one cache for the tests of a file: what one of them has fitted, the next ones find there."""
    return _runner(warm, tmp_path_factory.mktemp("shared"))


def _runner(warm: Path, folder: Path):
    shutil.copytree(warm, folder, dirs_exist_ok=True)

    def call(**keys):
        return _run(folder, keys)

    call.folder = folder
    return call


def _run(folder: Path, keys):
    start = {"data_path": str(folder / "data"), "tree_leaf_size": 4, "candidate_topk": 6, "positives_per_user": 2}
    config = Config("BPR", "toy", config_dict={**start, **keys})
    check_judge(config.settings, config.method)
    config["checkpoint_dir"] = str(folder / "saved")
    view = read_training_part(config, folder / "cache")
    identified = identify(view, config.settings, config.method, folder / "cache", models=RecBoleModels())
    identified.view = view
    return identified
