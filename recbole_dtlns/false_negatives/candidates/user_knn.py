"""UserKNN: what the users with the most similar histories have."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from recbole_dtlns.config.budget import Budget
from recbole_dtlns.data.blocks import CELLS, each_block
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.candidates.pair_scores import pairs_of_blocks
from recbole_dtlns.false_negatives.candidates.ranking import Candidates, top_unseen
from recbole_dtlns.false_negatives.candidates.topk import best_of_rows, sparse_entries


class UserKNN:
    """Score of item j for user u: sum of cosine(u, v) over the `neighbors` users v nearest to u that have j.

    Resnick et al., GroupLens, CSCW 1994, https://doi.org/10.1145/192844.192905, with the cosine of binary histories.
    Memory O(U neighbors), time O(sum of squared item counts).
    """

    def __init__(self, neighbors: int = 100) -> None:
        if neighbors < 1:
            raise UserError(f"UserKNN needs neighbors >= 1, found {neighbors}.")
        self.neighbors = int(neighbors)

    def settings(self) -> dict[str, Any]:
        """What decides the result besides the training split."""
        return {"neighbors": self.neighbors}

    def memory_gb(self, view: TrainSplit) -> float:
        """0: all is sparse, 16 bytes a neighbour; the limit on its work binds first."""
        return 0.0

    @staticmethod
    def work(view: TrainSplit) -> float:
        """Products that `fit` computes: the sum of squared item counts."""
        counts = np.bincount(view.matrix.indices).astype(np.float64)
        return float((counts**2).sum())

    def fit(self, view: TrainSplit) -> UserKNN:
        """Find the nearest users of every user; ties go to the smaller user number."""
        self._matrix = view.matrix
        length = np.sqrt(np.maximum(view.history, 1)).astype(np.float32)  # [U + 1]
        unit = sparse.csr_matrix(sparse.diags_array(1 / length) @ view.matrix)
        transposed = unit.T.tocsr()
        work = np.minimum(view.matrix @ np.diff(transposed.indptr).astype(np.float64), len(view.users))
        wanted = np.full(len(view.users), self.neighbors)

        def nearest(start: int, stop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            row, column, value = sparse_entries(sparse.csr_matrix(unit[start:stop] @ transposed))
            other = row + start != column
            row, column, value = row[other] + start, column[other], value[other]
            picked, _ = best_of_rows(row, value, wanted, column)
            return row[picked], column[picked], value[picked]

        parts = each_block(nearest, np.maximum(work, 1).astype(np.int64), CELLS)
        rows, columns, values = (np.concatenate(column) for column in zip(*parts, strict=True))
        self._similar = sparse.csr_matrix((values, (rows, columns)), shape=(len(view.users),) * 2)
        near = (self._similar != 0).astype(np.int64)
        self.row_cells = np.minimum(near @ view.history, view.n_items + 1)
        return self

    def score_sparse(self, users: np.ndarray) -> sparse.csr_matrix:
        """Scores of users int64 [n] -> float32 CSR [n, I + 1]; what is absent, no near user has."""
        return self._similar[users] @ self._matrix

    def score_block(self, users: np.ndarray) -> np.ndarray:
        """The same, float32 [n, I + 1] with -inf where no near user has the item."""
        scores = self.score_sparse(users).toarray()
        scores[scores == 0] = -np.inf
        return scores

    def score_pairs(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Scores of pairs int64 [n], users sorted -> float32 [n]; see `pairs_of_blocks`."""
        return pairs_of_blocks(users, items, self.score_sparse, self.row_cells)

    def item_embeddings(self) -> None:
        """There are none."""

    def top(self, view: TrainSplit, budget: Budget) -> Candidates:
        """The best unseen items of every user."""
        return top_unseen(view, budget, self.score_sparse, "UserKNN", self.row_cells, by_threads=True)
