"""How far two index trees say the same."""

from __future__ import annotations

import numpy as np
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
