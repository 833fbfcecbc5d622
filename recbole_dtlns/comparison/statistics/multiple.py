"""p values of several tests at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np


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
    return _among_tested(p, _holm)


def benjamini_hochberg(p: np.ndarray | Sequence[float]) -> np.ndarray:
    """Adjusted p values that keep the share of false findings among all findings at the level.

    Benjamini and Hochberg, Controlling the False Discovery Rate, 1995: the k-th smallest of m values is multiplied by
    m / k, and none may rise above the one after it. O(m log m).

    Args:
        p: float [m]; NaN = no test, which stays NaN and does not count.

    Returns:
        float64 [m], at most 1.

    Raises:
        ValueError: a value outside 0 ... 1.
    """
    return _among_tested(p, _benjamini_hochberg)


def _holm(p: np.ndarray) -> np.ndarray:
    order = np.argsort(p, kind="stable")
    scaled = p[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted


def _benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    order = np.argsort(p, kind="stable")
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return adjusted


def _among_tested(p: np.ndarray | Sequence[float], adjust: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Adjust the values that are there; NaN stays where it is."""
    adjusted = np.array(p, dtype=np.float64)
    tested = ~np.isnan(adjusted)
    values = adjusted[tested]
    if ((values < 0) | (values > 1)).any():
        raise ValueError(f"p values lie between 0 and 1; found {values.min()} ... {values.max()}.")
    if len(values):
        adjusted[tested] = adjust(values)
    return adjusted
