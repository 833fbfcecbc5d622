"""The layer embeddings of one batch: what samplers compare and mix, and what the loss scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

_ROWS = 256  # positives whose candidates are scored at once: their gathered layers then fit a processor's cache


@dataclass(frozen=True)
class BatchLayers:
    """Layers of all items, and of the users of one batch. R rows, H layers, W = the sum of their widths.

    Attributes:
        queries: user side of the score, float [R, W]: the product with an item's row, summed, is the model's score.
        items: layers of all items side by side, float [I, W]; row 0 is padding.
        sizes: width of each layer, H numbers.
        users: gives the layers of the batch's users, float [R, W]; they differ from `queries` where layers are pooled.
        forward: what the model's own `forward()` would return, or None where it is cheap to call again.
        mean_pooled: the model scores by the means of the layers, so that `queries` repeats the user's mean / H; else
            it adds the products of the layers up.
        pooled_items: these means of all items, float [I, C]: the same scores from a table that is H times narrower;
            None where there are none.
    """

    queries: Tensor
    items: Tensor
    sizes: tuple[int, ...]
    users: Callable[[], Tensor]
    forward: object = None
    mean_pooled: bool = False
    pooled_items: Tensor | None = None

    @property
    def pooled_users(self) -> Tensor:
        """The user that each layer of an item is compared with, [R, W]: the mean of its layers, or the layer itself."""
        return self.queries * len(self.sizes) if self.mean_pooled else self.queries

    def detach(self) -> BatchLayers:
        """The same layers without gradient, for picking."""
        queries, items = self.queries.detach(), self.items.detach()
        return BatchLayers(queries, items, self.sizes, lambda: self.users().detach(), mean_pooled=self.mean_pooled)

    def repeat(self, n: int) -> BatchLayers:
        """n blocks of the batch's rows, one below the other."""
        return replace(self, queries=self.queries.repeat(n, 1), users=lambda: self.users().repeat(n, 1))

    def rows(self, ids: Tensor) -> Tensor:
        """Layers of items side by side: int64 [...] -> float [..., W]."""
        return functional.embedding(ids, self.items)

    def composite(self, ids: Tensor) -> Tensor:
        """Layer h of item ids[..., h], side by side: int64 [..., H] -> float [..., W]."""
        n_layers = len(self.sizes)
        if len(set(self.sizes)) == 1:  # one gather from the layers laid one below the other
            flat = self.items.reshape(-1, self.sizes[0])
            numbers = ids * n_layers + torch.arange(n_layers, device=ids.device)
            return functional.embedding(numbers, flat).reshape(*ids.shape[:-1], -1)
        layers = self.items.split(self.sizes, -1)
        return torch.cat([functional.embedding(ids[..., number], layer) for number, layer in enumerate(layers)], -1)

    def scores(self, rows: Tensor) -> Tensor:
        """The model's scores of layers, real or made up: float [R, W] -> [R], or [R, K, W] -> [R, K]."""
        queries = self.queries if rows.dim() == 2 else self.queries.unsqueeze(1)
        return (queries * rows).sum(-1)

    def joint_scores(self, rows: Tensor, own: Tensor, shared: Tensor) -> tuple[Tensor, Tensor]:
        """The model's scores of each row's own items and of items that all rows share. O(S (L + N) W).

        Args:
            rows: of the batch, int64 [S].
            own: items of each of them, int64 [S, L].
            shared: int64 [N].

        Returns:
            float [S, L] and [S, N], with gradient.
        """
        queries, items = _gather(self.queries, rows), self.items
        if self.pooled_items is not None:
            items = self.pooled_items
            queries = queries[:, : items.shape[1]] * len(self.sizes)
        gathered = _gather(items, torch.cat([own.flatten(), shared]))  # together: one gradient of the table's size
        own_rows, shared_rows = gathered.split([own.numel(), len(shared)])
        own_scores = torch.bmm(own_rows.unflatten(0, tuple(own.shape)), queries.unsqueeze(-1)).squeeze(-1)
        return own_scores, queries @ shared_rows.T

    def widen(self, values: Tensor) -> Tensor:
        """One value for each layer, repeated over its width: [..., H] -> [..., W]."""
        if len(set(self.sizes)) == 1:
            return values.repeat_interleave(self.sizes[0], dim=-1)
        return values.repeat_interleave(torch.tensor(self.sizes, device=values.device), dim=-1)

    def sum_layers(self, rows: Tensor) -> Tensor:
        """Sum over the width of each layer: [..., W] -> [..., H]."""
        if len(set(self.sizes)) == 1:
            return rows.unflatten(-1, (len(self.sizes), self.sizes[0])).sum(-1)
        return torch.stack([layer.sum(-1) for layer in rows.split(self.sizes, -1)], -1)

    def layer_scores(self, candidates: Tensor) -> Tensor:
        """Product of each row's user with each layer of its candidates int64 [R, N]: [R, N, H]. O(RNW)."""
        blocks = zip(self.queries.split(_ROWS), candidates.split(_ROWS), strict=True)
        return torch.cat([self.sum_layers(self.rows(ids) * queries.unsqueeze(1)) for queries, ids in blocks])


def _gather(table: Tensor, ids: Tensor) -> Tensor:
    """Many rows of a table, int64 [n] -> float [n, C].

    On a CPU the backward pass of `index_select` is several times faster than that of an embedding. On a GPU it adds up
    in an order that changes from run to run, so the embedding's is used there.
    """
    return table.index_select(0, ids) if table.device.type == "cpu" else functional.embedding(ids, table)
