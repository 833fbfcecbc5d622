"""The judge that accepts every candidate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from recbole_dtlns.config.parsers import Key
from recbole_dtlns.false_negatives.judges.base import Judge, JudgeContext


class KeepAllJudge(Judge):
    """Raw = 1 for every pair: what is left then is the candidate source and the decision."""

    name = "keep_all"
    revision = "1"
    keys: ClassVar[Mapping[str, Key]] = {}
    reads_codes = False
    asks_model = False
    online = True
    informs = False
    about = "keeps all of them, no language model"

    def __init__(self, context: JudgeContext) -> None:
        del context

    def settings(self) -> dict[str, Any]:
        """Nothing to set."""
        return {}

    def score(self, users: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, None]:
        """1 for each pair, float64 [n]; no label mass."""
        del items
        return np.ones(len(users)), None
