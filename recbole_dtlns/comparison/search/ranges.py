"""Ranges of values worth trying, in the syntax of RecBole's hyper files."""

from __future__ import annotations

import ast
import math
import random
from dataclasses import dataclass
from typing import Any

from recbole_dtlns.config.stock_kinds import is_number
from recbole_dtlns.errors import UserError

_SYNTAX = "choice [5,10], uniform 0.1,0.9, loguniform -9,-3 (powers of e) or quniform 2,10,2 (low, high, step)"
_BOUNDS = {"uniform": 2, "loguniform": 2, "quniform": 3}
_SLACK = 1e-9  # of a step: 0.3 / 0.1 is below 3


@dataclass(frozen=True)
class Range:
    """Values worth trying for one key.

    Attributes:
        kind: `choice`, `uniform`, `loguniform` (bounds are powers of e, as in hyperopt) or `quniform`.
        values: the options of a choice, or low and high and, for quniform, the step, of which multiples are tried.
    """

    kind: str
    values: tuple[Any, ...]

    def draw(self, generator: random.Random) -> Any:
        """One value at random."""
        if self.kind == "choice":
            return generator.choice(self.values)
        return self.rounded(generator.uniform(self.values[0], self.values[1]))

    def rounded(self, value: float) -> Any:
        """A point between low and high as the value of the key, with six digits that go through a command line."""
        if self.kind == "loguniform":
            return float(f"{math.exp(value):.6g}")
        if self.kind == "uniform":
            return float(f"{value:.6g}")
        step, (first, last) = self.values[2], self._multiples()
        point = float(f"{min(max(round(value / step), first), last) * step:.10g}")
        return int(point) if float(step).is_integer() else point

    def options(self) -> list[Any] | None:
        """Every value, in order; None where there is no end of them."""
        if self.kind == "choice":
            return list(self.values)
        if self.kind != "quniform":
            return None
        first, last = self._multiples()
        return [self.rounded(number * self.values[2]) for number in range(first, last + 1)]

    def _multiples(self) -> tuple[int, int]:
        """The first and the last multiple of the step between low and high, as multiples."""
        low, high, step = self.values
        return math.ceil(low / step - _SLACK), math.floor(high / step + _SLACK)


def parse_range(key: str, text: Any) -> Range:
    """A range such as `choice [5,10]`.

    Raises:
        UserError: it cannot be read, is empty, or its bounds are the wrong way round.
    """
    kind, _, rest = str(text).strip().replace("[", " [", 1).partition(" ")
    if not isinstance(text, str) or kind not in {"choice", *_BOUNDS}:
        raise UserError(f"Range of {key}: {text!r} cannot be read; expected {_SYNTAX}.")
    try:
        values = ast.literal_eval(rest.strip() if kind == "choice" else f"({rest.strip()},)")
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise UserError(f"Range of {key}: {text!r} cannot be read; expected {_SYNTAX}, words in quotes.") from None
    if kind == "choice":
        if not isinstance(values, (list, tuple)):
            raise UserError(f"Range of {key}: {text!r}: expected a list, as in choice [5,10].")
        if not values:
            raise UserError(f"Range of {key}: the choice is empty. Name its values, or remove the range.")
        return Range(kind, tuple(values))
    if len(values) != _BOUNDS[kind] or not all(is_number(value) for value in values):
        raise UserError(f"Range of {key}: {text!r}: expected {_BOUNDS[kind]} numbers. Ranges are {_SYNTAX}.")
    if not values[0] < values[1] or (kind == "quniform" and not values[2] > 0):
        raise UserError(f"Range of {key}: {text!r}: expected low < high, and a step above 0.")
    parsed = Range(kind, tuple(values))
    if not parsed.options() and kind == "quniform":
        raise UserError(f"Range of {key}: {text!r}: there is no multiple of {values[2]} between the bounds.")
    return parsed
