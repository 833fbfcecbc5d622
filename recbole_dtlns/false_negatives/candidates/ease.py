"""EASE: a linear item-item model in closed form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from recbole_dtlns.config.budget import Budget
from recbole_dtlns.config.parsers import Key, number
from recbole_dtlns.data.blocks import CELLS, blocks
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.candidates.inverse import invert, panel_bytes
from recbole_dtlns.false_negatives.candidates.pair_scores import pairs_of_blocks
from recbole_dtlns.false_negatives.candidates.ranking import Candidates, top_unseen


class EASE:
    """Embarrassingly shallow autoencoder: scores X B with B = I - P diag(1 / diag(P)), P = (X'X + l2 I)^-1.

    Steck, Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019, https://arxiv.org/abs/1905.03375. In float32
    with one dense matrix [I + 1, I + 1] that is inverted in place, on all threads. Time O(I^3), memory O(I^2).
    """

    keys: ClassVar[Mapping[str, Key]] = {
        "candidate_memory_gb": Key(
            4.0, number(0), "GiB for EASE or a scorer of judge=learned; above it ItemKNN, or none"
        ),
    }

    def __init__(self, l2: float = 100.0) -> None:
        if not l2 > 0:
            raise UserError(f"EASE needs l2 > 0, found {l2}. Its authors use 100 to 1000.")
        self.l2 = float(l2)

    def settings(self) -> dict[str, Any]:
        """What decides the result besides the training split."""
        return {"l2": self.l2}

    @staticmethod
    def memory_gb(view: TrainSplit) -> float:
        """Peak memory in GiB: the dense matrix, panels of its inversion, and 0.4 for blocks that fill and read it."""
        size = view.n_items + 1
        return (size**2 * 4 + panel_bytes(size)) / 2**30 + 0.4

    def fit(self, view: TrainSplit) -> EASE:
        """Fit on the training pairs.

        Raises:
            UserError: the matrix is not positive definite in float32, l2 being too small for it.
        """
        self._matrix = view.matrix
        weights = _gram(view)
        weights[np.diag_indices_from(weights)] += np.float32(self.l2)
        try:
            invert(weights)
        except np.linalg.LinAlgError as error:
            larger = max(100.0, 10 * self.l2)
            raise UserError(
                f"EASE cannot be solved in float32 with l2={self.l2:g}: give a larger l2, such as {larger:g}."
            ) from error
        weights /= -weights.diagonal().copy()  # column j of B is -P[:, j] / P[j, j]
        np.fill_diagonal(weights, 0.0)
        self._weights = weights  # [I + 1, I + 1]; row and column 0 are 0: padding has no pairs
        return self

    def score_block(self, users: np.ndarray) -> np.ndarray:
        """Scores of users int64 [n] -> float32 [n, I + 1]; column 0 (padding) is 0. O(history I)."""
        return self._matrix[users] @ self._weights

    def score_pairs(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Scores of pairs int64 [n], users sorted -> float32 [n]. O(history I) for each user."""
        n_users, n_items = self._matrix.shape
        return pairs_of_blocks(users, items, self.score_block, np.full(n_users, n_items))

    def item_embeddings(self) -> None:
        """There are none."""

    def top(self, view: TrainSplit, budget: Budget) -> Candidates:
        """The best unseen items of every user."""
        return top_unseen(view, budget, self.score_block, "EASE", by_threads=True)


def _gram(view: TrainSplit) -> np.ndarray:
    """X'X, float32 [I + 1, I + 1], filled in blocks of rows so that the sparse product is never held whole."""
    size = view.n_items + 1
    transposed = view.matrix.T.tocsr()
    gram = np.empty((size, size), dtype=np.float32)
    for start, stop in _row_blocks(size):
        (transposed[start:stop] @ view.matrix).toarray(out=gram[start:stop])
    return gram


def _row_blocks(size: int) -> list[tuple[int, int]]:
    return list(blocks(np.full(size, size), CELLS))
