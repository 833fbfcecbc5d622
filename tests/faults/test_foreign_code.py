"""No file that is read runs code, unless the user says so: planted files of every kind write `ran`, and must not."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from test_killed import SHARED, TRAINING
from toy import toy_split, write_pairs

from recbole_dtlns.cli import main
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.csv_text import text_row
from recbole_dtlns.files.plain_values import from_plain, to_plain
from recbole_dtlns.files.run_folder import read_result
from recbole_dtlns.files.saved_state import read_state

RAN = "ran"


class Planted:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path(RAN),)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("made")
    write_pairs(home / "data" / "toy", toy_split())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        assert main([*TRAINING, "--run_dir=run", "--cache_dir=cache"]) == 0
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, tmp_path / "home")
    monkeypatch.chdir(tmp_path / "home")
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")  # a user's own switch changes nothing here
    return tmp_path / "home"


def plant(path: str) -> None:
    Path(path).parent.mkdir(exist_ok=True)
    torch.save({"state_dict": Planted(), "config": Planted(), "other_parameter": {}}, path)


PLANTED = {
    "a checkpoint": ("run/checkpoint.pth", ["recommend", "run"]),
    "a state to resume from": ("new/resume.pth", [*TRAINING, "--run_dir=new"]),
    "pre-trained weights": (
        "weights.pth",
        ["--model=NeuMF", *SHARED, "--use_pretrain=True", "--mf_pretrain_path=weights.pth", "--run_dir=new"],
    ),
    "a candidate model": ("run/checkpoint.pth", [*TRAINING, "--candidate_checkpoint=run", "--run_dir=new"]),
}


@pytest.mark.parametrize("name", PLANTED)
def test_saved_models_are_plain_values(name: str, home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path, words = PLANTED[name]
    plant(path)
    assert main(words) == 2
    assert not Path(RAN).exists()
    output = capfd.readouterr().err
    assert "--trust_checkpoint=true reads it all the same" in output
    assert "Traceback" not in output


def test_a_file_of_ones_own_is_read_when_asked_for(home: Path) -> None:
    """As earlier versions wrote it: the configuration is an object, and the keys are in config.yaml alone."""
    state = read_state(home / "run" / "checkpoint.pth")
    state["other_parameter"].pop("dtlns_config")
    torch.save({**state, "config": Planted()}, home / "run" / "checkpoint.pth")
    assert main(["recommend", "run", "--output=new.tsv"]) == 2
    assert not Path(RAN).exists()
    assert main(["recommend", "run", "--output=new.tsv", "--trust_checkpoint"]) == 0
    assert Path(RAN).exists()
    assert len(Path("new.tsv").read_text().splitlines()) > 60


def test_planted_data_sets_are_not_read(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Path("new").mkdir()
    Path("new/toy-Dataset.pth").write_bytes(pickle.dumps(Planted()))
    assert main([*TRAINING, "--run_dir=new", "--cache_dir=cache"]) == 0
    assert "toy-Dataset.pth holds Python objects, which can run code, and is not read" in capfd.readouterr().err
    shutil.move("new/toy-Dataset.pth", "data.pth")
    assert main([*TRAINING, "--run_dir=other", "--dataset_save_path=data.pth"]) == 2
    assert "dataset_save_path='data.pth' is not read here" in capfd.readouterr().err
    assert not Path(RAN).exists()


@pytest.mark.parametrize("key", ["teacher", "candidate_config"])
def test_no_key_is_evaluated(key: str, home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code = f"__import__('pathlib').Path('{RAN}').touch()"
    if key == "teacher":
        from recbole.model.context_aware_recommender import kd_dagfm

        with pytest.raises(UserError, match="expected one of DAGFM, CrossNet, CIN"):
            kd_dagfm.eval(code)
        assert kd_dagfm.eval("CrossNet") is kd_dagfm.CrossNet
    else:
        Path("keys.yaml").write_text(yaml.safe_dump({"candidate_config": {"learning_rate": code, "epochs": 1}}))
        words = ["identify", *SHARED, "--judge=rule", "--candidate_source=BPR", "--config_files=keys.yaml"]
        assert main([*words, "--run_dir=new"]) == 2
    assert not Path(RAN).exists()


def test_a_configuration_file_names_no_python_objects(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Path("keys.yaml").write_text("epochs: !!python/name:os.system\nlearning_rate: 1e-3\n")
    assert main([*SHARED, "--model=BPR", "--run_dir=new", "--config_files=keys.yaml"]) == 2
    assert "found a value of type python/name:os.system" in capfd.readouterr().err
    Path("keys.yaml").write_text("learning_rate: 1e-3\n")
    words = [*SHARED, "--model=BPR", "--judge=none", "--neg_sampler=uniform", "--epochs=1", "--config_files=keys.yaml"]
    assert main([*words, "--run_dir=new", "--cache_dir=cache"]) == 0
    assert read_result(Path("new"))["config"]["learning_rate"] == 0.001


def test_files_alone_never_load_plugins(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Path("mine.py").write_text(f"from pathlib import Path\nPath({RAN!r}).touch()\n")
    Path("keys.yaml").write_text("plugins: mine.py\n")
    plan = {"datasets": ["toy"], "models": ["BPR"], "samplers": ["mine"], "judges": ["mine"], "seeds": [1]}
    Path("compared").mkdir()
    fixed = {"plugins": "mine.py", "data_path": "data", "epochs": 1}
    Path("compared/plan.yaml").write_text(yaml.safe_dump({**plan, "fixed": fixed}))
    told = "They are program code, so a file alone never loads them. If you trust them, repeat the command with --allow"
    for words in (
        [*TRAINING, "--run_dir=new", "--config_files=keys.yaml"],
        ["compare", "--run_dir=compared", "--dry_run"],
        ["compare", "--run_dir=compared"],
        ["compare", "--datasets=toy", "--data_path=data", "--models=BPR", "--config_files=keys.yaml", "--dry_run"],
    ):
        assert main(words) == 2, words
        assert told in capfd.readouterr().err, words
    assert main(["report", "compared"]) == 0  # the names of the plan are its own
    assert not Path(RAN).exists()
    Path("allowed.yaml").write_text("allow_plugins: true\nplugins: mine.py\n")
    assert main([*TRAINING, "--run_dir=new", "--config_files=allowed.yaml"]) == 2
    assert not Path(RAN).exists()
    assert main([*TRAINING, "--run_dir=new", "--cache_dir=cache", "--config_files=keys.yaml", "--allow_plugins"]) == 0
    assert Path(RAN).exists()


def test_a_run_never_loads_its_own_plugins(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from recbole_dtlns.files.saved_state import write_state

    state = read_state(home / "run" / "checkpoint.pth")
    state["other_parameter"]["dtlns_config"]["plugins"] = "theirs.py"
    write_state(home / "run" / "checkpoint.pth", state)
    Path("theirs.py").write_text(f"from pathlib import Path\nPath({RAN!r}).touch()\n")
    assert main(["recommend", "run"]) == 2
    assert "run names plugins, theirs.py" in capfd.readouterr().err
    assert not Path(RAN).exists()
    assert main(["recommend", "run", "--plugins=theirs.py", "--output=new.tsv"]) == 0
    assert Path(RAN).exists()


def test_plain_values_come_back_as_they_were() -> None:
    from collections import defaultdict

    from recbole.utils import ModelType
    from scipy import sparse

    matrix = sparse.random(5, 4, density=0.5, format="csr", random_state=0)
    value = {
        "numbers": (1, 2.5, None, True, "text", np.float64(0.1), [1, (2,)]),
        "arrays": [np.arange(6, dtype=np.uint32).reshape(2, 3), np.array(["é", "b"]), np.array([0.5], np.float32)],
        "sparse": {form: matrix.asformat(form) for form in ("csr", "csc", "coo", "lil")},
        "others": {"kind": ModelType.GENERAL, "lists": defaultdict(list, {3: [torch.ones(2)]}), "set": {1, 2}},
    }
    again = from_plain(to_plain(value))
    assert again["numbers"] == value["numbers"]
    for array, original in zip(again["arrays"], value["arrays"], strict=True):
        assert array.dtype == original.dtype
        assert np.array_equal(array, original)
    for form, sparse_array in again["sparse"].items():
        assert (type(sparse_array), sparse_array.format) == (type(value["sparse"][form]), form)
        assert np.array_equal(sparse_array.toarray(), matrix.toarray())
    assert again["others"]["kind"] is ModelType.GENERAL
    assert again["others"]["lists"][3][0].tolist() == [1, 1]
    assert again["others"]["lists"][9] == []
    assert again["others"]["set"] == {1, 2}
    with pytest.raises(UserError, match="the state, inner holds a Planted"):
        to_plain({"inner": Planted()})


def test_a_checkpoint_is_read_by_any_torch_without_running_code(home: Path) -> None:
    state = torch.load(home / "run" / "checkpoint.pth", weights_only=True)
    assert set(state) >= {"config", "epoch", "best_valid_score", "state_dict", "other_parameter", "optimizer"}
    assert read_state(home / "run" / "checkpoint.pth")["config"]["model"] == "BPR"


def test_no_cell_of_a_csv_file_is_a_formula() -> None:
    cells = ["=1+1", "+cmd", "-x", "@sum", "\t=1", "plain", "-0.5", "+1e-3", -2, None, "", "a=b"]
    assert text_row(cells) == ["'=1+1", "'+cmd", "'-x", "'@sum", "'\t=1", *cells[5:]]


def test_summary_and_tables_of_a_report_hold_no_formula() -> None:
    from recbole_dtlns.comparison.report.formats import raw_csv
    from recbole_dtlns.comparison.report.table import Column, Line, Table

    line = Line({"row": "=HYPERLINK(1)", "value": -0.25}, marks=["@mark"])
    text = raw_csv(Table("name", "title", [Column("row", "Row"), Column("value", "Value")], [line]))
    assert text.splitlines()[1] == "'=HYPERLINK(1),-0.25,'@mark"
