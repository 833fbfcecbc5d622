"""Words of subcommands, and keys of a run, that cannot be used: status 2 and one line that says what is expected."""

import re
from pathlib import Path

import pytest
from fake_runs import small_plan
from toy import write_timed

from recbole_dtlns.cli import main
from recbole_dtlns.comparison.run.campaign import write_plan
from recbole_dtlns.files.run_folder import own_run_dir


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["recommend"], "recommend needs the folder of a run"),
        (["recommend", "run", "--k=1"], "recommend takes --.*; found --k"),
        (["export", "run", "--out=vectors"], "export takes .*; found --out; did you mean output"),
        (["export", "run"], "export needs --output=FOLDER"),
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


@pytest.mark.parametrize("start", [[], ["identify"]])
def test_no_run_goes_into_the_folder_of_a_comparison(
    toy: Path, capsys: pytest.CaptureFixture[str], start: list[str]
) -> None:
    """It would lock the comparison out. The folders below it are for its own runs."""
    write_plan(small_plan(), toy / "c")
    before = sorted(toy.rglob("*"))
    words = ["--dataset=toy", "--data_path=data", "--judge=rule", "--epochs=1"]
    assert main([*start, *words, *([] if start else ["--model=BPR"]), "--run_dir=c"]) == 2
    assert "c holds a comparison (plan.yaml). Choose another run_dir for the run." in capsys.readouterr().err
    assert sorted(toy.rglob("*")) == before
    with own_run_dir("c/runs/toy/BPR/dns/seed-1", "", toy / "cache") as run_dir:
        assert run_dir.is_dir()


def test_no_comparison_goes_into_the_folder_of_a_run(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor of one that is not finished: it could not be gone on with. Where both lie, it is said how to part them."""
    words = ["compare", "--datasets=toy", "--models=BPR", "--data_path=data", "--run_dir=r", "--dry_run"]
    Path("r").mkdir()
    Path("r/run.log").touch()
    assert main(words) == 2
    assert "r holds a single run that is not finished. Choose another run_dir" in capsys.readouterr().err
    Path("r/result.json").touch()
    assert main(words) == 2
    assert "r holds a single run. Choose another run_dir for the comparison.\n" in capsys.readouterr().err
    write_plan(small_plan(), Path("r"))
    assert main(words) == 2
    assert ", or move the files of the run elsewhere: result.json, config.yaml, " in capsys.readouterr().err
