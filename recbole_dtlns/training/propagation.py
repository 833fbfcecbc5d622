"""Graph propagation with a backward pass that uses the symmetry of the adjacency."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor


class SymmetricPropagation:
    """Multiplies by a symmetric adjacency in CSR form, so that the backward pass is the same product.

    RecBole multiplies in COO form, whose backward pass transposes and coalesces the matrix in every step. torch's
    product in CSR form with 32-bit indices is the fastest to be had, but it needs MKL; scipy's stands in.

    Args:
        adjacency: sparse COO float32 [n, n], symmetric.
    """

    def __init__(self, adjacency: Tensor) -> None:
        adjacency = adjacency.coalesce()
        compressed = adjacency.to_sparse_csr()
        self.matrix: Tensor | sparse.csr_matrix = compressed
        if adjacency.device.type == "cpu":
            parts = (compressed.crow_indices().int(), compressed.col_indices().int(), compressed.values())
            if torch.backends.mkl.is_available():
                self.matrix = torch.sparse_csr_tensor(*parts, size=adjacency.shape, check_invariants=False)
            else:
                starts, columns, values = (part.numpy() for part in parts)
                self.matrix = sparse.csr_matrix((values, columns, starts), shape=tuple(adjacency.shape))

    def product(self, dense: Tensor) -> Tensor:
        """A @ dense, float32 [n, C], without gradient; in float32 under mixed precision too. O(E C)."""
        dense = dense.float()
        if isinstance(self.matrix, Tensor):
            result = torch.empty_like(dense)  # `@` would fill a table with zeros first, and copy it
            return torch.addmm(result, self.matrix, dense, beta=0, out=result)
        return torch.from_numpy(np.asarray(self.matrix @ dense.numpy()))


class RowGradients:
    """Gradients of single rows of the layers, or of the means, kept until the backward pass of the propagation.

    Rows of a layer that would take more memory than a table of its size are added up in one.

    Args:
        n_rows: of a layer, U + I.
    """

    def __init__(self, n_rows: int) -> None:
        self._n_rows = n_rows
        self._kept: dict[int | None, list[tuple[Tensor, Tensor]]] = {}
        self._sums: dict[int | None, Tensor] = {}

    def keep(self, number: int | None, rows: Tensor, values: Tensor) -> None:
        """Keep values float32 [n, C] for rows int64 [n] of layer `number`, or with None of the means."""
        kept = self._kept.setdefault(number, [])
        kept.append((rows, values))
        if sum(len(some) for some, _ in kept) > self._n_rows:
            table = self._sums.setdefault(number, values.new_zeros(self._n_rows, values.shape[1]))
            while kept:
                add_rows(table, *kept.pop())

    def add_to(self, table: Tensor, number: int | None, share: float = 1.0) -> None:
        """Add a share of what is kept for layer `number`, or with None for the means, to a table [U + I, C]."""
        for rows, values in self._kept.get(number, ()):
            add_rows(table, rows, values if share == 1 else values * share)
        if number in self._sums:
            table.add_(self._sums[number], alpha=share)

    def rows(self, number: int | None, device: torch.device) -> Tensor | None:
        """Distinct rows of layer `number` that have a gradient, int64 [n]; None where they were added up in a table."""
        if number in self._sums:
            return None
        found = torch.zeros(self._n_rows, dtype=torch.bool, device=device)
        for rows, _ in self._kept.get(number, ()):
            found[rows] = True
        return found.nonzero().squeeze(1)

    def clear(self) -> None:
        """Forget all of it."""
        self._kept, self._sums = {}, {}


class PooledLayers:
    """Layers of a mean-pooled model: x, A x, A A x, ... for a symmetric A. U users, I items, H layers of width C.

    O(n_layers E C), forward and backward. A batch reads a few rows of each layer, so no gradient of a whole layer is
    made for them: the gradients of rows are kept, and the backward pass adds them to its sum when their layer's turn
    comes.

    Args:
        propagation: multiplies by A, [U + I, U + I].
        layer_0: float32 [U + I, C].
        n_layers: products with A, so that H is one more.
        n_users: U.

    Attributes:
        users, items: means of the layers, [U, C] and [I, C], with gradient.
        layers: H tables of users and, below them, items, [U + I, C], without gradient.
    """

    def __init__(self, propagation: SymmetricPropagation, layer_0: Tensor, n_layers: int, n_users: int) -> None:
        layers = [layer_0.detach()]
        for _ in range(n_layers):
            layers.append(propagation.product(layers[-1]))
        self.layers, self.n_users = tuple(layers), n_users
        self._gradients = RowGradients(len(layer_0))
        self.users, self.items, self._anchor = _MeanPooling.apply(
            layer_0, propagation, self.layers, n_users, self._gradients
        )

    def user_rows(self, number: int | None, users: Tensor) -> Tensor:
        """Rows of a layer, or with None of the means, with gradient: int64 [n] -> float32 [n, C]."""
        table = self.users.detach() if number is None else self.layers[number][: self.n_users]
        return taken_rows(self._anchor, table, users, self._gradients, number, 0)

    def item_rows(self, number: int | None, items: Tensor) -> Tensor:
        """Rows of a layer, or with None of the means, with gradient: int64 [n] -> float32 [n, C]."""
        table = self.items.detach() if number is None else self.layers[number][self.n_users :]
        return taken_rows(self._anchor, table, items, self._gradients, number, self.n_users)


class _MeanPooling(torch.autograd.Function):
    """Means of the layers of users and of items, and a scalar that ties rows of the layers to this step of autograd."""

    @staticmethod
    def forward(
        ctx: Any,
        layer_0: Tensor,
        propagation: SymmetricPropagation,
        layers: tuple[Tensor, ...],
        n_users: int,
        row_gradients: RowGradients,
    ) -> tuple[Tensor, Tensor, Tensor]:
        ctx.propagation, ctx.n_users, ctx.row_gradients = propagation, n_users, row_gradients
        ctx.n_layers, ctx.like = len(layers), layers[0]
        ctx.set_materialize_grads(False)
        means = [layers[0][:n_users].clone(), layers[0][n_users:].clone()]
        for layer in layers[1:]:
            means[0] += layer[:n_users]
            means[1] += layer[n_users:]
        return means[0].div_(len(layers)), means[1].div_(len(layers)), layer_0.new_zeros(())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor, None, None, None, None]:
        users, items, _ = gradients
        total, of_rows, n_layers = torch.zeros_like(ctx.like), ctx.row_gradients, ctx.n_layers
        for number in range(n_layers - 1, -1, -1):
            for part, gradient in ((total[: ctx.n_users], users), (total[ctx.n_users :], items)):
                if gradient is not None:
                    part.add_(gradient, alpha=1 / n_layers)
            of_rows.add_to(total, None, 1 / n_layers)
            of_rows.add_to(total, number)
            if number:
                total = ctx.propagation.product(total)
        of_rows.clear()
        return total, None, None, None, None


def taken_rows(
    anchor: Tensor, table: Tensor, ids: Tensor, row_gradients: RowGradients, number: int | None, first: int
) -> Tensor:
    """Rows of a table, int64 [n] -> float [n, C]; their gradient is kept for the step of autograd of the anchor.

    Args:
        anchor: a scalar that this step returned; its backward pass reads what is kept.
        table: a part of layer `number`, or with None of the means, float [m, C].
        ids: rows of the table.
        row_gradients: where gradients are kept.
        number: of the layer.
        first: row of the layer at which the table begins.
    """
    rows: Tensor = _TakenRows.apply(anchor, table, ids, row_gradients, number, first)
    return rows


class _TakenRows(torch.autograd.Function):
    """`taken_rows`. The turn of the step that made the anchor comes later."""

    @staticmethod
    def forward(
        ctx: Any,
        anchor: Tensor,
        table: Tensor,
        ids: Tensor,
        row_gradients: RowGradients,
        number: int | None,
        first: int,
    ) -> Tensor:
        ctx.row_gradients, ctx.number, ctx.rows = row_gradients, number, ids + first
        return table.index_select(0, ids)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None, None]:
        ctx.row_gradients.keep(ctx.number, ctx.rows, gradients[0])
        return gradients[0].new_zeros(()), None, None, None, None, None


def add_rows(table: Tensor, rows: Tensor, values: Tensor) -> None:
    """Add values float [n, C] to rows int64 [n] of a table [m, C], in an order that is the same in every run."""
    if table.device.type == "cpu":
        table.scatter_add_(0, rows.unsqueeze(1).expand_as(values), values.contiguous())  # else four times as slow
    else:
        table += torch.ops.aten.embedding_dense_backward(values, rows, len(table), -1, False)
