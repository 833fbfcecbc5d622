"""docs/extending.md: the judge of its example runs, and answers as its comment says."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from recbole_dtlns.cli import main
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
