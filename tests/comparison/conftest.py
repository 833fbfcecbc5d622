"""One made-up comparison with its report, for all tests that only read it; comparisons of runs that take no time."""

from pathlib import Path

import pytest
from fake_runs import FakeProgram
from made import make_comparison

from recbole_dtlns.comparison.run import execute
from recbole_dtlns.comparison.run.campaign import carry_out, write_plan


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a comparison with one model; do not change it."""
    return make_comparison(tmp_path_factory.mktemp("made") / "small", models=("BPR",), noise=(0.0, 0.1))


@pytest.fixture(scope="session")
def made_report(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of its report; do not change it."""
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    from recbole_dtlns.comparison.report import write_report
    from recbole_dtlns.comparison.run.records import read_comparison

    folder = tmp_path_factory.mktemp("report")
    assert write_report(read_comparison(made), folder) == folder / "report.html"
    return folder


@pytest.fixture
def compared(toy, monkeypatch):
    """`compared(plan, instead, jobs, gpus)` carries a plan out in the folder `compared`, with a made-up program."""

    def carry(plan, instead=None, jobs=1, gpus=()):
        program = FakeProgram(instead)
        monkeypatch.setattr(execute, "command", program)
        write_plan(plan, toy / "compared")
        return carry_out(plan, toy / "compared", jobs, gpus), program

    return carry
