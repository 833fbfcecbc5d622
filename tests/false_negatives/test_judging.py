import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from recbole_dtlns.config.budget import Budget
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.candidates.ranking import Candidates, top_unseen
from recbole_dtlns.false_negatives.judges import Judge, JudgeContext
from recbole_dtlns.false_negatives.judges.judging import judge_pairs
from recbole_dtlns.false_negatives.judges.store import VerdictStore


class Counting(Judge):
    """Answers by a fixed function of the pair, and notes every pair that it was asked about."""

    name, revision = "counting", "1"

    def __init__(self, prompt="p", mass=None):
        self.asked, self._prompt, self._mass = [], prompt, mass

    def settings(self):
        return {"prompt": self._prompt}

    def score(self, users, items):
        self.asked += list(zip(users.tolist(), items.tolist(), strict=True))
        return answer(users, items), None if self._mass is None else np.full(len(users), self._mass)


def answer(users, items):
    return ((users * 7 + items * 3) % 11) / 10


def setting(n_users=20, n_items=30, topk=4):
    """Every item has a code of its own, so every pair is a question of its own."""
    rng = np.random.default_rng(5)
    dense = rng.random((n_users, n_items)) < 0.3
    dense[:, 0] = True
    rows, columns = np.nonzero(dense)
    view = TrainSplit.from_pairs(np.char.zfill(rows.astype(str), 3), np.char.zfill(columns.astype(str), 3))
    numbers = np.arange(view.n_items + 1, dtype=np.int16)
    codes = np.stack([numbers // 6, numbers % 6], axis=1) - np.int16(numbers[:, None] == 0)
    scores = rng.random(view.matrix.shape)
    pairs = top_unseen(view, Budget.parse(topk), lambda users: scores[users], "test")
    return JudgeContext(view.matrix, codes, codes[:, :1]), pairs


def test_every_pair_is_asked_once_and_kept(tmp_path):
    context, pairs = setting()
    judge, again = Counting(mass=0.25), Counting()
    with VerdictStore(tmp_path / "v") as store:
        first = judge_pairs(judge, context, pairs, store, chunk_users=3)
        second = judge_pairs(again, context, pairs, store, chunk_users=7)
    np.testing.assert_array_equal(first.raw, answer(pairs.users, pairs.items))
    np.testing.assert_array_equal(first.mass, np.full(len(pairs), 0.25))
    np.testing.assert_array_equal(second.raw, first.raw)
    np.testing.assert_array_equal(second.mass, first.mass)
    assert (first.asked, first.reused) == (len(pairs), 0)
    assert (second.asked, second.reused, again.asked) == (0, len(pairs), [])
    assert judge.asked == list(zip(pairs.users.tolist(), pairs.items.tolist(), strict=True))  # users side by side


def test_a_larger_top_k_asks_for_the_new_pairs_alone(tmp_path):
    (context, few), (_, many) = setting(topk=4), setting(topk=9)
    judge = Counting()
    with VerdictStore(tmp_path / "v") as store:
        judge_pairs(judge, context, few, store)
        grown = judge_pairs(judge, context, many, store)
        np.testing.assert_array_equal(grown.raw, answer(many.users, many.items))
    assert grown.asked == len(many) - len(few)
    assert len(judge.asked) == len(set(judge.asked)) == len(many)


def test_another_setting_asks_anew(tmp_path):
    context, pairs = setting()
    with VerdictStore(tmp_path / "v") as store:
        judge_pairs(Counting("p"), context, pairs, store)
        assert judge_pairs(Counting("q"), context, pairs, store).asked == len(pairs)


def test_equal_questions_are_asked_once(tmp_path):
    context, _ = setting()
    same = JudgeContext(context.matrix, np.zeros_like(context.co), np.zeros_like(context.se))
    one_user = Candidates(np.ones(3, np.int64), np.array([2, 3, 4]), np.arange(3), np.zeros(3, np.float32), "test")
    judge = Counting()
    with VerdictStore(tmp_path / "v") as store:
        verdicts = judge_pairs(judge, same, one_user, store)
    assert judge.asked == [(1, 2)]
    assert (verdicts.asked, verdicts.reused) == (1, 2)
    assert len(set(verdicts.raw.tolist())) == 1


def test_pairs_without_an_answer_are_asked_again_next_time(tmp_path, caplog):
    context, pairs = setting()

    class Silent(Counting):
        def score(self, users, items):
            raw, mass = super().score(users, items)
            return np.where(items % 5 == 0, np.nan, raw), mass

    with VerdictStore(tmp_path / "v") as store:
        first = judge_pairs(Silent(), context, pairs, store)
        silent = pairs.items % 5 == 0
        np.testing.assert_array_equal(np.isnan(first.raw), silent)
        assert f"no answer for {silent.sum()} of {len(pairs)} pairs" in caplog.text
        second = judge_pairs(Counting(), context, pairs, store)
    assert second.asked == silent.sum() > 0
    np.testing.assert_array_equal(second.raw, answer(pairs.users, pairs.items))


def test_nothing_to_judge(tmp_path):
    context, pairs = setting()
    with VerdictStore(tmp_path / "v") as store:
        verdicts = judge_pairs(Counting(), context, pairs.take(np.zeros(len(pairs), dtype=bool)), store)
    assert (len(verdicts.raw), verdicts.asked, verdicts.reused) == (0, 0, 0)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda n: (np.zeros(n - 1), None), r"gave scores of shape \(.*expected \("),
        (lambda n: (np.zeros((n, 1)), None), r"gave scores of shape \(\d+, 1\); expected \(\d+,\)"),
        (lambda n: (np.zeros(n), np.zeros(1)), r"gave label masses of shape \(1,\)"),
        (lambda n: np.zeros(n), "answered with ndarray.*return scores, None"),
        (lambda n: None, "answered with NoneType"),
        (lambda n: (None, None), "gave None for scores"),
        (lambda n: (["much"] * n, None), "scores that are no numbers"),
        (lambda n: (np.r_[np.zeros(n - 1), 1.5], None), r"1 of \d+ scores outside of 0 to 1, such as 1\.5"),
        (lambda n: (np.r_[np.zeros(n - 1), -np.inf], None), "outside of 0 to 1, such as -inf"),
    ],
)
def test_illegal_answers_are_refused_and_not_stored(tmp_path, answer, message):
    context, pairs = setting()

    class Wrong(Counting):
        def score(self, users, items):
            return answer(len(users))

    with VerdictStore(tmp_path / "v") as store:
        with pytest.raises(UserError, match=f"(?s)The judge counting .*{message}"):
            judge_pairs(Wrong(), context, pairs, store)
        assert judge_pairs(Counting(), context, pairs, store).asked == len(pairs)


def test_log_odds_have_no_bounds_and_rounding_is_no_fault(tmp_path):
    context, pairs = setting()

    class Wide(Counting):
        gives_log_odds = True

        def score(self, users, items):
            return np.where(items % 2, 30.0, -30.0), None

    class Rounded(Counting):
        def score(self, users, items):
            return np.full(len(users), 1, np.float32) + np.float32(1.2e-7), None

    with VerdictStore(tmp_path / "v") as store:
        assert np.abs(judge_pairs(Wide("wide"), context, pairs, store).raw).min() == 30
        assert judge_pairs(Rounded("rounded"), context, pairs, store).raw.max() > 1


def test_a_judge_without_any_answer_is_told_of(tmp_path, caplog):
    context, pairs = setting()

    class Silent(Counting):
        def score(self, users, items):
            return np.full(len(users), np.nan), None

    with VerdictStore(tmp_path / "v") as store:
        assert np.isnan(judge_pairs(Silent(), context, pairs, store).raw).all()
    assert f"no answer (NaN) for any of {len(pairs)} pairs, so no pair is accepted" in caplog.text


def test_ctrl_c_keeps_the_finished_blocks(tmp_path):
    context, pairs = setting()

    class Interrupted(Counting):
        def score(self, users, items):
            if 9 in users:
                raise KeyboardInterrupt
            return super().score(users, items)

    judge = Interrupted()
    with VerdictStore(tmp_path / "v") as store:
        verdicts = judge_pairs(judge, context, pairs, store, chunk_users=4)
        assert len(store) == (pairs.users <= 8).sum() == len(judge.asked)
    assert verdicts.interrupted
    assert verdicts.unjudged == (pairs.users > 8).sum()
    np.testing.assert_array_equal(np.isnan(verdicts.raw), pairs.users > 8)


KILLED = """
import os, signal, sys
sys.path[:0] = {path!r}
from test_judging import Counting, judge_pairs, setting, VerdictStore

class Killed(Counting):
    def score(self, users, items):
        if 13 in users:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().score(users, items)

context, found = setting()
judge_pairs(Killed(), context, found, VerdictStore(sys.argv[1]), chunk_users=4)
"""


def test_a_killed_run_goes_on_where_it_was(tmp_path):
    store_path = tmp_path / "verdicts.sqlite"
    script = KILLED.format(path=[str(Path(__file__).parent), *sys.path])
    killed = subprocess.run(
        [sys.executable, "-c", script, str(store_path)], capture_output=True, timeout=120, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    context, pairs = setting()
    judge = Counting()
    with VerdictStore(store_path) as store:
        finished = pairs.users <= 12
        assert len(store) == finished.sum()
        verdicts = judge_pairs(judge, context, pairs, store, chunk_users=4)
    np.testing.assert_array_equal(verdicts.raw, answer(pairs.users, pairs.items))
    assert {user for user, _ in judge.asked} == set(range(13, 21))
    assert verdicts.reused == finished.sum()
