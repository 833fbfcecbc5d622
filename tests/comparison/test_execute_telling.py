"""What a comparison says while it runs, and how long it will take."""

import io
import sys

import pytest
from fake_runs import small_plan

from recbole_dtlns.comparison.run.estimate import Estimate, spoken
from recbole_dtlns.comparison.run.execute import (
    DONE,
    FAILED_RUN,
    Job,
    Outcome,
    run_seconds,
    valid_score,
)
from recbole_dtlns.comparison.run.outlook import least_epochs
from recbole_dtlns.comparison.run.progress import Progress
from recbole_dtlns.comparison.run.runs import runs_of
from recbole_dtlns.engines.reason import failure_reason


def test_score_has_the_sign_that_makes_more_better():
    config = {"valid_metric": "NDCG@20", "valid_metric_bigger": True}
    assert valid_score({"best_valid_result": {"ndcg@20": 0.3}}, config) == 0.3
    lower = {"valid_metric": "LogLoss", "valid_metric_bigger": False}
    assert valid_score({"best_valid_result": {"logloss": 0.3}}, lower) == -0.3
    assert valid_score({"best_valid_result": {"ndcg@20": float("nan")}}, config) is None
    assert valid_score({"best_valid_result": None}, config) is None


def test_seconds_of_sampling_are_part_of_training():
    assert run_seconds({"seconds": {"trees": None, "training": 2.0, "sampling": 1.0, "evaluation": 0.5}}) == 2.5


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("x\nrecbole-dtlns: There is no file a.tsv.\n", "There is no file a.tsv."),
        ("1 Nov 10:00 ERROR  Failed: ValueError: bad\nTraceback\n  File\nValueError: bad\n", "Failed: ValueError: bad"),
        ("INFO one\n\nRuntimeError: last\n\n", "RuntimeError: last"),
        ("", "ended with status 1 and said nothing"),
    ],
)
def test_reason_of_a_failure(tmp_path, output, reason):
    (tmp_path / "stderr.txt").write_text(output)
    assert failure_reason(1, tmp_path / "stderr.txt") == reason


def test_progress_counts_what_has_ended_and_what_has_failed(caplog):
    caplog.set_level("INFO")
    plan = small_plan("dns", trials=3)
    trials, seeds = runs_of(plan, plan.cells()[0])[:3], runs_of(plan, plan.cells()[0])[3:]
    progress = Progress([*trials, *seeds], 1, lambda: 1)
    progress.ended_with(Outcome(Job(trials[0]), DONE, 10.0))
    progress.ended_with(Outcome(Job(trials[1]), FAILED_RUN, 90.0, reason="bad"))
    progress.dropped(trials[2])
    progress.lost(seeds[0], "no trial")
    progress.ended_with(Outcome(Job(seeds[1]), DONE, 10.0))
    assert caplog.messages == [
        "[1/5] done in 10 s: toy/BPR/dns/trial-0; 4 left, 1 running, 0 failed, about 40 s to go",
        "[2/5] failed: toy/BPR/dns/trial-1: bad; 3 left, 1 running, 1 failed, about 30 s to go",
        "[3/4] not run: toy/BPR/dns/seed-3: no trial",
        "[4/4] done in 10 s: toy/BPR/dns/seed-4; 0 left, 0 running, 2 failed",
    ]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_bar_follows_the_runs_at_work(monkeypatch):
    monkeypatch.setattr("sys.stderr", Terminal())
    plan, running = small_plan("dns"), [0]
    progress = Progress(runs_of(plan, plan.cells()[0]), 1, lambda: running[0])
    with progress.shown():
        assert "0/2 runs, 2 left, 0 running, 0 failed" in sys.stderr.getvalue()
        running[0] = 1
        progress.tick()
        assert "0/2 runs, 2 left, 1 running, 0 failed" in sys.stderr.getvalue()


def test_the_log_says_how_many_runs_are_at_work_and_left(compared, caplog):
    caplog.set_level("INFO")
    compared(small_plan("dns"))
    ended = [message for message in caplog.messages if message.startswith("[")]
    assert ["1 left, 1 running, 0 failed" in ended[0], "0 left, 0 running, 0 failed" in ended[1]] == [True, True]


def test_estimate():
    estimate = Estimate([("a", "m")] * 4 + [("b", "m")] * 2, jobs=2)
    assert estimate.seconds_left() is None
    estimate.finished(("a", "m"), 10.0)
    assert estimate.seconds_left() == (3 * 10 + 2 * 10) / 2
    estimate.finished(("b", "m"), 40.0)
    estimate.finished(("a", "m"), None)
    assert estimate.seconds_left() == (2 * 10 + 1 * 40) / 2


@pytest.mark.parametrize(
    ("seconds", "text"), [(3.4, "3 s"), (99, "99 s"), (2460, "41 min"), (7500, "2 h 5 min"), (273600, "3 d 4 h")]
)
def test_spoken(seconds, text):
    assert spoken(seconds) == text


def test_least_epochs_is_where_early_stopping_can_end_a_run_first():
    """As RecBole counts: worse evaluations one after the other, until there are more than `stopping_step`."""
    from recbole.utils import early_stopping

    config = {"stopping_step": 3, "eval_step": 2, "epochs": 100}
    best, step, epochs, stop = -float("inf"), 0, 0, False
    for score in range(100, 0, -1):
        epochs += config["eval_step"]
        best, step, stop, _ = early_stopping(score, best, step, max_step=config["stopping_step"])
        if stop:
            break
    assert least_epochs(config) == epochs
    assert least_epochs({**config, "epochs": 4}) == 4
