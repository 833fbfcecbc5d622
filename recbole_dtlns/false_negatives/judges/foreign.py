"""Pairs of files made elsewhere, in the numbering of the training split."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 5


class TokenNumbers:
    """Numbers of user and item tokens; remembers the tokens that the training split does not know."""

    def __init__(self, view: TrainSplit) -> None:
        import pandas as pd  # here: listing keys imports this file

        users, items = (np.char.encode(tokens[1:], "utf-8").tolist() for tokens in (view.users, view.items))
        self._users, self._items = pd.Index(users, dtype=object), pd.Index(items, dtype=object)
        self._unknown_users: dict[bytes, None] = {}
        self._unknown_items: dict[bytes, None] = {}
        self.tabs = len(b"\n".join(users + items).split()) != len(users) + len(items)
        """Tokens hold spaces, so only tabs can separate them in a file."""

    def users(self, tokens: np.ndarray) -> np.ndarray:
        """Numbers of user tokens, object array [n] of bytes -> int64 [n]; 0 = unknown. O(n)."""
        return _numbers(self._users, tokens, self._unknown_users)

    def items(self, tokens: np.ndarray) -> np.ndarray:
        """Numbers of item tokens, object array [n] of bytes -> int64 [n]; 0 = unknown. O(n)."""
        return _numbers(self._items, tokens, self._unknown_items)

    @property
    def any_unknown(self) -> bool:
        """Whether a token was looked up that the training split does not know."""
        return bool(self._unknown_users or self._unknown_items)

    def refuse_unknown(self, what: str) -> None:
        """Raise for the unknown tokens seen so far; `what` names the key and file.

        Raises:
            UserError: there are some; it says how many, shows the first and how to go on.
        """
        if not self.any_unknown:
            return
        examples = " and ".join(
            f"{len(unknown)} {name} ({', '.join(token.decode() for token in list(unknown)[:_SHOWN])}"
            f"{', ...' if len(unknown) > _SHOWN else ''})"
            for name, unknown in (("users", self._unknown_users), ("items", self._unknown_items))
            if unknown
        )
        hint = " Tokens of this data set hold spaces: separate the columns by tabs." if self.tabs else ""
        raise UserError(
            f"{what}: found {examples} that the training split does not have; expected its own tokens.{hint} Give a "
            "file made from this data set, or set allow_foreign=true to leave these rows out."
        )


def first_unseen(view: TrainSplit, users: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, int]:
    """Which of the pairs count: known (no 0), not in train, the first of equal ones.

    Args:
        view: the training split.
        users: int64 [n], 0 = unknown.
        items: int64 [n], 0 = unknown.

    Returns:
        (positions in the input, rising, int64 [m]; number of distinct pairs that are in train). O(n log n).
    """
    keys = users * (view.n_items + 1) + items
    _, first = np.unique(keys, return_index=True)
    first = np.sort(first)
    first = first[(users[first] > 0) & (items[first] > 0)]
    if len(first) == 0:
        return first, 0
    in_train = np.asarray(view.matrix[users[first], items[first]]).ravel() > 0
    return first[~in_train], int(in_train.sum())


def _numbers(index: pd.Index, tokens: np.ndarray, unknown: dict[bytes, None]) -> np.ndarray:
    import pandas as pd

    numbers = index.get_indexer(pd.Index(tokens, dtype=object)).astype(np.int64) + 1
    unknown.update(dict.fromkeys(tokens[numbers == 0].tolist()))
    return numbers
