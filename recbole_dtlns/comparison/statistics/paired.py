"""What tests over users and over seeds have in common: the paired t test and the size of an effect.

The test is `scipy.stats.ttest_rel`; it stands here in three lines, as importing `scipy.stats` takes half a second.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

LEVEL = 0.95
"""Of every interval."""
_ROUNDING = 1e-12  # differences that vary by less than this share of their size do not vary


@dataclass(frozen=True)
class PairedT:
    """A two-sided paired t test.

    Attributes:
        p: None where there is none: fewer than two pairs, or differences that do not vary and are not 0 (the t value
            would be infinite, whatever their number). Differences that are all 0 have p = 1.
        interval: 95 % t interval of the mean difference; None with fewer than two pairs.
        effect: Cohen's d of the differences, mean / standard deviation; 0 where all are 0, None where p is None.
    """

    p: float | None
    interval: tuple[float, float] | None
    effect: float | None


def paired_t(a: np.ndarray, b: np.ndarray) -> PairedT:
    """Compare the means of two float64 [n] arrays whose entries belong together."""
    difference = a - b
    mean = float(difference.mean())
    if len(difference) < 2:
        return PairedT(None, None, None)
    spread = float(difference.std(ddof=1))
    if spread <= _ROUNDING * max(float(np.abs(a).max()), float(np.abs(b).max())):
        same = not difference.any()
        return PairedT(1.0 if same else None, (mean, mean), 0.0 if same else None)
    freedom, error = len(difference) - 1, spread / np.sqrt(len(difference))
    p, half = 2 * stdtr(freedom, -abs(mean) / error), stdtrit(freedom, (1 + LEVEL) / 2) * error
    return PairedT(float(p), (float(mean - half), float(mean + half)), mean / spread)
