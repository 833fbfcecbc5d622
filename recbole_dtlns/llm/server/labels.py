"""Reading an answer: log-probabilities of the next token, as the two labels."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

_BLANKS = " \t\r\n\u2581\u0120\u010a"
"""White space as it is, and as SentencePiece and byte-level tokenizers spell it."""

_NAN = float("nan")
_ROUNDING = 1e-3  # log-probabilities end at 0


@dataclass(frozen=True)
class Reply:
    """What a server said about one pair.

    Attributes:
        margin: log P(positive) - log P(negative); NaN where it named neither label.
        mass: P(positive) + P(negative); NaN where the server does not tell.
        bounded: one label was below the list of most likely tokens, so that the true margin is farther from 0.
        too_long: the prompt did not fit the model's context.
        tokens: tokens that the server read for it.
    """

    margin: float = _NAN
    mass: float = _NAN
    bounded: bool = False
    too_long: bool = False
    tokens: int = 0


def from_texts(listed: Iterable[tuple[str, float]], positive: str, negative: str, tokens: int = 0) -> Reply:
    """Read a list of tokens as text.

    Tokens are compared without blanks and case. The probability of a label is the sum over all listed tokens that begin
    that label and not the other: `positive`, ` Positive` and the piece ` pos` all speak for `positive`.

    Args:
        listed: (token, log-probability) of the most likely next tokens.
        positive: a label.
        negative: the other one.
        tokens: what the server read.

    Raises:
        ValueError: a number that is no log-probability.
    """
    entries = [(token, value) for token, value in listed if is_possible(value)]
    labels = [label.strip(_BLANKS).lower() for label in (positive, negative)]
    sums: list[list[float]] = [[], []]
    for token, value in entries:
        text = token.strip(_BLANKS).lower()
        begins = [bool(text) and label.startswith(text) for label in labels]
        if begins[0] != begins[1]:
            sums[begins[1]].append(value)
    summed = [_log_sum(values) for values in sums]
    return reply(summed[0], summed[1], [value for _, value in entries], tokens)


def reply(positive: float | None, negative: float | None, listed: Collection[float], tokens: int = 0) -> Reply:
    """A reply from two log-probabilities.

    A label that is not in the list is at most as likely as the last one that is: this bound stands for it. The margin
    then has the right sign and errs towards 0.

    Args:
        positive: log-probability, None = not listed.
        negative: likewise.
        listed: log-probabilities of all tokens of the list that are possible; it may be empty without a label.
        tokens: what the server read.
    """
    if positive is None and negative is None:
        return Reply(tokens=tokens)
    least = min(listed)
    high = least if positive is None else positive
    low = least if negative is None else negative
    mass = min(1.0, sum(math.exp(value) for value in (positive, negative) if value is not None))
    return Reply(high - low, mass, positive is None or negative is None, tokens=tokens)


def is_possible(value: float) -> bool:
    """Whether a token of this log-probability can come next: not with minus infinity.

    Raises:
        ValueError: it is above 0, but for rounding, or no number.
    """
    if not value <= _ROUNDING:
        raise ValueError(f"a log-probability of {value}")
    return value > -math.inf


def _log_sum(values: Sequence[float]) -> float | None:
    if not values:
        return None
    top = max(values)
    return top + math.log(sum(math.exp(value - top) for value in values))
