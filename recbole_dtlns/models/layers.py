"""Layer embeddings of RecBole's models, computed once a batch for sampler and loss alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from recbole_dtlns.models.propagation import SymmetricPropagation


@dataclass(frozen=True)
class LayerTables:
    """Every layer of every user and item after one propagation, with gradient.

    Attributes:
        queries: user side of the score, laid out like `items`: float [R] ids -> [R, sum of sizes], such that the
            product with an item's row, summed, is the model's score.
        items: layers of all items side by side, float [I, sum of sizes]; row 0 is padding.
        sizes: width of each layer, H numbers.
        forward: what the model's own `forward()` would return, or None where it is cheap to call again.
    """

    queries: Callable[[Tensor], Tensor]
    items: Tensor
    sizes: tuple[int, ...]
    forward: Any = None

    def layer_scores(self, users: Tensor, candidates: Tensor) -> Tensor:
        """Product of users int64 [R] with each layer of candidates int64 [R, N]: [R, N, H], in one gather."""
        gathered = self.items[candidates]  # [R, N, sum of sizes]
        queries = self.queries(users).unsqueeze(1)
        parts = zip(gathered.split(self.sizes, -1), queries.split(self.sizes, -1), strict=True)
        return torch.stack([(layer * query).sum(-1) for layer, query in parts], -1)

    def detach(self) -> LayerTables:
        """The same tables without gradient, for picking."""
        return LayerTables(lambda users: self.queries(users).detach(), self.items.detach(), self.sizes)

    def mixed_scores(self, users: Tensor, positives: Tensor, negatives: Tensor, share: Tensor | None) -> Tensor:
        """Scores of composite negatives, with gradient: float [R].

        Layer h of a negative is share_h * layer h of the positive + (1 - share_h) * layer h of negatives[:, h], so its
        score is the same mixture of layer scores and no synthetic vector is ever built.

        Args:
            users: int64 [R].
            positives: int64 [R].
            negatives: int64 [R, H].
            share: float [R, H], or None for no mixing.
        """
        queries = self.queries(users).split(self.sizes, -1)
        layers = self.items.split(self.sizes, -1)
        total = torch.zeros(len(users), device=users.device, dtype=self.items.dtype)
        for number, (query, layer) in enumerate(zip(queries, layers, strict=True)):
            scores = (query * functional.embedding(negatives[:, number], layer)).sum(-1)
            if share is not None:
                part = share[:, number]
                scores = part * (query * functional.embedding(positives, layer)).sum(-1) + (1 - part) * scores
            total = total + scores
        return total


class LayerSource(Protocol):
    """Gives the layers of one model; write one for your own model and add it to `LAYER_SOURCES`."""

    n_layers: int

    def __call__(self) -> LayerTables:
        """Propagate once."""


class BPRLayers:
    """Matrix factorisation: one layer, the embedding tables themselves."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.n_layers = 1

    def __call__(self) -> LayerTables:
        """Views of the tables; nothing is computed."""
        users, items = self.model.user_embedding.weight, self.model.item_embedding.weight
        return LayerTables(lambda rows: functional.embedding(rows, users), items, (items.shape[1],))


class LightGCNLayers:
    """LightGCN: layer 0 to n_layers, pooled by their mean, so every layer is scored against the pooled user / H."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.n_layers = model.n_layers + 1
        self.propagate = SymmetricPropagation(model.norm_adj_matrix)

    def __call__(self) -> LayerTables:
        """n_layers products with the normalised adjacency, O(E C) each."""
        model = self.model
        layers = [model.get_ego_embeddings()]
        for _ in range(model.n_layers):
            layers.append(self.propagate(layers[-1]))
        pooled = torch.stack(layers, dim=1).mean(dim=1)
        users, items = torch.split(pooled, [model.n_users, model.n_items])
        side_by_side = torch.cat([layer[model.n_users :] for layer in layers], dim=1)

        def queries(rows: Tensor) -> Tensor:
            return (functional.embedding(rows, users) / self.n_layers).repeat(1, self.n_layers)

        return LayerTables(queries, side_by_side, (model.latent_dim,) * self.n_layers, (users, items))


class NGCFLayers:
    """NGCF: its own forward pass concatenates the layers, so they are cut out of its output."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.sizes = tuple(model.hidden_size_list)
        self.n_layers = len(self.sizes)

    def __call__(self) -> LayerTables:
        """One forward pass of the model, dropout included."""
        users, items = type(self.model).forward(self.model)
        return LayerTables(lambda rows: functional.embedding(rows, users), items, self.sizes, (users, items))


LAYER_SOURCES: dict[str, Callable[[Any], LayerSource]] = {
    "BPR": BPRLayers,
    "LightGCN": LightGCNLayers,
    "NGCF": NGCFLayers,
}
