"""What `compare` ends with on the console."""

import re

import pytest
from fake_runs import small_plan
from made import make_comparison

from recbole_dtlns.comparison.report.standings import standings_text
from recbole_dtlns.comparison.run.execute import DONE, FAILED_RUN, READY, Job, Outcome
from recbole_dtlns.comparison.run.progress import Progress
from recbole_dtlns.comparison.run.records import read_comparison
from recbole_dtlns.comparison.run.runs import runs_of


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    changes = {"models": ("LightGCN",), "noise": (0.0,), "trials": 0, "seeds": (1, 2)}
    folder = make_comparison(tmp_path_factory.mktemp("standings") / "made", failed=None, **changes)
    return standings_text(read_comparison(folder))


def test_rows_stand_from_best_to_worst_and_marked_ones_have_no_rank(table):
    rows = [re.split(r"\s{2,}", line.strip()) for line in table.splitlines()[3:] if not line.startswith("Marked")][:-1]
    unmarked = [row for row in rows if "(marked)" not in row[1]]
    assert [row[0] for row in unmarked] == [str(number) for number in range(1, len(unmarked) + 1)]
    assert {row[0] for row in rows if "(marked)" in row[1]} == {"–"}
    values = [row[2] for row in rows]
    assert values == sorted(values, reverse=True)
    assert [row[4] for row in rows if row[1] == "recbole:uniform"] == ["the baseline"]
    assert "Marked: dtl_ns@llm: reference protocol (uses test labels)." in table


def test_the_last_line_is_the_verdict(table):
    assert re.match(
        r"dtl_ns@rule is \w+ of 6 on NDCG@20: \+\.\d{4} over RecBole's uniform sampling, certain over users",
        table.splitlines()[-1],
    )


def test_progress_counts_what_runs_and_not_what_was_ready(caplog):
    caplog.set_level("INFO")
    plan = small_plan("dns", trials=3)
    runs = runs_of(plan, plan.cells()[0])
    ready, refused, *others = runs
    progress = Progress(runs, 1, lambda: 1, {ready.run_id, refused.run_id})
    with progress.shown():
        progress.ended_with(Outcome(Job(ready), READY, 10.0))
        progress.ended_with(Outcome(Job(others[0]), DONE, 10.0))
        progress.ended_with(Outcome(Job(refused), FAILED_RUN, reason="other keys"))
    assert [message.partition("; ")[0] for message in caplog.messages] == [
        "3 runs to make",
        f"[1/3] done in 10 s: {others[0].run_id}",
        f"[2/4] failed: {refused.run_id}: other keys",
    ]
    assert caplog.messages[0] == "3 runs to make; 2 runs finished before."
    assert "2 left" in caplog.messages[1]


def test_nothing_runs_when_nothing_is_left(caplog):
    """The runs that are looked at may all be finished ones."""
    caplog.set_level("INFO")
    ready, last = runs_of(plan := small_plan("dns"), plan.cells()[0])
    progress = Progress([ready, last], 1, lambda: 1, {ready.run_id})
    progress.ended_with(Outcome(Job(last), DONE, 10.0))
    assert caplog.messages == [f"[1/1] done in 10 s: {last.run_id}; 0 left, 0 running, 0 failed"]
