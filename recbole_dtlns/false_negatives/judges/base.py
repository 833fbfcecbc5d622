"""What a judge is and what it may know."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from recbole_dtlns.config.judge_declaration import JudgeDeclaration
from recbole_dtlns.errors import UserError

if TYPE_CHECKING:
    from scipy import sparse


@dataclass(frozen=True)
class JudgeContext:
    """What a judge sees: histories as item numbers, items as codes and, where given, text. No tokens, no ids.

    Attributes:
        matrix: binary CSR [U + 1, I + 1], the training pairs; row and column 0 are padding.
        co: co-occurrence codes, int16 [I + 1, D]; row 0 and the padding of short codes are -1.
        se: semantic codes, int16 [I + 1, D'], likewise.
        options: the judge's own keys (`llm_model`, ...).
        titles: text of the items, object [I + 1], "" = none; None without `item_text`.
    """

    matrix: sparse.csr_matrix
    co: np.ndarray
    se: np.ndarray
    options: Mapping[str, Any] = field(default_factory=dict)
    titles: np.ndarray | None = None

    def __post_init__(self) -> None:
        rows = self.matrix.shape[1]
        if len(self.co) != rows or len(self.se) != rows:
            raise ValueError(f"Codes have {len(self.co)} and {len(self.se)} rows; expected {rows}, one a column.")
        if self.titles is not None and len(self.titles) != rows:
            raise ValueError(f"There are {len(self.titles)} titles; expected {rows}, one a column.")

    @property
    def titles_digest(self) -> str | None:
        """Hash of all titles, 16 hexadecimal digits; None where there are none."""
        if self.titles is None:
            return None
        return hashlib.sha256("\x1e".join(self.titles.tolist()).encode("utf-8", "replace")).hexdigest()[:16]


class InterruptedAnswers(KeyboardInterrupt):
    """Ctrl-C in a judge that had some answers already: they are stored before the interruption goes on.

    Attributes:
        raw, mass: as `Judge.score` would have returned them, NaN where no answer came.
    """

    def __init__(self, raw: np.ndarray, mass: np.ndarray | None) -> None:
        super().__init__()
        self.raw, self.mass = raw, mass


@dataclass
class Usage:
    """What a language model was asked so far.

    Attributes:
        calls: pairs that it answered or was asked to answer.
        prompt_tokens: tokens that it read; a prefix shared by several pairs counts once.
    """

    calls: int = 0
    prompt_tokens: int = 0


def _renamed(kind: type) -> str:
    return f"{kind.__name__}.margins is called gives_log_odds now. Rename it."


class Judge(JudgeDeclaration, ABC):
    """Scores pairs by codes, and by titles where it says so; pairs that show it the same get the same answer.

    A class is made by `Class(context)`. `name`, `revision` and `settings()` (JSON values: prompt, model, calibration)
    are part of the verdict store's keys: whatever changes an answer must change one of them. For a class from a plugin
    the content of its file is part of them too; what the file imports is not.

    Attributes:
        gives_log_odds: raw scores are log-odds of "positive", any real number, instead of numbers from 0 to 1.
        block_users: users whose answers are saved together; at most so many are asked again after a kill.
        usage: what a language model was asked; None for a judge without one.
        reads_history: the whole history is shown item by item, so long ones are cut to `llm_max_history` beforehand.
    """

    name: str
    revision: str
    gives_log_odds: bool = False
    block_users: int = 2000
    usage: Usage | None = None
    reads_history: bool = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if any("margins" in vars(base) for base in cls.__mro__ if base is not Judge):
            raise UserError(_renamed(cls))

    @abstractmethod
    def __init__(self, context: JudgeContext) -> None: ...

    @property
    def margins(self) -> bool:
        """The former name of `gives_log_odds`. It is refused, as raw scores would be misread without it.

        Raises:
            UserError: whenever it is read or set.
        """
        raise UserError(_renamed(type(self)))

    @margins.setter
    def margins(self, value: bool) -> None:
        raise UserError(_renamed(type(self)))

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """What decides the answers besides codes, name and revision."""

    @abstractmethod
    def score(self, users: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Raw scores of pairs.

        Args:
            users: int64 [n], pairs of a user side by side.
            items: int64 [n].

        Returns:
            raw, float64 [n]: from 0 (no positive) to 1 (positive), or log-odds with `gives_log_odds`; NaN where no
            answer could be had (asked again in the next run); label mass, float64 [n]: how much of its belief a
            language model put on the two labels, or None.
        """

    def on(self, context: JudgeContext) -> Judge:
        """The same judge over other histories and codes; one with a model hands on what it has loaded."""
        return type(self)(context)

    def summary(self) -> dict[str, int] | None:
        """Counts of the answers so far by their kind, for result.json; None: nothing to count."""
        return None
