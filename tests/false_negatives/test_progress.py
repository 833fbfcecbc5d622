"""What a user sees while judging runs."""

import logging

import numpy as np
import pytest

from recbole_dtlns.false_negatives.judges import progress
from recbole_dtlns.false_negatives.judges.base import Usage
from recbole_dtlns.false_negatives.judges.progress import JudgingProgress
from recbole_dtlns.false_negatives.judges.rule import RuleJudge


@pytest.fixture
def clock(monkeypatch):
    """Seconds that the test sets."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_log_gets_a_line_a_minute_with_rate_time_left_share_and_tokens(clock, caplog):
    judge = RuleJudge(None)
    judge.usage = Usage(prompt_tokens=12345)
    with caplog.at_level(logging.INFO), JudgingProgress(judge, 400, cut=0.5) as shown:
        clock[0] += 59
        shown.update(np.array([0.6] * 50), asked=50)
        assert not caplog.messages
        clock[0] += 1
        shown.update(np.array([0.6, 0.4, np.nan, 0.5] + [0.1] * 46), asked=10)
    (line,) = caplog.messages
    assert "judging (rule): 100 of 400 pairs, 1.0 pairs/s, at most 5 min left" in line
    assert "53% at or above the threshold, 12,345 tokens" in line


def test_a_judge_without_a_language_model_counts_no_tokens(clock, caplog):
    with caplog.at_level(logging.INFO), JudgingProgress(RuleJudge(None), 10, cut=0.5) as shown:
        clock[0] += 60
        shown.update(np.array([0.6, 0.4]), asked=2)
    (line,) = caplog.messages
    assert line.endswith("50% at or above the threshold")
