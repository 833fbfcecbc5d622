"""One made-up comparison with its report, for all tests that only read it; comparisons of runs that take no time."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from browser_page import Seen, open_page
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


@pytest.fixture(scope="module")
def browser() -> str:
    """The program; a test is skipped where there is none, and fails in CI."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    path = next((candidate for name in names if (candidate := shutil.which(name))), None)
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs a browser: apt-get install chromium")
        pytest.skip("no Chromium here")
    return path


@pytest.fixture
def look(browser: str, made_report: Path, tmp_path: Path) -> Callable[..., Seen]:
    """`look(extra, *flags)`: opens the page of the report with more HTML at its end."""

    def opened(extra: str = "", *flags: str) -> Seen:
        text = (made_report / "report.html").read_text(encoding="utf-8")
        page, log = tmp_path / "page.html", tmp_path / "net.json"
        page.write_text(text.replace("</body>", f"{extra}</body>"), encoding="utf-8")
        profile = tmp_path / f"profile-{len(list(tmp_path.iterdir()))}"
        return open_page(browser, page, profile, log, *flags)

    return opened
