"""What a judge answers, looked at before anything is made of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.judges.base import InterruptedAnswers, Judge

_ROUNDING = 1e-6  # scores in float32 may lie so far outside of 0 .. 1

Answers = tuple[np.ndarray, np.ndarray | None]


def answers_of(judge: Judge, users: np.ndarray, items: np.ndarray) -> Answers:
    """Raw scores of pairs int64 [n], float64 [n], and label masses, float64 [n] or None.

    Raises:
        UserError: they are of another kind or shape, or lie outside of what the judge declares.
        InterruptedAnswers: Ctrl-C came; its answers are checked as well.
    """
    try:
        given: Any = judge.score(users, items)
    except InterruptedAnswers as error:
        raise InterruptedAnswers(*_checked(judge, (error.raw, error.mass), len(users))) from error
    return _checked(judge, given, len(users))


def _checked(judge: Judge, given: Any, n: int) -> Answers:
    if not isinstance(given, tuple) or len(given) != 2:
        raise UserError(
            f"The judge {judge.name} answered with {type(given).__name__}; expected two things, the scores of the "
            "pairs and their label masses or None. End its `score` with: return scores, None"
        )
    raw, mass = (
        _numbers(judge, name, answer, n) for name, answer in zip(("scores", "label masses"), given, strict=True)
    )
    if raw is None:
        raise UserError(
            f"The judge {judge.name} gave None for scores; expected {n} numbers. Give NaN for a pair without an answer."
        )
    if not judge.gives_log_odds:
        outside = (raw < -_ROUNDING) | (raw > 1 + _ROUNDING)
        if outside.any():
            raise UserError(
                f"The judge {judge.name} gave {outside.sum()} of {n} scores outside of 0 to 1, such as "
                f"{raw[outside][0]:g}. Give scores from 0 (no positive) to 1 (positive), or declare "
                "gives_log_odds = True if they are log-odds."
            )
    return raw, mass


def _numbers(judge: Judge, name: str, answer: Any, n: int) -> np.ndarray | None:
    if answer is None:
        return None
    try:
        numbers = np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"The judge {judge.name} gave {name} that are no numbers ({type(answer).__name__}: {error}); expected an "
            f"array of {n}, one for each pair."
        ) from error
    if numbers.shape != (n,):
        raise UserError(
            f"The judge {judge.name} gave {name} of shape {numbers.shape}; expected ({n},), one for each pair."
        )
    return numbers
