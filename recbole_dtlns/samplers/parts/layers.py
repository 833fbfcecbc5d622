"""The layer embeddings of one batch: what samplers compare and mix, and what the loss scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

TakeRows = Callable[[int | None, Tensor], Tensor]
"""(layer, or None for the pooled layers; ids int64 [n]) -> their rows with gradient, float [n, C]."""

_ROWS = 256  # positives whose candidates are scored at once: their gathered layers then fit a processor's cache


@dataclass(frozen=True)
class BatchLayers:
    """Layers of all items, and of the users of one batch. R rows, H layers, W = the sum of their widths.

    Attributes:
        queries: user side of the score, float [R, W]: the product with an item's row, summed, is the model's score.
        item_tables: layers of all items, side by side in one table, float [I, W], or a table of each, H of float
            [I, C_h]; row 0 is padding.
        sizes: width of each layer, H numbers.
        users: gives the layers of the batch's users, float [R, W]; they differ from `queries` where layers are pooled.
        forward: what the model's own `forward()` would return, or None where it is cheap to call again.
        mean_pooled: the model scores by the means of the layers, so that `queries` repeats the user's mean / H; else
            it adds the products of the layers up.
        pooled_items: these means of all items, float [I, C]: the same scores from a table that is H times narrower;
            None where there are none.
        take: gives rows of layers, where their gradient has a shorter way than through the tables; None elsewhere.
    """

    queries: Tensor
    item_tables: Tensor | tuple[Tensor, ...]
    sizes: tuple[int, ...]
    users: Callable[[], Tensor]
    forward: object = None
    mean_pooled: bool = False
    pooled_items: Tensor | None = None
    take: TakeRows | None = None

    @property
    def items(self) -> Tensor:
        """Layers of all items side by side, float [I, W], with gradient; O(I W) where each has a table of its own."""
        if isinstance(self.item_tables, Tensor):
            return self.item_tables
        return self.rows(torch.arange(self.n_items, device=self.queries.device))

    @property
    def n_items(self) -> int:
        """I, with the padding in row 0."""
        return len(self.item_tables if isinstance(self.item_tables, Tensor) else self.item_tables[0])

    @property
    def pooled_users(self) -> Tensor:
        """The user that each layer of an item is compared with, [R, W]: the mean of its layers, or the layer itself."""
        return self.queries * len(self.sizes) if self.mean_pooled else self.queries

    def detach(self) -> BatchLayers:
        """The same layers without gradient, for picking."""
        tables = self.item_tables
        tables = tables.detach() if isinstance(tables, Tensor) else tuple(table.detach() for table in tables)
        users = lambda: self.users().detach()  # noqa: E731
        return BatchLayers(self.queries.detach(), tables, self.sizes, users, mean_pooled=self.mean_pooled)

    def repeat(self, n: int) -> BatchLayers:
        """n blocks of the batch's rows, one below the other."""
        return replace(self, queries=self.queries.repeat(n, 1), users=lambda: self.users().repeat(n, 1))

    def rows(self, ids: Tensor) -> Tensor:
        """Layers of items side by side: int64 [...] -> float [..., W]."""
        if isinstance(self.item_tables, Tensor):
            return gathered(self.item_tables, ids)
        return torch.cat([self._layer_rows(number, ids) for number in range(len(self.sizes))], -1)

    def composite(self, ids: Tensor) -> Tensor:
        """Layer h of item ids[..., h], side by side: int64 [..., H] -> float [..., W]."""
        n_layers = len(self.sizes)
        if isinstance(self.item_tables, Tensor) and len(set(self.sizes)) == 1:
            flat = self.item_tables.reshape(-1, self.sizes[0])  # the layers laid one below the other: one gather
            numbers = ids * n_layers + torch.arange(n_layers, device=ids.device)
            return gathered(flat, numbers).reshape(*ids.shape[:-1], -1)
        return torch.cat([self._layer_rows(number, ids[..., number]) for number in range(n_layers)], -1)

    def _layer_rows(self, number: int, ids: Tensor) -> Tensor:
        if self.take is not None:
            return self.take(number, ids.reshape(-1)).reshape(*ids.shape, self.sizes[number])
        return gathered(self._tables[number], ids)

    @property
    def _tables(self) -> tuple[Tensor, ...]:
        """A table of each layer, [I, C_h]; parts of one wide table are no contiguous ones."""
        return self.item_tables.split(self.sizes, -1) if isinstance(self.item_tables, Tensor) else self.item_tables

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
        queries, ids = gathered(self.queries, rows), torch.cat([own.flatten(), shared])
        queries, both = self._scored(queries, ids)  # together: one gradient of the table's size
        own_rows, shared_rows = both.split([own.numel(), len(shared)])
        own_scores = torch.bmm(own_rows.unflatten(0, tuple(own.shape)), queries.unsqueeze(-1)).squeeze(-1)
        return own_scores, queries @ shared_rows.T

    def item_scores(self, ids: Tensor) -> Tensor:
        """`scores` of `rows` of items, int64 [R, K] -> float [R, K], with gradient. O(R K C) if layers are pooled."""
        queries, rows = self._scored(self.queries, ids.reshape(-1))
        return (rows.unflatten(0, tuple(ids.shape)) * queries.unsqueeze(1)).sum(-1)  # no bmm: it halves under autocast

    def _scored(self, queries: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        """User and item side of the model's score: means where it pools, else all layers; for [S, W] and int64 [n]."""
        if self.pooled_items is None:
            return queries, self.rows(ids)
        items = gathered(self.pooled_items, ids) if self.take is None else self.take(None, ids)
        return queries[:, : items.shape[1]] * len(self.sizes), items

    def widen(self, values: Tensor) -> Tensor:
        """One value for each layer, repeated over its width: [..., H] -> [..., W]."""
        if len(set(self.sizes)) == 1:
            return values.repeat_interleave(self.sizes[0], dim=-1)
        return values.repeat_interleave(torch.tensor(self.sizes, device=values.device), dim=-1)

    def scaled(self, rows: Tensor, factors: Tensor) -> Tensor:
        """Each layer times its factor: [..., W] and [..., H] -> [..., W]."""
        if len(set(self.sizes)) == 1:  # without the wide table of factors
            return (rows.unflatten(-1, (len(self.sizes), -1)) * factors.unsqueeze(-1)).flatten(-2)
        return rows * self.widen(factors)

    def sum_layers(self, rows: Tensor) -> Tensor:
        """Sum over the width of each layer: [..., W] -> [..., H]."""
        if len(set(self.sizes)) == 1:
            return rows.unflatten(-1, (len(self.sizes), self.sizes[0])).sum(-1)
        return torch.stack([layer.sum(-1) for layer in rows.split(self.sizes, -1)], -1)

    def layer_scores(self, candidates: Tensor) -> Tensor:
        """Product of each row's user with each layer of its candidates int64 [R, N]: [R, N, H]. O(RNW)."""
        pairs = list(zip(self.queries.split(self.sizes, -1), self._tables, strict=True))
        if not self._has_gradient and all(fits_products(queries, table, candidates) for queries, table in pairs):
            return torch.stack([pair_products(queries, table, candidates) for queries, table in pairs], -1)
        blocks = zip(self.queries.split(_ROWS), candidates.split(_ROWS), strict=True)
        return torch.cat([self.sum_layers(self.rows(ids) * queries.unsqueeze(1)) for queries, ids in blocks])

    @property
    def _has_gradient(self) -> bool:
        tables = (self.queries, *self._tables)
        return torch.is_grad_enabled() and (self.take is not None or any(table.requires_grad for table in tables))


def fits_products(queries: Tensor, table: Tensor, candidates: Tensor) -> bool:
    """Whether `pair_products` takes these: float32 on a CPU, and what its arguments say."""
    one_type = queries.dtype == table.dtype == torch.float32
    fits = 0 < candidates.shape[1] <= len(table)
    return one_type and fits and table.device.type == "cpu" and table.is_contiguous()


def pair_products(queries: Tensor, table: Tensor, candidates: Tensor) -> Tensor:
    """Products of each row with its own rows of a table, without gradient. O(RNC), and nothing is gathered.

    Args:
        queries: float32 [R, C].
        table: float32 [I, C], contiguous.
        candidates: rows of it, int64 [R, N] with N from 1 to I: a sparse matrix holds no more.

    Returns:
        float32 [R, N].
    """
    starts = torch.arange(0, candidates.numel() + 1, candidates.shape[1])
    products = torch.sparse_csr_tensor(
        *(starts, candidates.reshape(-1), table.new_zeros(candidates.numel())),  # the products are added to these
        size=(len(candidates), len(table)),
        check_invariants=False,  # candidates are in no order, and may be there twice
    )
    torch.sparse.sampled_addmm(products, queries.contiguous(), table.T, out=products)
    return products.values().reshape(candidates.shape)


def gathered(table: Tensor, ids: Tensor) -> Tensor:
    """Rows of a table, int64 [...] -> float [..., C].

    On a CPU the backward pass of `index_select` is faster than that of an embedding. On a GPU it adds up in an order
    that changes from run to run, so the embedding's is used there.
    """
    if table.device.type != "cpu":
        return functional.embedding(ids, table)
    return table.index_select(0, ids.reshape(-1)).reshape(*ids.shape, table.shape[1])
