"""Values by user that are damaged or gone: the row is left out of the tests, and page and console say why."""

from pathlib import Path

import pytest
from report_parts import sections, small

from recbole_dtlns.comparison.report.standings import standings_text
from recbole_dtlns.comparison.run.records import read_comparison
from recbole_dtlns.files.run_checksums import write_with_checksums

USERS = "Brackets: 95 % intervals over users."


def lose(run: Path, how: str) -> None:
    """Have the run list its values by user in its checksums, and then lose them."""
    write_with_checksums(run / "result.json", (run / "result.json").read_bytes(), ["per_user.npz"])
    path = run / "per_user.npz"
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-300])


def ranked_of(folder: Path):
    """The ranked table of the page, and its lines by row."""
    table = sections(folder)["summary"].verdicts[0].table
    return table, {line.values["row"]: line.values for line in table.lines}


@pytest.mark.parametrize(("how", "said"), [("gone", "is missing"), ("cut", "is damaged")])
def test_a_lost_file_of_users_is_told_alike_on_page_and_console(tmp_path: Path, how: str, said: str) -> None:
    folder = small(tmp_path / "c")
    whole, _ = ranked_of(folder)
    assert whole.note.startswith(f"{USERS} Better, worse: ")
    run = folder / "runs/ml-100k/BPR/dns/seed-2021"
    lose(run, how)
    table, lines = ranked_of(folder)
    assert not lines["dns"]["verdict"]
    assert lines["dns"]["difference"].low is None
    assert lines["dns"]["test"].sd is not None
    assert lines["mixgcf"]["difference"].low is not None
    assert "Not tested: dns, whose files are damaged or missing (see Statistics)." in table.note
    assert f"{USERS} ±: standard deviation over seeds, where there is no interval over users." in table.note
    (note,) = sections(folder)["significance"].warnings
    assert note.startswith(f"dns, BPR on ml-100k: left out of all tests. {run / 'per_user.npz'} {said}")
    assert standings_text(read_comparison(folder)).splitlines()[-1] == note


def test_the_caption_says_what_its_brackets_are(tmp_path: Path) -> None:
    """Runs that never kept values by user are compared over seeds."""
    folder = small(tmp_path / "c")
    for path in folder.glob("runs/ml-100k/BPR/dns/*/per_user.npz"):
        path.unlink()
    table, lines = ranked_of(folder)
    assert "95 % intervals over users; those of the differences of dns over seeds." in table.note
    assert lines["dns"]["difference"].low is not None
    assert "over seeds" in lines["dns"]["verdict"]
    for path in folder.glob("runs/**/per_user.npz"):
        path.unlink()
    table, _ = ranked_of(folder)
    assert table.note.startswith("Brackets: 95 % intervals over seeds. ±: standard deviation over seeds")
    assert "over users" not in table.note.partition("Better")[0].replace("no interval over users", "")
