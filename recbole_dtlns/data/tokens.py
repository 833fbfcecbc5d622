"""The one place where the data set's tokens and RecBole's internal numbers meet. Number 0 is padding."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from recbole_dtlns.data.sequences import interactions
from recbole_dtlns.data.train_split import TrainSplit

Side = Literal["user", "item"]


def tokens_of(dataset: Any, side: Side) -> np.ndarray:
    """Tokens in the order of the internal numbers, str array [U] or [I]; index 0 is "[PAD]"."""
    field = dataset.uid_field if side == "user" else dataset.iid_field
    return np.asarray(dataset.field2id_token[field], dtype=str)


def internal_ids(dataset: Any, side: Side, tokens: np.ndarray) -> np.ndarray:
    """Internal numbers of tokens, int64 like `tokens`; 0 for a token that the data set does not know."""
    return positions(tokens_of(dataset, side), tokens)


def positions(names: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """Index of each token in `names` (str array, padding at 0), int64; 0 where it does not occur. O(n log n)."""
    order = np.argsort(names, kind="stable")
    tokens = np.asarray(tokens, dtype=str)
    at = np.searchsorted(names[order], tokens)
    places = order[np.minimum(at, len(names) - 1)]
    return np.where(names[places] == tokens, places, 0)


def token_pairs(dataset: Any) -> tuple[np.ndarray, np.ndarray]:
    """The (user, item) tokens of a built part of a data set: two str arrays [E], one a row; targets, not prefixes."""
    users = dataset.inter_feat[dataset.uid_field].numpy()
    items = dataset.inter_feat[dataset.iid_field].numpy()
    return tokens_of(dataset, "user")[users], tokens_of(dataset, "item")[items]


def train_split(train: Any) -> TrainSplit:
    """A built training part as identification sees it: its pairs, and those of the prefixes of its sequences."""
    users, items = interactions(train)
    return TrainSplit.from_pairs(tokens_of(train, "user")[users], tokens_of(train, "item")[items])
