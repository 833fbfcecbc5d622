"""Tokens that a reader would take for one user or item, and RecBole takes for two: `5` and `5.0`."""

from __future__ import annotations

import logging
from typing import Any

import pandas as pd

from recbole_dtlns.data.tokens import Side, tokens_of

logger = logging.getLogger(__name__)
_NUMBER = r"^0*(0|[1-9][0-9]*)(?:\.0+)?$"
_MAY_CHANGE = r"^[\s0]|\s$|\.0+$|[^\x00-\x7f]"  # the others are their own plain form; most tokens are
_SIDES: tuple[Side, Side] = ("user", "item")


def warn_of_like_tokens(dataset: Any) -> None:
    """Say how many tokens differ from another one by their form alone, as files of several sources give them.

    Forms are: blanks at the ends, zeros in front of a number or behind its point, and accents as one character or two.
    O(U + I).
    """
    for side in _SIDES:
        tokens = pd.Series(tokens_of(dataset, side)[1:], dtype=object)
        other = tokens[tokens.str.contains(_MAY_CHANGE)]
        plain = tokens.copy()
        plain[other.index] = other.str.strip().str.normalize("NFC").str.replace(_NUMBER, r"\1", regex=True)
        like = plain.duplicated()
        if like.any():
            example = tokens[plain == plain[like].iloc[0]].iloc[:2].tolist()
            logger.warning(
                "%d of %d %ss have a token that differs from another one by its form alone, such as %a and %a. They "
                "are taken for different %ss: if they are not, write each in one form in all files.",
                *(int(like.sum()), len(tokens), side, *example, side),
            )
