"""The judge that compares code prefixes, the rule that the prompt of DTL-NS describes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from recbole_dtlns.config.parsers import Key
from recbole_dtlns.data.blocks import each_block
from recbole_dtlns.false_negatives.judges.base import Judge, JudgeContext
from recbole_dtlns.trees.lcp import lcp_similarity

_CHUNK = 1 << 19
"""Comparisons of a candidate with a history item that are held at once."""


class RuleJudge(Judge):
    """Raw = largest LCP(candidate, history item) / min(length, length) over the user's history and both trees.

    Wang et al., https://arxiv.org/abs/2602.18249, ask a language model for this by prompt; here it is computed.
    """

    name = "rule"
    revision = "1"
    keys: ClassVar[Mapping[str, Key]] = {}
    asks_model = False
    online = True
    about = "compares codes, no language model"

    def __init__(self, context: JudgeContext) -> None:
        self._context = context

    def settings(self) -> dict[str, Any]:
        """Nothing to set."""
        return {}

    def score(self, users: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, None]:
        """Raw scores of pairs int64 [n] -> float64 [n] to six decimals, 0 without a history; no label mass.

        O(sum over pairs of history D) time, bounded memory.
        """
        raw = np.zeros(len(users))
        indptr = self._context.matrix.indptr.astype(np.int64)
        lengths = indptr[users + 1] - indptr[users]  # [n]

        def compare(start: int, stop: int) -> None:
            pairs = np.arange(start, stop)[lengths[start:stop] > 0]
            if len(pairs):
                raw[pairs] = self._largest(items[pairs], indptr[users[pairs]], lengths[pairs])

        each_block(compare, lengths, _CHUNK)
        return raw, None

    def _largest(self, items: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        first = np.cumsum(lengths) - lengths  # [n] where each pair's comparisons start
        within = np.arange(lengths.sum()) - np.repeat(first, lengths)  # [comparisons]
        history = self._context.matrix.indices[np.repeat(starts, lengths) + within]
        candidates = np.repeat(items, lengths)
        views = (self._context.co, self._context.se)
        best = np.maximum(*(lcp_similarity(codes[candidates], codes[history], "min") for codes in views))
        return np.round(
            np.maximum.reduceat(best, first).astype(np.float64), 6
        )  # float32 0.7 must reach a threshold of 0.7
