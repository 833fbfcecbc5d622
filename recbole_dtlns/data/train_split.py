"""The training split as identification sees it: tokens alone, in an order of their own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from scipy import sparse

PAD = "[PAD]"


@dataclass(frozen=True)
class TrainSplit:
    """Training pairs in a numbering that nothing outside train can influence.

    RecBole numbers users and items over train, valid and test together, so its numbers change when a held-out file
    does. Here tokens are sorted as strings; what is absent from train has no number.

    Attributes:
        users: tokens of the users, str array [U + 1]; index 0 is padding.
        items: tokens of the items, str array [I + 1]; index 0 is padding.
        matrix: binary float32 CSR [U + 1, I + 1] with sorted indices; row 0 and column 0 are empty.
        train_hash: SHA-256 of the sorted token pairs, the identity of the split in every file that we write.
    """

    users: np.ndarray
    items: np.ndarray
    matrix: sparse.csr_matrix
    train_hash: str

    @classmethod
    def from_pairs(cls, user_tokens: np.ndarray, item_tokens: np.ndarray) -> TrainSplit:
        """Number the pairs of two str arrays [E]; repeated pairs count once. O(E log E)."""
        users, user_rows = np.unique(np.asarray(user_tokens, dtype=str), return_inverse=True)
        items, item_rows = np.unique(np.asarray(item_tokens, dtype=str), return_inverse=True)
        shape = (len(users) + 1, len(items) + 1)
        ones = np.ones(len(user_rows), dtype=np.float32)
        matrix = sparse.csr_matrix((ones, (user_rows + 1, item_rows + 1)), shape=shape)
        matrix.sum_duplicates()
        matrix.data[:] = 1.0
        users = np.concatenate([[PAD], users])
        items = np.concatenate([[PAD], items])
        return cls(users, items, matrix, hash_pairs(users, items, matrix))

    def without(self, out: np.ndarray) -> TrainSplit:
        """The split that is left when some pairs are taken out: bool [E], in the order of the matrix.

        As `from_pairs` of the tokens left, without a token for each pair: O(E) time, some 30 bytes a pair.
        """
        before = np.concatenate([[0], np.cumsum(~out)])[self.matrix.indptr]  # [U + 2] pairs left before each user
        columns = self.matrix.indices[~out]
        users = _with_padding(np.diff(before) > 0)
        items = _with_padding(np.bincount(columns, minlength=len(self.items)) > 0)
        numbers = (np.cumsum(items) - 1).astype(columns.dtype)
        starts = np.append(before[:-1][users], before[-1])
        ones = np.ones(len(columns), dtype=np.float32)
        matrix = sparse.csr_matrix((ones, numbers[columns], starts), shape=(users.sum(), items.sum()))
        tokens = self.users[users], self.items[items]
        return TrainSplit(*tokens, matrix, hash_pairs(*tokens, matrix))

    @property
    def n_users(self) -> int:
        """Number of users, without padding."""
        return len(self.users) - 1

    @property
    def n_items(self) -> int:
        """Number of items, without padding."""
        return len(self.items) - 1

    @property
    def history(self) -> np.ndarray:
        """Number of training items of each user, int64 [U + 1]."""
        return np.diff(self.matrix.indptr).astype(np.int64)


def _with_padding(kept: np.ndarray) -> np.ndarray:
    """The same bool [n], with padding, row 0, kept."""
    kept[0] = True
    return kept


def hash_pairs(users: np.ndarray, items: np.ndarray, matrix: sparse.csr_matrix) -> str:
    """SHA-256 over the distinct token pairs, sorted by user and item token. `users` and `items` must be sorted."""
    digest = hashlib.sha256()
    for tokens in (users, items):
        digest.update("\x1f".join(tokens.tolist()).encode())
        digest.update(b"\x1e")
    digest.update(matrix.indptr.astype(np.int64).tobytes())
    digest.update(matrix.indices.astype(np.int64).tobytes())
    return digest.hexdigest()
