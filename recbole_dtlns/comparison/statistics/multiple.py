"""p values of several tests at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import false_discovery_control


def holm(p: np.ndarray | Sequence[float]) -> np.ndarray:
    """Adjusted p values that keep the chance of any false finding at the level.

    Holm, A Simple Sequentially Rejective Multiple Test Procedure, 1979: the k-th smallest of m values is multiplied by
    m - k + 1, and none may fall below the one before it. O(m log m).

    Args:
        p: float [m]; NaN = no test, which stays NaN and does not count.

    Returns:
        float64 [m], at most 1.

    Raises:
        ValueError: a value outside 0 ... 1.
    """
    p, tested = _checked(p)
    found = np.full(len(p), np.nan)
    order = np.argsort(p[tested], kind="stable")
    scaled = p[tested][order] * np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    found[tested] = adjusted
    return found


def benjamini_hochberg(p: np.ndarray | Sequence[float]) -> np.ndarray:
    """Adjusted p values that keep the share of false findings among all findings at the level.

    Benjamini and Hochberg, Controlling the False Discovery Rate, 1995, as `scipy.stats.false_discovery_control` has it.

    Args:
        p: float [m]; NaN = no test, which stays NaN and does not count.

    Returns:
        float64 [m], at most 1.

    Raises:
        ValueError: a value outside 0 ... 1.
    """
    p, tested = _checked(p)
    found = np.full(len(p), np.nan)
    if tested.any():
        found[tested] = false_discovery_control(p[tested], method="bh")
    return found


def _checked(p: np.ndarray | Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    values = np.asarray(p, dtype=np.float64)
    tested = ~np.isnan(values)
    if ((values[tested] < 0) | (values[tested] > 1)).any():
        raise ValueError(f"p values lie between 0 and 1; found {values[tested].min()} ... {values[tested].max()}.")
    return values, tested
