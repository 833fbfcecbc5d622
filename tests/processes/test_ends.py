"""However a process of a run ends, all end, and the reason is said once."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from cli_parts import SMALL, train
from forked import Program

from recbole_dtlns.errors import UserError
from recbole_dtlns.processes import launch
from recbole_dtlns.processes.group import decided_by_first, this_rank
from recbole_dtlns.training.trainer import RunTrainer

TWO = launch.Processes(2, 2, 0, "localhost", None)
FAST = ("--nproc=2", "--judge=none", "--neg_sampler=uniform")


def in_epoch_of_rank_1(monkeypatch: pytest.MonkeyPatch, action: Any) -> None:
    stock = RunTrainer._train_epoch

    def epoch(self: RunTrainer, *arguments: Any, **options: Any) -> Any:
        if this_rank().number == 1:
            action()
        return stock(self, *arguments, **options)

    monkeypatch.setattr(RunTrainer, "_train_epoch", epoch)


def test_a_process_that_is_killed_ends_the_run_with_its_name(
    toy: Path, forked: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    in_epoch_of_rank_1(monkeypatch, lambda: os.kill(os.getpid(), signal.SIGKILL))
    assert train(*FAST) == 1
    assert "Process 1 of 2 was ended by SIGKILL" in caplog.text
    assert not Path("run/result.json").exists()


@pytest.mark.parametrize(("error", "status"), [(UserError("Too small."), 2), (RuntimeError("broken"), 1)])
def test_an_error_of_one_process_is_the_error_of_the_run(
    toy: Path,
    forked: None,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    status: int,
) -> None:
    def fail() -> None:
        raise error

    in_epoch_of_rank_1(monkeypatch, fail)
    assert train(*FAST) == status
    output = capfd.readouterr().err + caplog.text
    assert f"recbole-dtlns: {error}" in output or f"Failed: RuntimeError: {error}" in output
    assert "losed by peer" not in output  # what the other rank saw of it


def test_an_error_that_cannot_be_pickled_keeps_its_words(forked: None) -> None:
    with pytest.raises(RuntimeError, match="Odd: words") as caught:
        launch.run_in_processes(TWO, _raise_odd, ())
    assert "process 0 of 2" in str(caught.value.__cause__)


def _raise_odd() -> None:
    class Odd(Exception):
        pass

    decided_by_first(lambda: None)
    if this_rank().is_first:
        raise Odd("words")
    decided_by_first(lambda: None)


def test_a_port_that_is_taken_is_refused(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with launch._store(TWO) as port:
        assert train(*FAST, f"--port={port}") == 2
    assert f"port={port}: the processes of the run cannot meet there" in capsys.readouterr().err


def test_ctrl_c_before_a_process_works_ends_it_without_a_word(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    spawned = launch.mp.spawn

    def spawn(*args: Any, **kwargs: Any) -> Any:
        context = spawned(*args, **kwargs)
        for process in context.processes:
            os.kill(process.pid, signal.SIGINT)  # the terminal tells all of them
        return context

    def interrupted(processes: Any) -> None:
        time.sleep(0.5)
        raise KeyboardInterrupt

    monkeypatch.setattr(launch.mp, "spawn", spawn)
    monkeypatch.setattr(launch, "_first_to_fail", interrupted)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        launch.run_in_processes(TWO, _raise_odd, ())
    assert time.monotonic() - began < 20  # nobody waited for processes that do not listen yet
    assert "Traceback" not in capfd.readouterr().err


def test_ctrl_c_ends_spawned_processes_and_keeps_their_state(toy: Path) -> None:
    words = [
        *("--model=BPR", "--dataset=toy", "--data_path=data", "--run_dir=run"),
        *(*SMALL, "--nproc=2", "--judge=rule", "--positives_loss=list", "--epochs=100000", "--stopping_step=100000"),
        *("--checkpoint_seconds=0", "--config_files=more.yaml"),
    ]
    Path("more.yaml").write_text("of_nobody: 1\n")
    log = Path("run/run.log")
    program = Program(words, toy / "said.txt")
    program.wait_for(log, 240)
    until = time.monotonic() + 240
    while "epoch 2:" not in log.read_text():
        assert time.monotonic() < until
        time.sleep(0.2)
    ranks = psutil.Process(program.pid).children(recursive=True)
    os.kill(program.pid, signal.SIGINT)
    assert program.wait() == 130
    output = (toy / "said.txt").read_text()
    assert "Interrupted." in output
    assert "Traceback" not in output
    assert output.count("Unknown key 'of_nobody'") == 1
    assert not psutil.wait_procs(ranks, timeout=10)[1]
    assert Path("run/resume.pth").is_file()
    assert not Path("run/run.lock").exists()
