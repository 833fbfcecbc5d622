"""LowPass: a user's items after all but the smoothest signals on the item graph are taken away."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from recbole_dtlns.config.budget import Budget
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.candidates.pair_scores import pairs_of_vectors
from recbole_dtlns.false_negatives.candidates.ranking import Candidates, top_unseen

_TABLES = 3  # of the size of all users and items that the decomposition holds at once, measured


class LowPass:
    """Scores x D^-1/2 V V' D^1/2 of a history x, V = the `rank` first right singular vectors of the normalised matrix.

    The ideal low-pass filter of Shen et al., How Powerful is Graph Convolution for Recommendation? (GF-CF), CIKM 2021,
    https://arxiv.org/abs/2108.07567; D = item counts. Time O(E rank), memory O((U + I) rank). The decomposition is
    randomised with a fixed seed.
    """

    def __init__(self, rank: int = 64) -> None:
        if rank < 1:
            raise UserError(f"LowPass needs rank >= 1, found {rank}. Its authors use 256.")
        self.rank = int(rank)

    def settings(self) -> dict[str, Any]:
        """What decides the result besides the training split."""
        return {"rank": self.rank}

    def memory_gb(self, view: TrainSplit) -> float:
        """Peak memory of `fit` in GiB: some float32 tables [U + I + 2, rank + 10]."""
        return _TABLES * (len(view.users) + len(view.items)) * (self.rank + 10) * 4 / 2**30

    def fit(self, view: TrainSplit) -> LowPass:
        """Decompose the training matrix."""
        from sklearn.utils.extmath import randomized_svd  # here: it takes half a second, also where keys are listed

        counts = np.maximum(np.bincount(view.matrix.indices, minlength=len(view.items)), 1)  # [I + 1]
        user, item = np.maximum(view.history, 1) ** -0.5, counts**-0.5
        normal = sparse.csr_matrix(sparse.diags_array(user) @ view.matrix @ sparse.diags_array(item), dtype=np.float32)
        rank = min(self.rank, min(normal.shape) - 1)
        _, _, vectors = randomized_svd(normal, rank, n_iter=6, random_state=0)
        self._items = (vectors * counts.astype(np.float32) ** 0.5).T.copy()  # [I + 1, rank]
        self._users = view.matrix @ (vectors * item.astype(np.float32)).T  # [U + 1, rank]
        return self

    def score_block(self, users: np.ndarray) -> np.ndarray:
        """Scores of users int64 [n] -> float32 [n, I + 1]. O(n I rank)."""
        return np.asarray(self._users[users] @ self._items.T, dtype=np.float32)

    def score_pairs(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Scores of pairs int64 [n] -> float32 [n]. O(n rank)."""
        return pairs_of_vectors(users, items, self._users, self._items)

    def item_embeddings(self) -> None:
        """There are none."""

    def top(self, view: TrainSplit, budget: Budget) -> Candidates:
        """The best unseen items of every user."""
        return top_unseen(view, budget, self.score_block, "LowPass", by_threads=True)
