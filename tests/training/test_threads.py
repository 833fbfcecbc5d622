import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from recbole.utils import ModelType

from recbole_dtlns.cli import main
from recbole_dtlns.evaluation.loading import load_run
from recbole_dtlns.files.machine import busy_cores, usable_cores
from recbole_dtlns.files.run_folder import read_result
from recbole_dtlns.training import threads
from recbole_dtlns.training.step import SampledStep
from recbole_dtlns.training.threads import torch_threads

SMALL = ["--dataset=toy", "--data_path=data", "--embedding_size=8", "--judge=none", "--neg_sampler=dns", "--epochs=1"]


@pytest.mark.parametrize(
    ("flags", "variable", "busy", "expected"),
    [
        (["--model=BPR"], None, 0.0, 1),
        (["--model=BPR"], "2", 1.0, 2),
        (["--model=BPR", "--torch_threads=3"], "2", 1.0, 3),
        (["--model=LightGCN"], None, 0.3, 2),
        (["--model=LightGCN"], None, 0.9, 1),
        (["--model=LightGCN"], None, 4.0, 1),
        (["--model=LightGCN", "--torch_threads=2"], None, 0.9, 2),
    ],
)
def test_a_step_has_the_threads_that_are_of_use_unless_the_user_says_otherwise(
    toy, monkeypatch, flags, variable, busy, expected
):
    monkeypatch.setattr(threads, "usable_cores", lambda: 2)
    monkeypatch.setattr(threads, "busy_cores", lambda seconds: busy)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    if variable is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", variable)
    used, step = set(), SampledStep.__call__

    def watched(self, *arguments):
        used.add(torch.get_num_threads())
        return step(self, *arguments)

    monkeypatch.setattr(SampledStep, "__call__", watched)
    with torch_threads(2):
        assert main([*SMALL, *flags, "--run_dir=run"]) == 0
        assert torch.get_num_threads() == 2
    assert used == {expected}
    assert read_result(Path("run"))["machine"]["threads"] == expected
    monkeypatch.setattr(threads, "busy_cores", lambda seconds: pytest.fail("nothing is trained here"))
    with torch_threads(2):
        load_run("run")


def test_more_threads_than_cores_and_ranks_of_one_run_are_nobodys_neighbours(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "usable_cores", lambda: 2)
    monkeypatch.setattr(threads, "takes_negatives", lambda config: False)
    config = {"device": torch.device("cpu"), "MODEL_TYPE": ModelType.SEQUENTIAL}
    config = type("Config", (dict,), {"settings": SimpleNamespace(torch_threads=None)})(config)
    with torch_threads(3):
        monkeypatch.setattr(threads, "busy_cores", lambda seconds: 0.4)
        assert threads.threads_of_a_step(config, torch.nn.Linear(1, 1)) is None
        monkeypatch.setattr(threads, "busy_cores", lambda seconds: 1.0)
        assert threads.threads_of_a_step(config, torch.nn.Linear(1, 1)) == 1
        monkeypatch.setattr(threads, "this_rank", lambda: SimpleNamespace(is_alone=False))
        assert threads.threads_of_a_step(config, torch.nn.Linear(1, 1)) is None


def test_a_busy_program_is_seen():
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as program:
        try:
            assert 0.5 < busy_cores(0.5) <= usable_cores()
        finally:
            program.kill()


def test_a_gpu_decides_nothing(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    settings = SimpleNamespace(torch_threads=None)

    class Config(dict):
        pass

    config = Config(device=torch.device("cuda"))
    config.settings = settings
    assert threads.threads_of_a_step(config, torch.nn.Linear(1, 1)) is None
