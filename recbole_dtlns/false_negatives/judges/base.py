"""What a judge is and what it may know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from scipy import sparse


@dataclass(frozen=True)
class JudgeContext:
    """Everything that a judge sees: histories as item numbers, and items as codes. No text, no tokens, no ids.

    Attributes:
        matrix: binary CSR [U + 1, I + 1], the training pairs; row and column 0 are padding.
        co: co-occurrence codes, int16 [I + 1, D]; row 0 and the padding of short codes are -1.
        se: semantic codes, int16 [I + 1, D'], likewise.
        options: the judge's own keys (`llm_model`, ...).
    """

    matrix: sparse.csr_matrix
    co: np.ndarray
    se: np.ndarray
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows = self.matrix.shape[1]
        if len(self.co) != rows or len(self.se) != rows:
            raise ValueError(f"Codes have {len(self.co)} and {len(self.se)} rows; expected {rows}, one a column.")


class Judge(Protocol):
    """Scores pairs by codes alone; two pairs with the same codes and the same history codes get the same answer.

    A class is made by `Class(context)`. `name`, `revision` and `settings()` (JSON values: prompt, model, calibration)
    are part of the verdict store's keys: whatever changes an answer must change one of them.
    """

    name: str
    revision: str

    def __init__(self, context: JudgeContext) -> None: ...

    def settings(self) -> dict[str, Any]:
        """What decides the answers besides codes, name and revision."""
        ...

    def score(self, users: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Raw scores of pairs.

        Args:
            users: int64 [n], pairs of a user side by side.
            items: int64 [n].

        Returns:
            raw, float64 [n]: from 0 (no positive) to 1 (positive), NaN where no answer could be had (asked again in the
            next run); label mass, float64 [n]: how much of its belief a language model put on the two labels, or None.
        """
        ...
