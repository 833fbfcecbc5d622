"""docs/extending.md: the judge of its example runs, and answers as its comment says."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from recbole_dtlns.cli import main
from recbole_dtlns.false_negatives.candidates.item_knn import ItemKNN
from recbole_dtlns.false_negatives.candidates.sources import SOURCES
from recbole_dtlns.false_negatives.inferred import read_inferred
from recbole_dtlns.false_negatives.judges import JUDGES
from recbole_dtlns.files.run_folder import INFERRED, RESULT
from recbole_dtlns.training.refresh import REFRESHED

PAGE = (Path(__file__).parents[2] / "docs" / "extending.md").read_text(encoding="utf-8")
(JUDGE,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)


@pytest.fixture(autouse=True)
def _restore() -> Any:
    before = dict(JUDGES)
    yield
    JUDGES.clear()
    JUDGES.update(before)


def test_a_judge_of_ones_own(toy: Path) -> None:
    Path("mine.py").write_text(JUDGE)
    Path("codes.txt").write_text("".join(f"i{item}: {item // 20}\n" for item in range(40)))  # a leaf for each half
    flags = ["--plugins=mine.py", "--judge=same_leaf", "--codes_co=codes.txt", "--allow_foreign=true"]
    assert main(["identify", "--dataset=toy", "--data_path=data", "--run_dir=run", *flags]) == 0
    assert json.loads(Path("run", RESULT).read_text())["judge"] == "same_leaf"
    history: dict[str, list[int]] = {}
    for line in Path("data/toy/train.txt").read_text().splitlines():
        user, item = line.split()
        history.setdefault(user, []).append(int(item[1:]) // 20)
    inferred = read_inferred(Path("run", INFERRED))
    assert len(inferred) > 60
    for user, item, probability in zip(inferred.users, inferred.items, inferred.probability, strict=True):
        leaves = history[user]
        assert probability == pytest.approx(leaves.count(int(item[1:]) // 20) / len(leaves), abs=1e-6)


def test_its_key_and_its_declarations_count(toy: Path) -> None:
    Path("mine.py").write_text(JUDGE)
    flags = ["--plugins=mine.py", "--judge=same_leaf", "--leaf_floor=1", "--judge_refresh=1", "--epochs=2"]
    assert (
        main(["--model=BPR", "--dataset=toy", "--data_path=data", "--run_dir=run", "--embedding_size=4", *flags]) == 0
    )
    result = json.loads(Path("run", RESULT).read_text())
    assert result["config"]["leaf_floor"] == 1
    assert result["judging"]["judge"]["settings"] == {"floor": 1.0}
    assert Path("run", REFRESHED).is_file()


def forget_plugins() -> None:
    """As if a new process began."""
    for name in [name for name in sys.modules if name.startswith("recbole_dtlns_plugin_")]:
        del sys.modules[name]


def judged(run_dir: str, program: str, *flags: str) -> dict[tuple[str, str], float]:
    """The probabilities of all accepted pairs after `identify` with a plugin of this content."""
    forget_plugins()
    Path("mine.py").write_text(program)
    keys = ["--dataset=toy", "--data_path=data", "--plugins=mine.py", "--judge=same_leaf", "--cache_dir=cache"]
    wide = ["--judge_decision=threshold", "--judge_threshold=0"]
    assert main(["identify", *keys, *wide, f"--run_dir={run_dir}", *flags]) == 0
    inferred = read_inferred(Path(run_dir, INFERRED))
    pairs = zip(inferred.users.tolist(), inferred.items.tolist(), strict=True)
    return dict(zip(pairs, inferred.probability.tolist(), strict=True))


def test_a_changed_plugin_is_not_given_its_old_answers(toy: Path) -> None:
    """Name, revision and settings stay the same; only the last line of `score` differs."""
    turned = JUDGE.replace("shares), None", "1 - shares), None")
    assert turned != JUDGE
    first, second = judged("first", JUDGE), judged("second", turned)
    assert first.keys() == second.keys()
    assert all(second[pair] == pytest.approx(1 - first[pair], abs=1e-5) for pair in first)
    about = [json.loads(Path(run, RESULT).read_text())["judging"]["judge"] for run in ("first", "second")]
    assert about[0].pop("plugin") != about[1].pop("plugin")
    assert about[0] == about[1]


def test_an_unchanged_plugin_is_asked_nothing_again(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = judged("first", JUDGE)
    asked: list[int] = []
    monkeypatch.setattr("recbole_dtlns.false_negatives.judges.judging._ask", lambda *ignored: asked.append(1))
    assert judged("second", JUDGE) == first
    assert asked == []


SOURCE = """
from recbole_dtlns.false_negatives.candidates.ease import EASE
from recbole_dtlns.false_negatives.candidates.item_knn import ItemKNN
from recbole_dtlns.false_negatives.candidates.sources import SOURCES


class Mine(ItemKNN):
    def settings(self):
        return {}


SOURCES["Mine"] = Mine
"""


def test_candidates_of_a_changed_plugin_are_made_again(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SOURCES, "Mine", ItemKNN)  # so that what the plugin adds goes with the test
    first = judged("first", JUDGE + SOURCE, "--candidate_source=Mine", "--candidate_topk=5")
    turned = SOURCE.replace("Mine(ItemKNN)", "Mine(EASE)")
    second = judged("second", JUDGE + turned, "--candidate_source=Mine", "--candidate_topk=5")
    assert first.keys() != second.keys()
    both = judged("third", JUDGE + SOURCE, "--candidate_source=Mine,UserKNN", "--candidate_topk=5")
    turned_both = judged("fourth", JUDGE + turned, "--candidate_source=Mine,UserKNN", "--candidate_topk=5")
    assert both.keys() != turned_both.keys()
