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
        mixed = self._rows(negatives)
        if share is not None:
            wide = share.repeat_interleave(torch.tensor(self.sizes, device=share.device), dim=1)
            mixed = torch.lerp(mixed, functional.embedding(positives, self.items), wide)
        return (self.queries(users) * mixed).sum(-1)

    def _rows(self, ids: Tensor) -> Tensor:
        """Layer h of item ids[:, h], side by side: int64 [R, H] -> float [R, sum of sizes]."""
        n_layers = len(self.sizes)
        if len(set(self.sizes)) == 1:  # one gather from the layers laid one below the other
            flat = self.items.reshape(-1, self.sizes[0])
            numbers = ids * n_layers + torch.arange(n_layers, device=ids.device)
            return functional.embedding(numbers, flat).reshape(len(ids), -1)
        layers = self.items.split(self.sizes, -1)
        return torch.cat([functional.embedding(ids[:, number], layer) for number, layer in enumerate(layers)], -1)


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
        pooled = sum(layers[1:], layers[0]) / self.n_layers
        users, items = torch.split(pooled, [model.n_users, model.n_items])
        side_by_side = torch.cat([layer[model.n_users :] for layer in layers], dim=1)

        def queries(rows: Tensor) -> Tensor:
            return (functional.embedding(rows, users) / self.n_layers).repeat(1, self.n_layers)

        return LayerTables(queries, side_by_side, (model.latent_dim,) * self.n_layers, (users, items))


class NGCFLayers:
    """NGCF: its layers are concatenated, so each is scored against the user's own part.

    Without node dropout the layers are computed here with the faster propagation; with it, the model's own forward
    pass is cut into its layers.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.sizes = tuple(model.hidden_size_list)
        self.n_layers = len(self.sizes)
        self.propagate = SymmetricPropagation(model.norm_adj_matrix) if model.node_dropout == 0 else None

    def __call__(self) -> LayerTables:
        """One forward pass, message dropout included; O(E C + n C^2) for each layer."""
        users, items = type(self.model).forward(self.model) if self.propagate is None else self._forward()
        return LayerTables(lambda rows: functional.embedding(rows, users), items, self.sizes, (users, items))

    def _forward(self) -> tuple[Tensor, Tensor]:
        model = self.model
        layers = [model.get_ego_embeddings()]
        for layer in model.GNNlayers:
            around = self.propagate(layers[-1])  # type: ignore[misc]
            raw = layer.linear(layers[-1] + around) + layer.interActTransform(around * layers[-1])
            layers.append(functional.normalize(model.emb_dropout(functional.leaky_relu(raw, 0.2)), p=2, dim=1))
        users, items = torch.split(torch.cat(layers, dim=1), [model.n_users, model.n_items])
        return users, items


LAYER_SOURCES: dict[str, Callable[[Any], LayerSource]] = {
    "BPR": BPRLayers,
    "LightGCN": LightGCNLayers,
    "NGCF": NGCFLayers,
}
