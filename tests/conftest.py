"""Small data for every test, text files that the tests write, and a tiny language model."""

import _thread
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before what reads it: on small data more threads only wait

import torch
from hypothesis import HealthCheck, settings
from tiny_llama import save_tiny_llama
from toy import toy_split, write_pairs

from recbole_dtlns.false_negatives.judges import JUDGES
from recbole_dtlns.samplers import SAMPLERS

torch.set_num_threads(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--device",
        choices=("cpu", "cuda"),
        default=os.environ.get("RECBOLE_DTLNS_TEST_DEVICE", "cpu"),
        help="where the tests marked `device` compute; cuda: the first GPU",
    )
    parser.addoption("--nightly", action="store_true", help="many trials in the tests of faults, which take hours")


def pytest_configure(config: pytest.Config) -> None:
    examples = 10_000 if config.getoption("--nightly") else 30
    quiet = list(HealthCheck)
    settings.register_profile("ours", max_examples=examples, deadline=None, database=None, suppress_health_check=quiet)
    settings.load_profile("ours")


@pytest.fixture(scope="session")
def device(request: pytest.FixtureRequest) -> str:
    """Where tests marked `device` compute: `cpu`, or `cuda` with --device=cuda."""
    wanted: str = request.config.getoption("--device")
    if wanted == "cuda" and not torch.cuda.is_available():
        pytest.fail("--device=cuda, but torch sees no GPU. Run without it, or on a machine with a GPU.", pytrace=False)
    return wanted


@pytest.fixture(autouse=True)
def _no_plugin_stays() -> Iterator[None]:
    """Samplers and judges of plugins go when their test is over."""
    tables: list[tuple[dict[str, Any], dict[str, Any]]] = [(table, dict(table)) for table in (SAMPLERS, JUDGES)]
    yield
    for table, before in tables:
        table.clear()
        table.update(before)


@pytest.fixture
def toy_data(tmp_path: Path) -> Path:
    """The folder DATA with a data set `toy` in text files."""
    write_pairs(tmp_path / "data" / "toy", toy_split())
    return tmp_path / "data"


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with data/toy in it."""
    write_pairs(tmp_path / "data" / "toy", toy_split())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory) -> Path:
    """The folder of a tiny Llama; do not change it."""
    return save_tiny_llama(tmp_path_factory.mktemp("models") / "tiny-llama")


@pytest.fixture
def ctrl_c() -> Iterator[Callable[[float], None]]:
    """`ctrl_c(seconds)`: Ctrl-C after some time, also in programs that a shell has started in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timers: list[threading.Timer] = []

    def after(seconds: float) -> None:
        timers.append(threading.Timer(seconds, _thread.interrupt_main))
        timers[-1].start()

    yield after
    for timer in timers:
        timer.cancel()
    signal.signal(signal.SIGINT, before)
