"""Whether a difference holds over users.

The tests are the paired t test and the sign-flip permutation test, both two-sided, with a bootstrap interval.
Wilcoxon's signed-rank test and the sign test are left out on purpose: over as many users as recommender data have, they
reject too often, while t, permutation and bootstrap keep their level (Ihemelandu and Ekstrand, Inference at Scale:
Significance Testing for Large Search and Recommendation Experiments, SIGIR 2023, https://arxiv.org/abs/2305.02461).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recbole_dtlns.comparison.statistics.paired import LEVEL, paired_t

DRAWS, _FEWEST_DRAWS = 10_000, 1_000
_WORK = 200_000_000  # draws times users
_CELLS = 1 << 21  # draws times users at a time; some 50 bytes each
_ROUNDING = 1e-10  # two sums that differ by less than this share of all that was added are taken as equal


@dataclass(frozen=True)
class UserComparison:
    """Two rows compared over users.

    Attributes:
        n: users.
        difference: mean of a - b.
        interval: 95 % percentile bootstrap interval of the mean difference; None with one user.
        t_p: of the paired t test; None with one user, and where the difference is the same for every user and not 0.
        permutation_p: of the sign-flip test, (draws at least as far from 0 + 1) / (draws + 1); None with one user.
        effect: Cohen's d of the differences, mean / standard deviation; None where t_p is.
        draws: resamples and sign flips made.
    """

    n: int
    difference: float
    interval: tuple[float, float] | None
    t_p: float | None
    permutation_p: float | None
    effect: float | None
    draws: int


def compare_columns(
    values: np.ndarray, pairs: Sequence[tuple[int, int]], generator: np.random.Generator, draws: int = DRAWS
) -> list[UserComparison]:
    """Compare many rows at once; all pairs share the same resamples and the same sign flips.

    A pair's outcome depends on its two columns and the generator alone, not on the other pairs. O(draws n columns)
    time; memory beside the input about 100 MB, or 50 bytes a user where that is more.

    Args:
        values: float [n, columns], a user a row.
        pairs: columns (a, b) to compare, the difference being a - b.
        generator: of resamples and sign flips.
        draws: of each kind; fewer for many users, so that draws times users stays below 2e8, but 1,000 at least.

    Raises:
        ValueError: no user, or draws below 1.
    """
    values = np.asarray(values, dtype=np.float64)
    n = len(values)
    if n == 0 or draws < 1:
        raise ValueError(f"At least one user and one draw are needed; found {n} and {draws}.")
    draws = min(draws, max(_FEWEST_DRAWS, _WORK // n))
    first, second = np.asarray(pairs, dtype=np.int64).reshape(-1, 2).T
    tests = [paired_t(values[:, i], values[:, j]) for i, j in zip(first, second, strict=True)]
    means = values.mean(axis=0)
    differences = means[first] - means[second]
    if n < 2:
        return [UserComparison(n, float(d), None, None, None, None, 0) for d in differences]
    low, high = _bootstrap(values, first, second, generator, draws)
    permutation_p = _sign_flip(values, first, second, generator, draws)
    return [
        UserComparison(
            n, float(differences[k]), (float(low[k]), float(high[k])), t.p, float(permutation_p[k]), t.effect, draws
        )
        for k, t in enumerate(tests)
    ]


def _bootstrap(
    values: np.ndarray, first: np.ndarray, second: np.ndarray, generator: np.random.Generator, draws: int
) -> np.ndarray:
    """Ends of the percentile intervals, float64 [2, pairs]; users are drawn with replacement, as many as there are."""
    n = len(values)
    means = np.empty((draws, values.shape[1]))
    for start, stop in _blocks(draws, n):
        drawn = generator.integers(n, size=(stop - start, n))
        drawn += np.arange(stop - start)[:, None] * n
        times = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape)  # each user in each resample
        means[start:stop] = times.astype(np.float64) @ values / n
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    ends = [np.quantile(means[:, i] - means[:, j], tails) for i, j in zip(first, second, strict=True)]
    return np.array(ends).reshape(-1, 2).T


def _sign_flip(
    values: np.ndarray, first: np.ndarray, second: np.ndarray, generator: np.random.Generator, draws: int
) -> np.ndarray:
    """p values, float64 [pairs]; under the null hypothesis each user's difference may as well have the other sign."""
    n = len(values)
    total = values.sum(axis=0)
    observed = np.abs(total[first] - total[second])
    # Metrics take few values, so flips often give the observed sum exactly: rounding must not decide about those.
    magnitude = np.abs(values).sum(axis=0)
    least = observed - _ROUNDING * (magnitude[first] + magnitude[second])
    hits = np.zeros(len(first), dtype=np.int64)
    for start, stop in _blocks(draws, n):
        packed = np.frombuffer(generator.bytes((stop - start) * ((n + 7) // 8)), dtype=np.uint8)
        kept = np.unpackbits(packed.reshape(stop - start, -1), axis=1, count=n)
        flipped = 2 * (kept.astype(np.float64) @ values) - total  # kept ones count +1, the others -1
        hits += (np.abs(flipped[:, first] - flipped[:, second]) >= least).sum(axis=0)
    result: np.ndarray = (hits + 1) / (draws + 1)
    return result


def _blocks(draws: int, n: int) -> list[tuple[int, int]]:
    # Their size depends on n alone, so that the same generator gives the same draws whatever is compared.
    size = max(1, _CELLS // n)
    return [(start, min(start + size, draws)) for start in range(0, draws, size)]
