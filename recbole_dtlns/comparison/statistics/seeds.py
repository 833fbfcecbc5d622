"""Whether a difference holds over seeds of the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recbole_dtlns.comparison.statistics.paired import paired_t

FEWEST_FOR_EFFECT = 5
"""Seeds. The standard deviation of fewer differences is a guess, and an effect divided by it says nothing."""


@dataclass(frozen=True)
class SeedComparison:
    """Two rows compared over seeds.

    Attributes:
        n: seeds.
        difference: mean of a - b.
        interval: 95 % t interval of the mean difference; None with fewer than two seeds.
        p: of the two-sided paired t test; None with fewer than two seeds, and where the difference is the same at
            every seed and not 0.
        effect: Cohen's d of the differences; None where p is, and below `FEWEST_FOR_EFFECT` seeds. Seeds vary far less
            than users do, so it is far larger than the effect over users and not to be set beside it.
    """

    n: int
    difference: float
    interval: tuple[float, float] | None
    p: float | None
    effect: float | None


def compare_seeds(a: np.ndarray | Sequence[float], b: np.ndarray | Sequence[float]) -> SeedComparison:
    """Compare a metric of two rows, each a mean over users, run by run.

    Args:
        a: float [n], a run each.
        b: float [n], the runs of the same seeds in the same order.

    Raises:
        ValueError: no run, or not as many of both.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1 or len(a) == 0:
        raise ValueError(f"One value a seed is needed for both rows; found shapes {a.shape} and {b.shape}.")
    test = paired_t(a, b)
    effect = test.effect if len(a) >= FEWEST_FOR_EFFECT else None
    return SeedComparison(len(a), float((a - b).mean()), test.interval, test.p, effect)
