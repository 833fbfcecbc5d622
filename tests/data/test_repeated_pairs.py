"""Repeated interactions are counted before training, by `doctor` too, and each warning names the cure."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy import write_timed

from recbole_dtlns.cli import main

FLAGS = ["--dataset=timed", "--data_path=data", "--neg_sampler=uniform", "--judge=none"]
LOADED = "--load_col={'inter': ['user_id', 'item_id', 'timestamp']}"
TOLD = "interactions repeat the user and the item of another one"
CURE = "--rm_dup_inter=first"
LEAK = "Leak check failed: no pair stands in two of"


@pytest.fixture
def inter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every third interaction twice."""
    monkeypatch.chdir(tmp_path)
    path = write_timed(tmp_path / "data") / "timed" / "timed.inter"
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *rows, *rows[::3], ""]))
    return path


def test_doctor_counts_repeated_pairs(inter, caplog):
    lines = inter.read_text().splitlines()
    rows, copies = len(lines) - 1, len(lines) - len(set(lines))
    assert main(["doctor", "--model=BPR", *FLAGS]) == 0
    (told,) = [record.getMessage() for record in caplog.records if TOLD in record.getMessage()]
    assert f"timed: {copies} of {rows} {TOLD}" in told
    assert CURE in told
    caplog.clear()
    assert main(["doctor", "--model=BPR", *FLAGS, CURE]) == 0
    assert (
        main(["doctor", "--model=SASRec", "--loss_type=BPR", *FLAGS, LOADED]) == 0
    )  # a sequence may have an item twice
    assert TOLD not in caplog.text


def test_a_run_names_the_cure_before_training_and_after(inter, capsys):
    assert main(["--model=BPR", *FLAGS, "--epochs=1", "--run_dir=run"]) == 0
    before, _, after = capsys.readouterr().err.partition(LEAK)
    assert TOLD in before
    assert CURE in before
    assert CURE in after.splitlines()[0]
    assert main(["--model=BPR", *FLAGS, "--epochs=1", "--run_dir=cured", CURE]) == 0
    output = capsys.readouterr().err
    assert TOLD not in output
    assert LEAK not in output


def test_doctor_finds_a_part_without_interactions(inter, capsys):
    inter.write_text("user_id:token\titem_id:token\ttimestamp:float\nu1\ti1\t1\nu2\ti1\t2\nu3\ti2\t3\n")
    for command in (["doctor"], []):
        assert main([*command, "--model=BPR", *FLAGS]) == 2
        output = capsys.readouterr()
        assert "The valid part of timed holds no interaction (train 3, valid 0, test 0)" in output.err
        assert "Nothing is missing" not in output.out


def test_doctor_finds_filters_that_leave_nothing(inter, capsys):
    assert main(["doctor", "--model=BPR", *FLAGS, "--user_inter_num_interval=[500,inf)"]) == 2
    assert "timed holds no interaction. Check the files, the filters" in capsys.readouterr().err


def test_doctor_says_a_warning_once(inter, caplog):
    header, first, *rows = inter.read_text().splitlines()
    inter.write_text("\n".join([header, first.rpartition("\t")[0] + "\t", *rows, ""]))
    assert main(["doctor", "--model=BPR", *FLAGS, LOADED]) == 0
    assert caplog.text.count("values of timestamp are missing") == 1
