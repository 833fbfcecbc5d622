"""On which scale the student learns its teacher's answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recbole_dtlns.false_negatives.student.model import SURE


@dataclass(frozen=True)
class Scale:
    """How the teacher's answers become margins.

    Attributes:
        yes: answers from here on become SURE and those below -SURE, as log-odds; None = answers stay as they are.
        cut: margin from which a pair is positive.
        notes: what a reader of the report must know about it.
    """

    yes: float | None
    cut: float
    notes: list[str]

    def margins(self, raw: np.ndarray) -> np.ndarray:
        """Answers, float64 [n], as margins; NaN, no answer, stays NaN."""
        if self.yes is None:
            return raw
        return np.where(np.isnan(raw), np.nan, np.where(raw >= self.yes, SURE, -SURE))


def scale_of(raw: np.ndarray, cut: float) -> Scale:
    """How the labelled answers, float64 [n] without NaN, are learnt, and from where on a margin is positive.

    Two answers, one on each side of the cut, are yes and no. Answers all on one side keep their scale, but are told
    apart in their middle: the median, or of two answers, half way between them.
    """
    distinct = np.unique(raw)
    if len(distinct) == 1:
        return Scale(None, cut, [f"The teacher gave the same answer, {distinct[0]:g}, to all labelled pairs."])
    if len(distinct) == 2 and distinct[0] < cut <= distinct[1]:
        note = (
            f"The teacher gave two answers, {distinct[0]:g} and {distinct[1]:g}; they count as log-odds of {-SURE:g} "
            f"and {SURE:g}, positive from 0."
        )
        return Scale(cut, 0.0, [note])
    positive = raw >= cut
    if positive.any() and not positive.all():
        return Scale(None, cut, [])
    middle = float(np.median(distinct if len(distinct) == 2 else raw))
    side = "at or above" if positive.all() else "below"
    return Scale(None, middle, [f"All labelled margins are {side} {cut:g}; the cut is their middle, {middle:.4g}."])
