"""What a comparison says of runs that are still at work."""

import os

import pytest
from fake_runs import small_plan

from recbole_dtlns.comparison.run import at_work, progress
from recbole_dtlns.comparison.run.at_work import AtWork
from recbole_dtlns.comparison.run.progress import Progress
from recbole_dtlns.comparison.run.runs import all_runs
from recbole_dtlns.files.epoch_log import EPOCHS, write_row

WORKING = """
import os, time
open({epochs!r}, "w").write("epoch,train_loss,ndcg@20\\n0,2.5,\\n1,1.5,0.25\\n")
time.sleep(2.5)
os.replace({made!r}, {result!r})
"""


@pytest.fixture
def clock(monkeypatch):
    """A list whose only number is the time in `at_work`."""
    now = [1000.0]
    monkeypatch.setattr(at_work.time, "time", lambda: now[0])
    return now


@pytest.fixture
def run(tmp_path, clock):
    return AtWork("toy/BPR/dns/seed-3", tmp_path, 100, "NDCG@20", clock[0])


def written(run, epoch, values, at):
    write_row(run.home / EPOCHS, epoch, values)
    os.utime(run.home / EPOCHS, (at, at))


def test_the_line_has_the_last_epoch_and_the_last_value_of_valid(run, clock):
    clock[0] += 720
    assert run.line() == "at work for 12 min: toy/BPR/dns/seed-3: no epoch done yet since its start"
    written(run, 0, {"train_loss": 2.0}, clock[0])
    assert run.line().endswith("seed-3: 1 of at most 100 epochs done")
    written(run, 1, {"train_loss": 1.0, "ndcg@20": 0.04512}, clock[0])
    written(run, 2, {"train_loss": 1.0}, clock[0])
    assert run.line().endswith("seed-3: 3 of at most 100 epochs done, valid NDCG@20 0.0451")


def test_epochs_of_an_earlier_start_are_not_told_as_of_this_one(run, clock):
    written(run, 7, {"ndcg@20": 0.3}, clock[0] - 60)
    assert "no epoch done yet since its start" in run.line()


def test_a_damaged_file_ends_nothing(run, clock):
    (run.home / EPOCHS).write_text("epoch,ndcg@20\n1,")
    assert "no epoch done yet since its start" in run.line()


def test_each_run_is_told_of_every_five_minutes(run, clock, caplog):
    caplog.set_level("INFO")
    shown = Progress(all_runs(small_plan("dns")), 1, lambda: 1)
    for seconds in (299, 300, 301, 599, 600, 650, 1500):
        clock[0] = run.began + seconds
        shown.tell([run])
    assert [message.split(":")[0] for message in caplog.messages] == [
        "at work for 5 min",
        "at work for 10 min",
        "at work for 25 min",
    ]


def test_a_comparison_tells_of_its_runs(compared, monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.setattr(progress, "_TOLD_EVERY", 1)
    plan = small_plan("dns", seeds=(3,))
    home = "compared/runs/toy/BPR/dns/seed-3"
    names = {"epochs": f"{home}/epochs.csv", "made": f"{home}/made.json", "result": f"{home}/result.json"}
    _, program = compared(plan, {"toy/BPR/dns/seed-3": WORKING.format(**names)})
    assert len(program.started) == 1
    told = [message for message in caplog.messages if message.startswith("at work for")]
    assert told
    assert all("toy/BPR/dns/seed-3: 2 of at most 2 epochs done, valid NDCG@20 0.2500" in message for message in told)
