"""Adapters that give the layer embeddings of RecBole's models, computed once a batch for sampler and loss alike.

Write one for your own model: a class that takes the model, and whose call gives `LayerTables`. Add it to
`LAYER_SOURCES` under the model's name, from your own file (docs/add_a_sampler.md).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from recbole.model.general_recommender import NGCF
from torch import Tensor

from recbole_dtlns.samplers.parts.layers import BatchLayers, TakeRows, gathered
from recbole_dtlns.training.bi_interaction import BiInteractionLayers, RowsByIndex, Weights
from recbole_dtlns.training.propagation import PooledLayers, SymmetricPropagation


@dataclass(frozen=True)
class LayerTables:
    """Every layer of every user and item after one propagation, with gradient. W = sum of the widths.

    `concatenated` and `mean_pooled` make one in the two usual cases.

    Attributes:
        queries: user side of the score, laid out like the items: int64 [R] ids -> float [R, W], such that the product
            with an item's row, summed, is the model's score.
        users: layers of the users themselves, int64 [R] ids -> float [R, W].
        item_tables: layers of all items, side by side in one table, float [I, W], or a table of each, H of float
            [I, C_h]; row 0 is padding.
        sizes: width of each layer, H numbers.
        forward: what the model's own `forward()` would return, or None where it is cheap to call again.
        mean_pooled: the model scores by the means of the layers, so that `queries` repeats the user's mean / H.
        pooled_items: these means of the items, float [I, C], for scores from a narrower table; None without.
        take: gives rows of the items' layers where the tables have no gradient; None elsewhere.
    """

    queries: Callable[[Tensor], Tensor]
    users: Callable[[Tensor], Tensor]
    item_tables: Tensor | tuple[Tensor, ...]
    sizes: tuple[int, ...]
    forward: Any = None
    mean_pooled: bool = False
    pooled_items: Tensor | None = None
    take: TakeRows | None = None

    def batch(self, users: Tensor) -> BatchLayers:
        """The layers of one batch, for users int64 [R]."""
        queries = self.queries(users)
        own = (lambda: queries) if self.users is self.queries else (lambda: self.users(users))  # gathered once
        return BatchLayers(
            *(queries, self.item_tables, self.sizes, own),
            *(self.forward, self.mean_pooled, self.pooled_items, self.take),
        )


def concatenated(users: Tensor, items: Tensor, sizes: tuple[int, ...], forward: Any = None) -> LayerTables:
    """Tables of a model that scores each layer by itself and adds the products up.

    Args:
        users, items: layers side by side, float [U, W] and [I, W].
        sizes: width of each layer.
        forward: what the model's `forward()` returns.
    """

    def rows(ids: Tensor) -> Tensor:
        return gathered(users, ids)

    return LayerTables(rows, rows, items, sizes, forward)


def mean_pooled(layers: list[Tensor], n_users: int, forward: Any = None) -> LayerTables:
    """Tables of a model that scores by the mean of its layers, so that each is scored against the pooled user / H.

    Args:
        layers: H tables of users and, below them, items: float [U + I, C].
        n_users: U.
        forward: what the model's `forward()` returns, so that the loss need not call it again; unset: it will.
    """
    means = sum(layers[1:], layers[0]) / len(layers)
    users, items = means[:n_users], means[n_users:]

    def user_rows(number: int | None, ids: Tensor) -> Tensor:
        return gathered(users if number is None else layers[number], ids)

    table = torch.cat([layer[n_users:] for layer in layers], dim=1)
    return _pooled_tables(user_rows, table, (layers[0].shape[1],) * len(layers), forward, items)


def _pooled_tables(
    user_rows: TakeRows,
    item_tables: Tensor | tuple[Tensor, ...],
    sizes: tuple[int, ...],
    forward: Any,
    pooled_items: Tensor,
    take: TakeRows | None = None,
) -> LayerTables:
    n_layers = len(sizes)

    def queries(ids: Tensor) -> Tensor:
        return (user_rows(None, ids) / n_layers).repeat(1, n_layers)

    def rows(ids: Tensor) -> Tensor:
        return torch.cat([user_rows(number, ids) for number in range(n_layers)], dim=1)

    return LayerTables(
        *(queries, rows, item_tables, sizes, forward), mean_pooled=True, pooled_items=pooled_items, take=take
    )


class LayerSource(Protocol):
    """Gives the layers of one model."""

    def __call__(self) -> LayerTables:
        """Propagate once."""


class BPRLayers:
    """Matrix factorisation: one layer, the embedding tables themselves."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def __call__(self) -> LayerTables:
        """The tables; nothing is computed."""
        items = self.model.item_embedding.weight
        return concatenated(self.model.user_embedding.weight, items, (items.shape[1],))


class LightGCNLayers:
    """LightGCN: layer 0 to n_layers, pooled by their mean."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.propagate = SymmetricPropagation(model.norm_adj_matrix)

    def __call__(self) -> LayerTables:
        """n_layers products with the normalised adjacency, O(E C) each."""
        model = self.model
        pooled = PooledLayers(self.propagate, model.get_ego_embeddings(), model.n_layers, model.n_users)
        item_tables = tuple(layer[model.n_users :] for layer in pooled.layers)
        sizes = (item_tables[0].shape[1],) * len(item_tables)
        forward = pooled.users, pooled.items
        return _pooled_tables(pooled.user_rows, item_tables, sizes, forward, pooled.items, pooled.item_rows)


class NCLLayers:
    """NCL: LightGCN's layers, of which its forward pass computes a few more for its contrast."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def __call__(self) -> LayerTables:
        """One forward pass of the model itself."""
        output = type(self.model).forward(self.model)
        return mean_pooled(output[2][: self.model.n_layers + 1], self.model.n_users, output)


class SpectralCFLayers:
    """SpectralCF: its layers are concatenated, so each is scored against the user's own part."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def __call__(self) -> LayerTables:
        """One forward pass of the model itself."""
        users, items = type(self.model).forward(self.model)
        return concatenated(users, items, (self.model.emb_dim,) * (self.model.n_layers + 1), (users, items))


class NGCFLayers:
    """NGCF: its layers are concatenated, so each is scored against the user's own part.

    They are computed here, with a faster propagation and a faster dropout. With node dropout, or a loss that is not
    RecBole's own, the model's own forward pass is cut into its layers.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        reads_rows = type(model).calculate_loss is NGCF.calculate_loss
        stands_in = reads_rows and model.node_dropout == 0
        self.propagate = SymmetricPropagation(model.norm_adj_matrix) if stands_in else None

    def __call__(self) -> LayerTables:
        """One forward pass, message dropout included; O(E C + n C^2) for each layer."""
        sizes = tuple(self.model.hidden_size_list)
        if self.propagate is None:
            users, items = type(self.model).forward(self.model)
            return concatenated(users, items, sizes, (users, items))
        return self._by_rows(self.propagate, sizes)

    def _by_rows(self, propagate: SymmetricPropagation, sizes: tuple[int, ...]) -> LayerTables:
        model = self.model
        weights = [
            Weights(maps.linear.weight, maps.linear.bias, maps.interActTransform.weight, maps.interActTransform.bias)
            for maps in model.GNNlayers
        ]
        dropout = model.emb_dropout.p if model.training else 0.0
        made = BiInteractionLayers(propagate, model.get_ego_embeddings(), weights, model.n_users, dropout)
        users, items = (functools.partial(take, None) for take in (made.user_rows, made.item_rows))
        item_tables = tuple(layer[model.n_users :] for layer in made.layers)
        forward = RowsByIndex(users), RowsByIndex(items)
        return LayerTables(users, users, item_tables, sizes, forward, take=made.item_rows)


LAYER_SOURCES: dict[str, Callable[[Any], LayerSource]] = {
    "BPR": BPRLayers,
    "LightGCN": LightGCNLayers,
    "NGCF": NGCFLayers,
    "SpectralCF": SpectralCFLayers,
    "NCL": NCLLayers,
}
