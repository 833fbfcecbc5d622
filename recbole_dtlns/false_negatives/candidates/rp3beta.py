"""RP3beta: items reached by a random walk of three steps, less the popular ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from recbole_dtlns.config.choices import MAX_HISTORY
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.candidates.item_knn import ItemKNN


class RP3beta(ItemKNN):
    """Score of item j for user u: sum over the user's items i of P(i -> user -> j) / popularity(j)^beta.

    Paudel et al., Updatable, Accurate, Diverse, and Scalable Recommendations for Interactive Applications, TiiS 2017,
    https://doi.org/10.1145/2955101; as in `ItemKNN`, each item keeps its `neighbors` strongest i. Cost as `ItemKNN`.
    """

    def __init__(self, neighbors: int = 100, beta: float = 0.3, max_history: int | None = MAX_HISTORY) -> None:
        super().__init__(neighbors, max_history=max_history)
        if not 0 <= beta <= 2:
            raise UserError(f"RP3beta needs beta from 0 to 2, found {beta}. Its authors use 0.3 to 0.8.")
        self.beta = float(beta)

    def settings(self) -> dict[str, Any]:
        """What decides the result besides the training split."""
        return {"neighbors": self.neighbors, "beta": self.beta, "max_history": self.max_history}

    def _weighed(self, pairs: sparse.csr_matrix) -> sparse.csr_matrix:
        return sparse.csr_matrix(sparse.diags_array(1 / np.maximum(np.diff(pairs.indptr), 1)) @ pairs)

    def _similarity(self, common: np.ndarray, neighbor: np.ndarray, item: np.ndarray) -> np.ndarray:
        return np.asarray(common / neighbor / item**self.beta)
