"""What the student sees of a pair: how far the codes of history and candidate agree, and the candidate's codes."""

from __future__ import annotations

import numpy as np

from recbole_dtlns.data.blocks import blocks
from recbole_dtlns.false_negatives.judges.base import JudgeContext

_CHUNK = 1 << 18
"""Comparisons of a candidate with a history item that are held at once."""

_VIEW = ("max", "second", "mean", "relative_max", "relative_mean")
_BOTH = ("both_sum", "both_least", "both_share", "history")


def feature_names(context: JudgeContext) -> list[str]:
    """Names of the columns of `pair_features`; LCP = digits that two codes share from the root on.

    For each view (`co`, `se`): the largest, second largest and mean LCP with the history, the largest and the mean of
    LCP / shorter length, and the share of the history with an LCP of at least 1, 2, ... D. Then over history items that
    are near in both views: the largest sum and the largest minimum of the two LCPs, and the share with both from 1 on;
    the history's length. Then the candidate's digits in both views (-1 = absent) and their number.
    """
    depths = {"co": context.co.shape[1], "se": context.se.shape[1]}
    statistics = [
        f"{view}_{name}"
        for view, depth in depths.items()
        for name in (*_VIEW, *(f"share_{level}" for level in range(1, depth + 1)))
    ]
    digits = [f"{view}_digit_{level}" for view, depth in depths.items() for level in range(1, depth + 1)]
    return [*statistics, *_BOTH, *digits, *(f"{view}_length" for view in depths)]


def pair_features(context: JudgeContext, users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Features of pairs: codes only, nothing about ids, tokens or popularity.

    Args:
        context: histories and codes.
        users: int64 [n]; 0 = padding, has no history.
        items: int64 [n]; 0 = padding, has no code.

    Returns:
        float32 [n, F] in the order of `feature_names`. Statistics are 0 without a history. Time O(sum over pairs of
        history D), memory O(n F) and a bounded block.
    """
    co, se = context.co[items], context.se[items]  # [n, D], [n, D']
    code_lengths = np.stack([(codes >= 0).sum(axis=1) for codes in (co, se)], axis=1)  # [n, 2]
    width = len(feature_names(context)) - co.shape[1] - se.shape[1] - 2
    statistics = np.zeros((len(users), width), dtype=np.float32)
    starts = context.matrix.indptr[users].astype(np.int64)  # [n]
    lengths = context.matrix.indptr[users + 1] - starts  # [n]
    for start, stop in blocks(lengths, _CHUNK):
        pairs = np.arange(start, stop)[lengths[start:stop] > 0]
        if len(pairs):
            statistics[pairs] = _statistics(context, items[pairs], starts[pairs], lengths[pairs])
    return np.concatenate([statistics, co, se, code_lengths], axis=1, dtype=np.float32)


def _statistics(context: JudgeContext, items: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """float32 [n, S]; every pair has a history, in `matrix.indices[starts : starts + lengths]`."""
    first = np.cumsum(lengths) - lengths  # [n] where each pair's comparisons start
    within = np.arange(lengths.sum()) - np.repeat(first, lengths)  # [comparisons]
    history = context.matrix.indices[np.repeat(starts, lengths) + within]
    candidates = np.repeat(items, lengths)
    columns: list[np.ndarray] = []
    shared = []  # LCP of each comparison in each view, int16 [comparisons]
    for codes in (context.co, context.se):
        view, lcp = _view_statistics(codes, candidates, history, first, lengths)
        columns += view
        shared.append(lcp)
    least = np.minimum(*shared)
    columns += [np.maximum.reduceat(shared[0] + shared[1], first), np.maximum.reduceat(least, first)]
    columns += [_sums(least > 0, first) / lengths, lengths]
    return np.stack(columns, axis=1, dtype=np.float32, casting="unsafe")


def _view_statistics(
    codes: np.ndarray, candidates: np.ndarray, history: np.ndarray, first: np.ndarray, lengths: np.ndarray
) -> tuple[list[np.ndarray], np.ndarray]:
    """Columns [n] of one view, and the LCP of each comparison, int16 [comparisons].

    How many history items reach each LCP says what the largest, the second largest and the mean are: an LCP of at
    least t is reached by one item for the largest and by two for the second. Only rows of `codes` that are compared are
    read, whatever the number of items. Absent digits come last in a code, so the levels that both codes have are the
    length of the shorter one.
    """
    lcp = np.zeros(len(candidates), dtype=np.int16)
    shorter = np.zeros(len(candidates), dtype=np.int16)
    same = np.ones(len(candidates), dtype=bool)
    reached = np.zeros((codes.shape[1], len(first)))  # [D, n]
    for level in range(codes.shape[1]):
        digits = codes[:, level]
        mine, other = digits[candidates], digits[history]
        present = (mine >= 0) & (other >= 0)
        same &= present & (mine == other)
        shorter += present
        lcp += same
        reached[level] = _sums(same, first)
    relative = lcp / np.maximum(shorter, 1).astype(np.float32)
    view = [(reached >= 1).sum(axis=0), (reached >= 2).sum(axis=0), reached.sum(axis=0) / lengths]
    view += [np.maximum.reduceat(relative, first), np.add.reduceat(relative, first) / lengths]
    return [*view, *(reached / lengths)], lcp


def _sums(flags: np.ndarray, first: np.ndarray) -> np.ndarray:
    """How many of each pair's comparisons, bool [comparisons], are true: int64 [n]."""
    return np.add.reduceat(flags, first, dtype=np.int64)
