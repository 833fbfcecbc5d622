"""Which users are asked about: a part of them for each of several workers, or as many as a limit allows."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

from recbole_dtlns.false_negatives.candidates.ranking import Candidates


def user_hashes(tokens: np.ndarray) -> np.ndarray:
    """A number for each token that depends on the token alone, uint64 [n]: the same on every machine. O(n)."""
    digests = b"".join(blake2b(token.encode(), digest_size=8).digest() for token in tokens.tolist())
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def pairs_to_judge(
    candidates: Candidates, user_tokens: np.ndarray, shard: str | None, max_pairs: int | None
) -> np.ndarray:
    """Choose pairs of whole users: prefixes are shared within a user, and a user is decided upon as a whole.

    Args:
        candidates: n pairs.
        user_tokens: str [U + 1]; index 0 is padding.
        shard: `i/n` = the users whose hash leaves i - 1 when divided by n; None = all.
        max_pairs: users are taken in the order of their hashes while their pairs fit; None = all. Of a shard, it is
            the limit of the shard.

    Returns:
        bool [n].
    """
    chosen = np.ones(len(candidates), dtype=bool)
    if shard is None and max_pairs is None:
        return chosen
    hashes = user_hashes(user_tokens)
    if shard is not None:
        part, parts = map(int, shard.split("/"))
        chosen &= (hashes % np.uint64(parts) == np.uint64(part - 1))[candidates.users]
    if max_pairs is not None:
        counts = np.bincount(candidates.users[chosen], minlength=len(user_tokens))
        order = np.argsort(hashes, kind="stable")
        within = np.zeros(len(user_tokens), dtype=bool)
        within[order] = np.cumsum(counts[order]) <= max_pairs
        chosen &= within[candidates.users]
    return chosen
