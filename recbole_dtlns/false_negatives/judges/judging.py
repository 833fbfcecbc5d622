"""Asking a judge about candidate pairs, each question once and for all."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from recbole_dtlns.false_negatives.candidates.ranking import Candidates
from recbole_dtlns.false_negatives.judges.answers import answers_of
from recbole_dtlns.false_negatives.judges.base import InterruptedAnswers, Judge, JudgeContext
from recbole_dtlns.false_negatives.judges.keys import PairKeys
from recbole_dtlns.false_negatives.judges.progress import JudgingProgress
from recbole_dtlns.false_negatives.judges.store import VerdictStore

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Verdicts:
    """Answers for candidate pairs, in their order.

    Attributes:
        raw: float64 [n], NaN where the judge had no answer.
        mass: label mass, float64 [n], NaN where there is none.
        asked: pairs that the judge was asked about.
        reused: pairs answered from the store, or by a pair with the same codes in the same block.
        unjudged: pairs that nobody asked about, for a limit or an interruption; they have no raw score.
        interrupted: whether Ctrl-C ended the judging early.
    """

    raw: np.ndarray
    mass: np.ndarray
    asked: int
    reused: int
    unjudged: int = 0
    interrupted: bool = False

    def spread(self, chosen: np.ndarray) -> Verdicts:
        """Verdicts for all of bool [m] pairs, of which these are the chosen ones; the others are unjudged."""
        raw, mass = np.full(len(chosen), np.nan), np.full(len(chosen), np.nan)
        raw[chosen], mass[chosen] = self.raw, self.mass
        return replace(self, raw=raw, mass=mass, unjudged=self.unjudged + int((~chosen).sum()))


def judge_pairs(
    judge: Judge,
    context: JudgeContext,
    candidates: Candidates,
    store: VerdictStore,
    chunk_users: int | None = None,
    cut: float = 0.5,
) -> Verdicts:
    """Get a raw score for every pair, from the store where it has one.

    Users are taken in blocks; each block's answers are on disk before the next one is asked, so that after a crash or a
    kill at most one block is asked again. Ctrl-C ends the judging early: what was judged so far is
    returned, with `interrupted` set.

    Args:
        judge: made from `context`.
        context: histories and codes.
        candidates: the pairs.
        store: where answers are kept.
        chunk_users: users of a block; None = as the judge wants it (`block_users`).
        cut: raw score from which a pair is shown as accepted while judging runs.

    Raises:
        UserError: the store cannot be used, or the judge gave what is no score for each pair; that is not stored.
    """
    pair_keys = PairKeys(context, judge)
    raw, mass = np.full(len(candidates), np.nan), np.full(len(candidates), np.nan)
    asked, done, interrupted = 0, 0, False
    blocks = _user_blocks(candidates.users, chunk_users or judge.block_users)
    with JudgingProgress(judge, len(candidates), cut) as progress:
        try:
            for start, stop in blocks:
                users, items = candidates.users[start:stop], candidates.items[start:stop]
                keys = pair_keys.of(users, items)
                raw[start:stop], mass[start:stop], asked_now = _answers(judge, users, items, keys, store)
                asked, done = asked + asked_now, stop
                progress.update(raw[start:stop], asked_now)
        except KeyboardInterrupt:
            interrupted = True
            logger.warning(
                "Interrupted after %d of %d pairs. Their verdicts are kept: the same command goes on from there.",
                *(done, len(raw)),
            )
    unanswered = int(np.isnan(raw[:done]).sum())
    if unanswered and unanswered == done:
        logger.warning(
            "The judge %s gave no answer (NaN) for any of %d pairs, so no pair is accepted. Look at its `score`.",
            *(judge.name, done),
        )
    elif unanswered:
        logger.warning("The judge %s gave no answer for %d of %d pairs.", judge.name, unanswered, done)
    return Verdicts(raw, mass, asked, done - asked, len(raw) - done, interrupted)


def _answers(
    judge: Judge, users: np.ndarray, items: np.ndarray, keys: list[bytes], store: VerdictStore
) -> tuple[np.ndarray, np.ndarray, int]:
    """Raw scores and label masses of a block, float64 [b] each, and the number of pairs that the judge was asked."""
    raw, mass = store.get(keys)
    missing = _first_of_each(keys, np.flatnonzero(np.isnan(raw)))
    if missing:
        _ask(judge, users, items, keys, missing, store)
        raw, mass = store.get(keys)
    return raw, mass, len(missing)


def _ask(
    judge: Judge, users: np.ndarray, items: np.ndarray, keys: list[bytes], missing: list[int], store: VerdictStore
) -> None:
    stopped: InterruptedAnswers | None = None
    try:
        raw, mass = answers_of(judge, users[missing], items[missing])
    except InterruptedAnswers as error:
        raw, mass, stopped = error.raw, error.mass, error
    store.put([keys[place] for place in missing], raw, mass)
    if stopped is not None:
        raise stopped


def _first_of_each(keys: list[bytes], places: np.ndarray) -> list[int]:
    first: dict[bytes, int] = {}
    for place in places.tolist():
        first.setdefault(keys[place], place)
    return list(first.values())


def _user_blocks(users: np.ndarray, chunk_users: int) -> Iterator[tuple[int, int]]:
    """(start, stop) of each run of `chunk_users` users in sorted int64 [n]."""
    new_user = np.flatnonzero(np.diff(users, prepend=-1))
    yield from pairwise([*new_user[:: max(1, chunk_users)].tolist(), len(users)])
