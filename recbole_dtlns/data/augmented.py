"""Training data with inferred positives: for the loss, for the graph, and for what may be drawn as a negative.

The evaluator never sees any of it; it keeps the split that RecBole built.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from recbole.data.interaction import Interaction, cat_interactions
from recbole.utils import FeatureSource, FeatureType
from scipy import sparse

from recbole_dtlns.data.sequences import interactions, longest_rows, prefix_field
from recbole_dtlns.data.tokens import internal_ids

WEIGHT_FIELD = "dtlns_weight"


@dataclass(frozen=True)
class InferredIds:
    """Inferred positives in RecBole's internal ids, none of them a training pair.

    Attributes:
        users, items: int64 [n], never 0.
        weights: float64 [n], weight in the loss; a real pair weighs 1.
    """

    users: np.ndarray
    items: np.ndarray
    weights: np.ndarray

    @classmethod
    def from_tokens(cls, dataset: Any, users: np.ndarray, items: np.ndarray, weights: np.ndarray) -> InferredIds:
        """Look the tokens up in a RecBole data set; all of them are in its training part."""
        return cls(internal_ids(dataset, "user", users), internal_ids(dataset, "item", items), np.asarray(weights))

    def __len__(self) -> int:
        return len(self.users)

    def without(self, barred: sparse.csr_matrix) -> InferredIds:
        """The pairs that are not stored in `barred`, CSR [U, I]; only the reference protocol asks for this."""
        kept = ~is_stored(barred, self.users, self.items)
        return InferredIds(self.users[kept], self.items[kept], self.weights[kept])


def augment(train: Any, extra: InferredIds) -> Any:
    """A copy of a built training data set with the extra pairs as further rows and a weight for every row.

    Columns other than the two ids carry the mean of the training column (floats) or padding in the extra rows: no
    inferred pair has a rating or a time. In a sequential data set an extra row is a copy of the user's row with the
    longest prefix, with the inferred item as its target. Rows of the original are untouched.
    """
    train.set_field_property(WEIGHT_FIELD, FeatureType.FLOAT, FeatureSource.INTERACTION, 1)
    real = Interaction(dict(train.inter_feat.interaction))
    real.update(Interaction({WEIGHT_FIELD: torch.ones(len(real))}))
    if prefix_field(train) is None:
        columns = {name: filled(column, len(extra)) for name, column in real.interaction.items()}
    else:
        rows = torch.as_tensor(longest_rows(train)[extra.users])
        columns = {name: column[rows] for name, column in real.interaction.items()}
    columns[train.uid_field] = torch.as_tensor(extra.users)
    columns[train.iid_field] = torch.as_tensor(extra.items)
    columns[WEIGHT_FIELD] = torch.as_tensor(extra.weights, dtype=torch.float32)
    return train.copy(cat_interactions([real, Interaction(columns)]))


def filled(column: torch.Tensor, n: int) -> torch.Tensor:
    """What n rows without values of their own hold in a column [E, ...]: its mean (floats) or padding, [n, ...]."""
    filling = column.mean(dim=0) if column.is_floating_point() else torch.zeros_like(column[0])
    return filling.expand(n, *column.shape[1:]).clone()


def positives_matrix(train: Any, extra: InferredIds | None = None) -> sparse.csr_matrix:
    """Pairs that are never drawn as negatives: binary CSR [U, I] in internal ids, training pairs and the extra ones.

    The items of prefixes count as pairs of their user. The matrix without extra pairs is made once for a part of the
    data and shared: its arrays cannot be written to.
    """
    shape = (train.user_num, train.item_num)
    training = _MATRICES.get(train.inter_feat)
    if training is None or training.shape != shape:
        training = _MATRICES[train.inter_feat] = _binary(*interactions(train), shape)
        for values in (training.data, training.indices, training.indptr):
            values.flags.writeable = False
    if extra is None:
        return training
    both: sparse.csr_matrix = (training + _binary(extra.users, extra.items, shape)).tocsr()
    both.data[:] = 1
    return both


_MATRICES: WeakKeyDictionary[Interaction, sparse.csr_matrix] = WeakKeyDictionary()


def _binary(users: np.ndarray, items: np.ndarray, shape: tuple[int, int]) -> sparse.csr_matrix:
    matrix = sparse.csr_matrix((np.ones(len(users), dtype=np.int8), (users, items)), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def is_stored(matrix: sparse.csr_matrix, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Whether each pair (int64 [n] and [n]) is a stored entry of a CSR matrix: bool [n]. O(n log of a row)."""
    if len(rows) == 0:
        return np.zeros(0, dtype=bool)
    # Copies, because scipy cannot index with arrays that share the memory of a tensor.
    return np.asarray(matrix[np.array(rows), np.array(columns)]).ravel() != 0


def bar_from_stock_sampler(sampler: Any, extra: InferredIds) -> None:
    """Keep the extra pairs out of the negatives of RecBole's own training sampler, in place.

    Its other phases hold sets of their own and do not change. One set is copied for each user with extra pairs.
    """
    used = sampler.used_ids.copy()
    order = np.argsort(extra.users, kind="stable")
    users, starts = np.unique(extra.users[order], return_index=True)
    for user, items in zip(users, np.split(extra.items[order], starts[1:]), strict=True):
        used[user] = used[user] | set(items.tolist())
    sampler.used_ids = used
