"""Users are named by their tokens, with commas in them too."""

from pathlib import Path

import pytest
from toy import write_timed

from recbole_dtlns.cli import main


def test_a_user_with_a_comma_stands_in_quotation_marks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_timed(Path("data")) / "timed" / "timed.inter"
    path.write_text(path.read_text().replace("u1\t", "Smith, X\t").replace("u2\t", 'J. "Jo" Doe\t'))
    data = ["--dataset=timed", "--data_path=data", "--neg_sampler=uniform", "--judge=none"]
    assert main(["--model=BPR", *data, "--epochs=1", "--run_dir=run"]) == 0
    capsys.readouterr()
    assert main(["recommend", "run", "--topk=1", '--users="Smith, X",u3,J. "Jo" Doe']) == 0
    users = [line.partition("\t")[0] for line in capsys.readouterr().out.splitlines()[1:]]
    assert users == ["Smith, X", "u3", 'J. "Jo" Doe']
    assert main(["recommend", "run", "--topk=1", "--users=Smith, X"]) == 2
    error = capsys.readouterr().err
    assert "timed does not have 2 users of these: Smith,  X. Check the tokens." in error
    assert "a token with a comma in it stands in quotation marks" in error
