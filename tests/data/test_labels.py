"""Labels of 0 and ratings below `threshold`: never positives without a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from recbole_dtlns.cli import main
from recbole_dtlns.files.run_folder import read_result

KEYS = ["--epochs=1", "--judge=none"]
ROWS = [(f"u{user}", f"i{(user * 3 + place) % 31}", place % 5 + 1) for user in range(12) for place in range(10)]
LOAD = "--load_col={'inter': ['user_id', 'item_id', 'rating']}"
LOAD_LABEL = "--load_col={'inter': ['user_id', 'item_id', 'label']}"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "shop").mkdir(parents=True)
    return tmp_path / "data" / "shop"


def write(home: Path, kind: str = "float", name: str = "shop.inter", rows=ROWS) -> None:
    lines = [f"user_id:token\titem_id:token\trating:float\tlabel:{kind}"]
    lines += [f"{user}\t{item}\t{rating}\t{int(rating >= 3)}" for user, item, rating in rows]
    (home / name).write_text("\n".join(lines) + "\n")


def train(*flags: str, model: str = "BPR", run: str = "run") -> int:
    return main([f"--model={model}", "--dataset=shop", "--data_path=data", f"--run_dir={run}", *KEYS, *flags])


@pytest.mark.parametrize("kind", ["float", "token"])
@pytest.mark.parametrize("model", ["BPR", "NeuMF", "EASE"])
def test_a_loaded_label_of_0_is_refused_unless_asked_for(home, capsys, model, kind):
    write(home, kind)
    sampler = ["--neg_sampler=recbole:uniform"] if model == "NeuMF" else []
    assert train(LOAD_LABEL, *sampler, model=model) == 2
    output = capsys.readouterr().err
    assert "48 of 120 interactions have label 0 (LABEL_FIELD)" in output
    kept = "['1']" if kind == "token" else "'(0,inf)'"
    assert f"--val_interval=\"{{'label': {kept}}}\"" in output
    assert train(LOAD_LABEL, "--ignore_labels=true", *sampler, model=model, run="asked") == 0
    assert train(LOAD_LABEL, f"--val_interval={{'label': {kept}}}", *sampler, model=model, run="left_out") == 0
    counts = read_result(Path("left_out"))["data"]
    assert counts["train"] + counts["valid"] + counts["test"] == 72


def test_a_threshold_is_refused_with_its_own_cure(home, capsys):
    write(home)
    assert train(LOAD, "--threshold={'rating': 4}") == 2
    output = capsys.readouterr().err
    assert "72 of 120 interactions have rating below 4 (threshold)" in output
    assert "--val_interval=\"{'rating': '[4,inf)'}\"" in output
    assert train(LOAD, "--threshold={'rating': 4}", "--val_interval={'rating': '[4,inf)'}", run="left_out") == 0
    assert train(LOAD, "--threshold={'rating': 1}", run="all") == 0


def test_a_label_that_is_not_loaded_is_told(home, capsys):
    write(home)
    both = "--load_col={'inter': ['user_id', 'item_id']}"
    assert train(both) == 0
    assert "48 of 120 interactions have label 0" in capsys.readouterr().err
    assert train(both, "--LABEL_FIELD=label", run="named") == 2
    assert "['user_id', 'item_id', 'label']" in capsys.readouterr().err


def test_identify_and_split_files_say_so_too(home, capsys):
    write(home)
    assert main(["identify", "--dataset=shop", "--data_path=data", "--run_dir=run", LOAD_LABEL]) == 2
    assert "48 of 120" in capsys.readouterr().err
    (home / "shop.inter").unlink()
    for number, part in enumerate(("train", "valid", "test")):
        write(home, name=f"shop.{part}.inter", rows=ROWS[number::3])
    assert train(LOAD_LABEL) == 2
    assert "delete their lines" in capsys.readouterr().err


def test_a_rating_as_label_is_fine(home):
    write(home)
    assert train(LOAD, "--LABEL_FIELD=rating", "--normalize_all=True") == 0


def test_models_that_learn_labels_need_them_and_use_them(home, capsys):
    write(home)
    value = [
        "--metrics=['AUC']",
        "--valid_metric=AUC",
        "--eval_args={'mode': 'labeled'}",
        "--train_neg_sample_args=None",
    ]
    assert train(LOAD, *value, model="LR") == 2
    assert "the interactions have no label (LABEL_FIELD); loaded are" in capsys.readouterr().err
    assert train(LOAD, "--train_neg_sample_args=None", model="NeuMF") == 2
    assert "NeuMF learns labels" in capsys.readouterr().err
    assert train(LOAD_LABEL, *value, model="LR") == 0
    assert train(LOAD, "--threshold={'rating': 4}", *value, model="LR", run="threshold") == 0


def test_more_ranks_than_items_are_refused_before_any_work(home, capsys):
    write(home)
    assert train("--topk=[5,33]") == 2
    assert "topk=[5, 33], but there are only 31 items" in capsys.readouterr().err
    assert train("--topk=[31]", run="all") == 0
