"""Words of subcommands, and keys of a run, that cannot be used: status 2 and one line that says what is expected."""

import re
from pathlib import Path

import pytest
from toy import write_timed

from recbole_dtlns.cli import main


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["recommend"], "recommend needs the folder of a run"),
        (["recommend", "run", "--k=1"], "recommend takes --.*; found --k"),
        (["recommend", "run", "--topk=many"], "--topk=many: expected a whole number from 1"),
        (["recommend", "run", "--users=u1,,u2"], "expected tokens of users with commas"),
        (["recommend", "run", "--users="], "expected tokens of users with commas"),
        (["recommend", "run", '--users="Smith, X'], "a token with a comma in it stands in quotation marks"),
        (["recommend", "run", "--output=data"], "--output=data is a folder"),
        (["recommend", "run", "--output=none/lists.tsv"], "there is no folder .*none"),
        (["convert", "data/toy", "made", "--seed=first"], "--seed=first: expected a whole number"),
        (["convert", "data/toy/train.txt", "made", "--separator=ab"], "--separator=ab: expected one character"),
        (["convert", "data/toy/train.txt", "made", "--colums=user,item"], "found --colums; did you mean columns"),
        (["convert", "data/toy", "made", "--columns=user,item"], "convert of a folder takes .*; found --columns"),
        (["convert", "data/toy"], "takes a source and a target; found data/toy"),
        (["report", "run", "--metrik=ndcg@10"], "report takes .*; found --metrik; did you mean metric"),
        (["doctor", "--topk=5"], "name it with --dataset=NAME"),
        (["identify", "--dataset=toy", "--data_path=data", "--judge=none"], "identify needs a judge"),
    ],
)
def test_words_of_a_subcommand(toy: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str) -> None:
    assert main(words) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert re.search(message, error), error


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--transform=turn"], "transform='turn': expected one of"),
        (["--transform=mask_itemseq"], "changes sequences, and BPR reads none"),
        (["--model=SASRec", "--loss_type=BPR", "--transform=mask_itemseq"], "needs mask_ratio, a number from 0 to 1"),
        (["--plugins=list.yaml"], "plugins: list.yaml is not a Python file"),
        (["--trust_checkpoint=perhaps"], "trust_checkpoint='perhaps': expected"),
        (["--config_files=allows.yaml"], "trust_checkpoint stands in a configuration file, and only you may allow it"),
        (
            ["--candidate_source=BPR", "--candidate_config=absent.yaml"],
            "candidate_config: there is no file absent.yaml",
        ),
        (["--candidate_source=BPR", "--candidate_config=list.yaml"], "list.yaml should hold `key: value` lines"),
        (["--candidate_source=EASE,BPR"], "'BPR' cannot be one of several sources"),
        (["--alpha_co=much"], "alpha_co='much': expected a number from"),
        (["--alpha_co=true"], "alpha_co='?[Tt]rue'?: expected a number from"),
    ],
)
def test_keys_of_a_run(toy: Path, capsys: pytest.CaptureFixture[str], flags: list[str], message: str) -> None:
    Path("allows.yaml").write_text("trust_checkpoint: true\n")
    Path("list.yaml").write_text("- 1\n")
    model = [] if any(flag.startswith("--model=") for flag in flags) else ["--model=BPR"]
    assert main([*model, "--dataset=toy", "--data_path=data", "--epochs=1", "--run_dir=run", *flags]) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert re.search(message, error), error
    assert not Path("run/result.json").exists()


def test_doctor_names_every_damaged_file_of_a_data_set(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = write_timed(Path("data")) / "timed"
    words = ["doctor", "--model=CKE", "--dataset=timed", "--data_path=data", "--neg_sampler=uniform", "--judge=none"]
    assert main(words) == 0
    assert "timed.inter: " in capsys.readouterr().out
    for name in ("inter", "link"):
        lines = (home / f"timed.{name}").read_text().splitlines()
        (home / f"timed.{name}").write_text("\n".join([*lines[:3], lines[3] + "\tmore", *lines[4:], ""]))
    assert main(words) == 2
    error = capsys.readouterr().err
    assert [name for name in ("inter", "kg", "link") if f"timed.{name}" in error] == ["inter", "link"]
    assert error.count("line 4") == 2
    assert "Traceback" not in error
