"""Keys of verdicts: what a judge is asked, without who is asked about."""

from __future__ import annotations

import json
from hashlib import blake2b
from itertools import pairwise

import numpy as np

from recbole_dtlns.config.plugins import content_of
from recbole_dtlns.false_negatives.judges.base import Judge, JudgeContext

_BYTES = 16


class PairKeys:
    """Keys of pairs under one judge: equal for pairs that show the judge the same codes and titles.

    key = blake2b(judge's name, revision and settings; the user's history as a sorted list of codes of both views; the
    candidate's code in both views). For a judge of a plugin the content of the plugin's file stands beside its
    settings, for one that reads titles that of an item beside its code. Item numbers and tokens are no part of it.
    O(I) to set up.
    """

    def __init__(self, context: JudgeContext, judge: Judge) -> None:
        content = content_of(type(judge))
        own = [judge.name, judge.revision, judge.settings(), *([] if content is None else [content])]
        about = json.dumps(own, sort_keys=True)
        self._judge = blake2b(about.encode(), digest_size=_BYTES).digest()
        self._matrix = context.matrix
        codes = np.concatenate([context.co, context.se], axis=1).astype("<i2")  # [I + 1, D + D']
        widths = f"{context.co.shape[1]},{context.se.shape[1]};".encode()
        distinct, self._leaf = np.unique(codes, axis=0, return_inverse=True)
        self._leaf = self._leaf.reshape(-1)  # [I + 1]: the item's place among the distinct codes
        shown = [widths + code.tobytes() for code in distinct]
        if context.titles is not None and judge.reads_titles:
            titles = [f";{title}".encode("utf-8", "replace") for title in context.titles.tolist()]
            both = [shown[leaf] + title for leaf, title in zip(self._leaf.tolist(), titles, strict=True)]
            ordered, self._leaf = np.unique(np.array(both, dtype=object), return_inverse=True)
            shown = ordered.tolist()
        digests = [blake2b(content, digest_size=_BYTES).digest() for content in shown]
        self._digests = np.array(digests, dtype=f"V{_BYTES}")  # [codes, or codes with titles]

    def of(self, users: np.ndarray, items: np.ndarray) -> list[bytes]:
        """Keys of pairs int64 [n]; each user's history is hashed once. O(n + histories log histories)."""
        distinct, user_of = np.unique(users, return_inverse=True)
        histories = self._histories(distinct)
        codes = self._digests[self._leaf[items]].tobytes()
        return [
            blake2b(histories[user] + codes[place : place + _BYTES], digest_size=_BYTES).digest()
            for user, place in zip(user_of.tolist(), range(0, len(codes), _BYTES), strict=True)
        ]

    def _histories(self, users: np.ndarray) -> list[bytes]:
        rows = self._matrix[users]
        owners = np.repeat(np.arange(len(users)), np.diff(rows.indptr))
        leaves = self._leaf[rows.indices]
        ordered = self._digests[leaves[np.lexsort((leaves, owners))]].tobytes()
        return [
            blake2b(self._judge + ordered[start * _BYTES : end * _BYTES], digest_size=_BYTES).digest()
            for start, end in pairwise(rows.indptr.tolist())
        ]
