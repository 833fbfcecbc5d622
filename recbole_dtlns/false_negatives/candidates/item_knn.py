"""ItemKNN: items near the user's items, by cosine over users."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from scipy import sparse

from recbole_dtlns.config.budget import Budget
from recbole_dtlns.config.choices import MAX_HISTORY
from recbole_dtlns.config.stock_kinds import is_whole
from recbole_dtlns.data.blocks import CELLS, each_block
from recbole_dtlns.data.histories import shortened_histories
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.candidates.pair_scores import pairs_of_blocks
from recbole_dtlns.false_negatives.candidates.ranking import Candidates, top_unseen
from recbole_dtlns.false_negatives.candidates.topk import best_of_rows, sparse_entries


class ItemKNN:
    """Score of item j for user u: sum of s(i, j) over the user's items i among the nearest `neighbors` of j.

    s(i, j) = |U_i & U_j| / (sqrt(|U_i| |U_j|) + shrink), U_i = users of item i. Sarwar et al., Item-based Collaborative
    Filtering Recommendation Algorithms, WWW 2001, https://doi.org/10.1145/371920.372071; as in RecBole's ItemKNN, the
    neighbourhood is the candidate's. Everything stays sparse: memory O(I neighbors), time O(sum of squared histories),
    of which none counts with more than `max_history` items (`shortened_histories`; None: with all) when s is made.
    """

    def __init__(self, neighbors: int = 100, shrink: float = 0.0, max_history: int | None = MAX_HISTORY) -> None:
        if neighbors < 1 or shrink < 0:
            raise UserError(f"ItemKNN needs neighbors >= 1 and shrink >= 0, found {neighbors} and {shrink}.")
        if max_history is not None and not (is_whole(max_history) and max_history >= 2):
            raise UserError(f"max_history={max_history}: expected a whole number from 2, or null for whole histories.")
        self.neighbors = int(neighbors)
        self.shrink = float(shrink)
        self.max_history = max_history

    def settings(self) -> dict[str, Any]:
        """What decides the result besides the training split."""
        return {"neighbors": self.neighbors, "shrink": self.shrink, "max_history": self.max_history}

    def memory_gb(self, view: TrainSplit) -> float:
        """Nothing to speak of: all is sparse, and made in blocks."""
        return 0.0

    def fit(self, view: TrainSplit) -> Self:
        """Find the neighbours of every item; ties go to the smaller item number."""
        self._matrix = view.matrix
        pairs = view.matrix if self.max_history is None else shortened_histories(view.matrix, self.max_history)
        transposed, weighed = pairs.T.tocsr(), self._weighed(pairs)
        users = np.diff(transposed.indptr).astype(np.float64)  # [I + 1] of each item
        work = np.minimum(
            transposed @ np.diff(pairs.indptr), view.n_items + 1
        )  # [I + 1] bound on the co-occurring items
        wanted = np.full(len(users), self.neighbors)

        def nearest(start: int, stop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            return self._nearest(transposed[start:stop] @ weighed, start, users, wanted)

        parts = each_block(nearest, np.maximum(work, 1).astype(np.int64), CELLS)
        items, neighbors, values = (np.concatenate(column) for column in zip(*parts, strict=True))
        shape = (len(users), len(users))
        self._weights = sparse.csr_matrix((values, (neighbors, items)), shape=shape)  # [i, j]: i is a neighbour of j
        fans = np.diff(self._weights.indptr).astype(np.float64)
        self.row_cells = np.minimum(view.matrix @ fans, view.n_items + 1).astype(np.int64)
        return self

    def _weighed(self, pairs: sparse.csr_matrix) -> sparse.csr_matrix:
        """Training pairs as they count in what two items have in common, CSR [U + 1, I + 1]."""
        return pairs

    def _similarity(self, common: np.ndarray, neighbor: np.ndarray, item: np.ndarray) -> np.ndarray:
        """s(i, j) from what i and j have in common and how many users each has, float [n] each."""
        return np.asarray(common / (np.sqrt(neighbor * item) + self.shrink))

    def _nearest(
        self, together: sparse.csr_matrix, first: int, users: np.ndarray, wanted: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows, columns, counts = sparse_entries(together)
        rows = rows + first
        other = rows != columns
        rows, columns, counts = rows[other], columns[other], counts[other]
        values = self._similarity(counts, users[columns], users[rows]).astype(np.float32)
        picked, _ = best_of_rows(rows, values, wanted, columns)
        return rows[picked], columns[picked], values[picked]

    def score_sparse(self, users: np.ndarray) -> sparse.csr_matrix:
        """Scores of users int64 [n] -> float32 CSR [n, I + 1]; what is absent has no neighbour in the history."""
        return self._matrix[users] @ self._weights

    def score_block(self, users: np.ndarray) -> np.ndarray:
        """The same, float32 [n, I + 1] with -inf where the score is 0: those items are no candidates."""
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
        return top_unseen(view, budget, self.score_sparse, type(self).__name__, self.row_cells, by_threads=True)
