"""docs/quickstart.md: its commands run as they stand there and find what it says they find."""

import re
import shlex
import shutil
from pathlib import Path

import pandas as pd
import pytest

from recbole_dtlns.cli import main

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")
FOUND = re.compile(r"^found: (\d+) of 40$", re.M)


def test_the_page_runs_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    from run_page import commands_of, said_by

    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    outputs = {}
    for commands in commands_of(PAGE):
        if commands.startswith("recbole-dtlns "):  # in this process: no start of Python for each
            assert main(shlex.split(commands.replace("\\\n", " "))[1:]) == 0, commands
            outputs[commands] = capsys.readouterr().out
        else:
            outputs[commands] = said_by(commands, tmp_path)
    assert len(outputs) == PAGE.count("```text") == 10

    in_run, on_page = (int(FOUND.search(text)[1]) for text in ("\n".join(outputs.values()), PAGE))
    assert in_run > 5 * 2  # chance gives about 2 of the 40 hidden loans
    assert abs(in_run - on_page) <= 4  # other versions of numpy and scikit-learn may differ a little
    lists = next(text for commands, text in outputs.items() if commands.startswith("recbole-dtlns recommend"))
    assert [line.split("\t")[0] for line in lists.splitlines()] == ["user", *["reader-007"] * 3, *["reader-008"] * 3]
    runs = pd.read_csv("library/side-by-side/summary.csv").set_index("sampler")
    assert list(runs.index) == ["recbole:uniform", "dtl_ns", "mixgcf+list"]
    assert (runs["status"] == "done").all()
    assert runs.loc["dtl_ns", "test_ndcg@20"] > runs.loc["recbole:uniform", "test_ndcg@20"]
    assert Path("library/side-by-side/report.html").stat().st_size > 100_000
