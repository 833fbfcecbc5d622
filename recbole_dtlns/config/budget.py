"""How many pairs each user may have, fixed or growing with the user's history."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

_NUMBER, _PERCENT = r"\d{1,9}", r"\d{1,6}(?:\.\d{1,4})?"
_FORM = re.compile(rf"(?P<fixed>{_NUMBER})|(?P<share>{_PERCENT})%|(?P<base>{_NUMBER})\+(?P<more>{_PERCENT})%", re.ASCII)


@dataclass(frozen=True)
class Budget:
    """A number of pairs for each user.

    Attributes:
        fixed: the part that is the same for every user; None where there is only a share.
        share: the part of the user's history; exact, so that 7% of 100 is 7 and not 8. A share alone is rounded up
            (nobody with a history gets nothing), a share on top of a fixed part is rounded down.
    """

    fixed: int | None
    share: Fraction = Fraction(0)

    @classmethod
    def parse(cls, text: str | int | Budget) -> Budget:
        """Read `5`, `50%` (of the user's history, rounded up) or `5+50%` (five, and half of the history rounded down).

        Raises:
            ValueError: anything else; it says what was expected.
        """
        if isinstance(text, Budget):
            return text
        form = _FORM.fullmatch(re.sub(r"\s", "", str(text)))
        if form is None:
            raise ValueError(
                "a number of pairs for each user such as 5, a share of the user's history such as 50%, or both as in "
                f"5+50%; found {text!r}"
            )
        if form["share"] is not None:
            return cls(None, Fraction(form["share"]) / 100)
        return cls(int(form["fixed"] or form["base"]), Fraction(form["more"] or 0) / 100)

    def of(self, history: np.ndarray) -> np.ndarray:
        """Number of pairs for histories of these lengths: int array of any shape -> int64 array of that shape."""
        parts = np.asarray(history, dtype=np.int64) * self.share.numerator
        if self.fixed is None:
            return -(-parts // self.share.denominator)
        return self.fixed + parts // self.share.denominator

    def __str__(self) -> str:
        percent = f"{float(self.share * 100):.10g}%"
        if self.fixed is None:
            return percent
        return f"{self.fixed}+{percent}" if self.share else str(self.fixed)


@dataclass(frozen=True, eq=False)
class BudgetOfSome(Budget):
    """The same for some users, and nothing for the others. It equals itself alone.

    Attributes:
        chosen: bool [U + 1], whether the user gets pairs; index 0 is padding.
    """

    chosen: np.ndarray = field(kw_only=True)

    __eq__ = object.__eq__  # not that of Budget, which does not look at the users
    __hash__ = object.__hash__

    def of(self, history: np.ndarray) -> np.ndarray:
        """Number of pairs of each user, int64 [U + 1], for the histories of all users, int [U + 1]."""
        return np.where(self.chosen, super().of(history), 0)
