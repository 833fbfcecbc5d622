"""How far two index trees agree: in their leaves, and depth by depth."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score

from recbole_dtlns.trees.codes import CodeTable


def leaf_agreement(a: CodeTable, b: CodeTable) -> float:
    """Adjusted Rand index of the leaves of two trees over the items coded in both.

    Args:
        a: one tree.
        b: the other, in any numbering; its items are matched by token.

    Returns:
        1.0 for the same leaves, about 0 for unrelated ones (it may be slightly negative); 0.0 where no item is coded
        in both. O(I log I).

    Source: Hubert & Arabie 1985, through scikit-learn.
    """
    first, second = a.leaves(), b.for_tokens(a.tokens).leaves()
    both = (first > 0) & (second > 0)
    return float(adjusted_rand_score(first[both], second[both])) if np.any(both) else 0.0


def elsewhere(codes: np.ndarray, rebuilt: np.ndarray) -> np.ndarray:
    """Which items are not in the counterpart of their cluster, whatever the clusters are called.

    Clusters are matched from the root down: the roots are counterparts, and the children of two counterparts are
    matched so that most items are common. A cluster has one counterpart at most. An item that was elsewhere at one
    depth is elsewhere at all that follow. A leaf stands for itself at greater depths. O(I D log I), and
    O(children^3) for each cluster.

    Args:
        codes: int [n, D], -1 = padding after the end of a code; each item has one.
        rebuilt: codes of the same items, int [n, E].

    Returns:
        bool [n, max(D, E)]: True = elsewhere at depth 1, 2, ...
    """
    depth = max(codes.shape[1], rebuilt.shape[1])
    first, second = _padded(codes, depth), _padded(rebuilt, depth)
    result = np.ones((len(codes), depth), dtype=bool)
    together = np.arange(len(codes))  # items that are in counterparts so far
    pair = np.zeros(len(codes), dtype=np.int64)  # the pair of counterparts, of these items
    for level in range(depth):
        a = np.unique(np.stack([pair, first[together, level]]), axis=1, return_inverse=True)[1].reshape(-1)
        b = np.unique(np.stack([pair, second[together, level]]), axis=1, return_inverse=True)[1].reshape(-1)
        matched = _counterparts(pair, a, b)
        agree = matched[a] == b
        together, pair = together[agree], a[agree]
        pair = np.unique(pair, return_inverse=True)[1].reshape(-1)
        result[together, level] = False
    return result


def _padded(codes: np.ndarray, depth: int) -> np.ndarray:
    return np.pad(codes, ((0, 0), (0, depth - codes.shape[1])), constant_values=-1)


def _counterparts(pair: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """For each child `a` the child `b` of the same pair of parents that it is matched with; -1 = none.

    Args:
        pair: of the parents of each item, int64 [n], sorted numbers 0, 1, ... without gaps.
        a: child of each item in the one tree, int64 [n], numbered over all parents, those of one parent in a row.
        b: the same in the other tree.
    """
    matched = np.full(int(a.max(initial=-1)) + 1, -1, dtype=np.int64)
    order = np.argsort(pair, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(pair[order])) + 1):
        if not len(rows):
            continue
        low_a, low_b = a[rows].min(), b[rows].min()
        shape = int(a[rows].max() - low_a) + 1, int(b[rows].max() - low_b) + 1
        common = np.zeros(shape, dtype=np.int64)
        np.add.at(common, (a[rows] - low_a, b[rows] - low_b), 1)
        left, right = linear_sum_assignment(common, maximize=True)
        matched[low_a + left] = low_b + right
    return matched
