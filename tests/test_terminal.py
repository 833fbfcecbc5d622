"""What a user sees: a line an epoch, the end of a run, and colours only where they are wanted."""

import contextlib
import io
import logging
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_result import fake_result
from toy import toy_split, write_pairs

from recbole_dtlns.cli import main
from recbole_dtlns.commands.arguments import config_files
from recbole_dtlns.compat import display
from recbole_dtlns.errors import UserError
from recbole_dtlns.evaluation.closing import closing_text, metric_table, seconds_text
from recbole_dtlns.files.run_log import DETAIL, keep_for_log, start_log
from recbole_dtlns.training.epoch_line import epoch_line, standing

FLAGS = ["--model=BPR", "--dataset=toy", "--data_path=data", "--judge=rule", "--tree_leaf_size=4"]


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """The working directory of a run in `run`, and what its console said."""
    home = tmp_path_factory.mktemp("terminal")
    write_pairs(home / "data" / "toy", toy_split())
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(io.StringIO()) as stderr:
        patch.chdir(home)
        Path("mine.yaml").write_text("epoch: 3\n")
        assert main([*FLAGS, "--epochs=3", "--eval_step=2", "--run_dir=run", "--config_files=mine.yaml"]) == 0
        yield home, stderr.getvalue()


def test_an_epoch_is_one_line_and_the_log_has_recboles_too(console: tuple[Path, str]) -> None:
    home, output = console
    epochs = [line.split("INFO  ")[1] for line in output.splitlines() if "epoch " in line and "best epoch" not in line]
    number = r"[\d.]+"
    assert len(epochs) == 3
    assert re.fullmatch(rf"epoch 0: loss {number}, {number} s", epochs[0])
    assert re.fullmatch(rf"epoch 1: loss {number}, {number} s, valid NDCG@20 {number}, best so far", epochs[1])
    assert "train loss" not in output
    log = (home / "run/run.log").read_text()
    for words in ("train loss", "valid result", "test result", "epoch 1: loss"):
        assert words in log


def test_what_is_said_while_the_configuration_is_read_is_in_the_log_too(console: tuple[Path, str]) -> None:
    home, _ = console
    first = (home / "run/run.log").read_text().splitlines()[0]
    assert "WARNING  Unknown key 'epoch' in a configuration file; nothing reads it; did you mean epochs" in first


def test_a_log_has_what_was_kept_for_it_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logger = logging.getLogger("recbole_dtlns.mine")
    for name in ("first", "second"):
        with keep_for_log():
            logger.warning("early in the %s run", name)
            start_log(tmp_path / f"{name}.log", "INFO")
    before = logging.getLogger().handlers[:-2]  # without the console and the file of the second run
    with contextlib.suppress(UserError), keep_for_log():
        logger.warning("of a run that never began")
        raise UserError("bad input")
    assert logging.getLogger().handlers == before
    with keep_for_log():
        monkeypatch.setattr(logging.getLogger(), "handlers", logging.getLogger().handlers[-1:])
        with contextlib.redirect_stderr(io.StringIO()) as output:
            logger.info("a line that the console does not show")
            logger.warning("said at once")
        assert output.getvalue() == "said at once\n"
        start_log(tmp_path / "third.log", "WARNING")
    assert re.findall("early in the \\w+ run", (tmp_path / "first.log").read_text()) == ["early in the first run"]
    assert (tmp_path / "second.log").read_text().count("\n") == 1
    assert re.findall("WARNING  (.*)", (tmp_path / "third.log").read_text()) == ["said at once"]


def test_a_run_ends_with_metrics_seconds_files_and_the_next_command(console: tuple[Path, str]) -> None:
    home, output = console
    end = output[output.index("BPR on toy, best epoch 1:") :]
    assert [word in end for word in ("valid @10", "test @20", "ndcg")] == [True] * 3
    assert re.search(r"Seconds: trees .*judging .*training [\d.]+ \(sampling [\d.]+ of them\), evaluation ", end)
    written = re.search(r"Wrote to run: (.*)\.", end)
    assert written is not None
    names = written[1].split(", ")
    assert {"result.json", "checkpoint.pth", "inferred_positives.tsv"} <= set(names)
    assert all((home / "run" / name).exists() for name in names)
    assert "Next: recbole-dtlns recommend run --topk=20" in end
    assert "recbole-dtlns report run" in end


def test_the_next_commands_can_be_pasted(tmp_path: Path) -> None:
    spaced = tmp_path / "my run"
    for plugins in ("mine.py", None):
        end = closing_text(spaced, fake_result(config={"plugins": plugins}), recommends=True)
        found = re.search(r"Next: (.*) \(lists by token\), or (.*) \(a page", end)
        assert found is not None
        allowed = ["--allow_plugins=true"] if plugins else []
        assert shlex.split(found[1]) == ["recbole-dtlns", "recommend", str(spaced), "--topk=20", *allowed]
        assert shlex.split(found[2]) == ["recbole-dtlns", "report", str(spaced)]


def test_log_full_shows_recboles_lines_and_is_no_other_run(console: tuple[Path, str]) -> None:
    with contextlib.redirect_stderr(io.StringIO()) as short:
        start_log(None, "INFO")
        log_all()
    with contextlib.redirect_stderr(io.StringIO()) as full:
        start_log(None, "INFO", "full")
        log_all()
    assert re.findall(r"(\w+) said", short.getvalue()) == ["warning", "ours"]
    assert re.findall(r"(\w+) said", full.getvalue()) == ["recbole", "warning", "ours", "detail"]


def log_all() -> None:
    logging.getLogger().info("recbole said")
    logging.getLogger().warning("warning said")
    logging.getLogger("recbole_dtlns.mine").info("ours said")
    logging.getLogger("recbole_dtlns.mine").info("detail said", extra=DETAIL)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch, no_color: str, coloured: bool) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    start_log(None, "INFO")
    logging.getLogger("recbole_dtlns.mine").info("\x1b[1;32mours\x1b[0m")
    assert ("\x1b[" in terminal.getvalue()) is coloured
    bar = display._cleared(lambda *arguments, **options: options)([1], desc="\x1b[1;35mTrain\x1b[0m")
    assert bar["leave"] is False  # the bars of finished epochs do not fill the terminal
    assert ("\x1b[" in bar["desc"]) is coloured


@pytest.mark.parametrize(
    ("bigger", "score", "text"),
    [
        (True, 0.3, "best so far"),
        (True, 0.2, "best so far"),
        (True, 0.1, "best 0.2000 in epoch 3"),
        (False, 0.1, "best so far"),
    ],
)
def test_an_epoch_is_told_beside_the_best_one(bigger: bool, score: float, text: str) -> None:
    trainer = SimpleNamespace(best_valid_score=0.2, cur_step=1, eval_step=2, valid_metric_bigger=bigger)
    trainer.config = {"valid_metric": "MRR@10"}
    assert standing(trainer, 7, score) == f"valid MRR@10 {score:.4f}, {text}"
    assert epoch_line(7, None, 1.23) == "epoch 7: 1.2 s"


def test_tables_of_metrics_with_and_without_cutoffs() -> None:
    lines = metric_table({"auc": 0.5}, {"auc": 0.625, "logloss": 0.1}).splitlines()
    assert [line.split() for line in lines] == [
        *(["valid", "test"], ["-------", "-------", "------"], ["auc", "0.5000", "0.6250"], ["logloss", "–", "0.1000"])
    ]
    assert metric_table({}, {}) == ""
    assert seconds_text({"trees": None, "training": 3.0, "sampling": None}, ["trees"]) == (
        "Seconds: training 3.0; from the cache: trees."
    )


@pytest.mark.parametrize("given", ["a.yaml,b.yaml", "a.yaml, b.yaml", "a.yaml;b.yaml"])
def test_wrong_separators_of_config_files_are_recognised(given: str) -> None:
    with pytest.raises(UserError, match=r'--config_files="a.yaml b.yaml"'):
        config_files({"config_files": given})
    assert config_files({"config_files": "a.yaml  b.yaml"}) == ["a.yaml", "b.yaml"]


def test_a_file_with_a_comma_in_its_name_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a,b.yaml").touch()
    assert config_files({"config_files": "a,b.yaml"}) == ["a,b.yaml"]


def test_a_blank_in_the_path_of_a_configuration_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my plan.yaml").touch()
    with pytest.raises(UserError, match=r'--config_files="my plan.yaml": blanks separate files, .* Rename'):
        config_files({"config_files": "my plan.yaml"})
    for name in ("my", "plan.yaml"):
        (tmp_path / name).touch()
    assert config_files({"config_files": "my plan.yaml"}) == ["my", "plan.yaml"]


def test_doctor_names_the_steps_in_their_order(console: tuple[Path, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", *FLAGS]) == 0
    output = capsys.readouterr().out
    steps = re.findall(r"^\d\. (\w+)", output, re.M)
    assert steps == ["data", "candidates", "trees", "judge", "training", "test"]
    assert "20 of each user by EASE" in output
    assert "at most 300 epochs of at most 1 batch," in output
    assert "Nothing is missing." in output
    assert main(["doctor", *FLAGS[:3], "--neg_sampler=uniform", "--train_batch_size=100"]) == 0
    output = capsys.readouterr().out
    assert re.findall(r"^\d\. (\w+)", output, re.M) == ["data", "training", "test"]
    pairs = len(toy_split()["train"])
    assert f"of at most {-(-pairs // 100)} batches," in output


@pytest.mark.parametrize(
    ("flags", "missing"),
    [
        (["--shard=1/2", "--judge=rule"], "shard is for `identify`"),
        (["--neg_sampler=recbole:uniform", "--tree_exclude=0.5"], "tree_exclude"),
        (["--judge=file"], "name it with --judge_file=PATH"),
        (["--export_codes=data/toy/train.txt/sub"], "is a file; expected a folder"),
    ],
)
def test_doctor_misses_nothing_that_the_run_refuses(
    console: tuple[Path, str], capsys: pytest.CaptureFixture[str], flags: list[str], missing: str
) -> None:
    for command in (["doctor"], []):
        assert main([*command, "--model=BPR", "--dataset=toy", "--data_path=data", *flags]) == 2
        assert missing in capsys.readouterr().err


def test_doctor_reads_model_and_data_set_of_a_configuration_file(
    console: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("mine.yaml").write_text("model: LightGCN\ndataset: toy\ndata_path: data\n")
    assert main(["doctor", "--config_files=mine.yaml"]) == 0
    assert "training    LightGCN on cpu" in capsys.readouterr().out


def test_doctor_says_what_is_missing_after_what_would_run(
    console: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--model=BPR", "--dataset=toy", "--data_path=data", "--judge=llm"]) == 2
    output = capsys.readouterr()
    assert "4. judge" in output.out
    assert "Missing: judge=llm needs a language model" in output.err
