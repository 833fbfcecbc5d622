"""Graph propagation with a backward pass that uses the symmetry of the adjacency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor


class SymmetricPropagation:
    """Multiplies by a symmetric adjacency in CSR form, so that the backward pass is the same product.

    RecBole multiplies in COO form, whose backward pass transposes and coalesces the matrix in every step. On one core
    scipy's product is the fastest to be had; torch's uses several, wants 32-bit indices to be fast, and needs MKL.

    Args:
        adjacency: sparse COO float32 [n, n], symmetric.
    """

    def __init__(self, adjacency: Tensor) -> None:
        adjacency = adjacency.coalesce()
        compressed = adjacency.to_sparse_csr()
        self.matrix: Tensor | sparse.csr_matrix = compressed
        if adjacency.device.type == "cpu":
            parts = (compressed.crow_indices().int(), compressed.col_indices().int(), compressed.values())
            if torch.backends.mkl.is_available() and torch.get_num_threads() > 1:
                self.matrix = torch.sparse_csr_tensor(*parts, size=adjacency.shape, check_invariants=False)
            else:
                starts, columns, values = (part.numpy() for part in parts)
                self.matrix = sparse.csr_matrix((values, columns, starts), shape=tuple(adjacency.shape))

    def __call__(self, dense: Tensor) -> Tensor:
        """A @ dense, float32 [n, C]; O(E C) forward and backward."""
        result: Tensor = _SymmetricProduct.apply(self, dense)
        return result

    def product(self, dense: Tensor) -> Tensor:
        """A @ dense without gradient."""
        if isinstance(self.matrix, Tensor):
            return self.matrix @ dense
        return torch.from_numpy(np.asarray(self.matrix @ dense.numpy()))


@dataclass(frozen=True)
class PooledLayers:
    """Layers of a mean-pooled model. U users, I items, H layers of width C.

    Attributes:
        users, items: means of the layers, [U, C] and [I, C].
        side_by_side: every layer of the items, [I, H C].
        layers: H tables of users and, below them, items: [U + I, C].
    """

    users: Tensor
    items: Tensor
    side_by_side: Tensor
    layers: tuple[Tensor, ...]

    @staticmethod
    def of(propagation: SymmetricPropagation, layer_0: Tensor, n_layers: int, n_users: int) -> PooledLayers:
        """Propagate n_layers times from float32 [U + I, C]; O(n_layers E C), forward and backward.

        One step of autograd for all: its backward pass adds each layer's gradient up in place on the way down, where
        slices and sums of single layers would each write a table of zeros.
        """
        users, items, side_by_side, *deeper = _MeanPooling.apply(propagation, layer_0, n_layers, n_users)
        return PooledLayers(users, items, side_by_side, (layer_0, *deeper))


class _MeanPooling(torch.autograd.Function):
    """Means of x, A x, A A x, ... for a symmetric A, the items' layers side by side, and the layers from A x on."""

    @staticmethod
    def forward(
        ctx: Any, propagation: SymmetricPropagation, layer_0: Tensor, n_layers: int, n_users: int
    ) -> tuple[Tensor, ...]:
        ctx.propagation, ctx.n_users, ctx.layer_0 = propagation, n_users, layer_0.detach()
        ctx.set_materialize_grads(False)
        layers = [ctx.layer_0]
        for _ in range(n_layers):
            layers.append(propagation.product(layers[-1]))
        parts = [[layer[:n_users] for layer in layers], [layer[n_users:] for layer in layers]]
        users, items = (sum(part[1:], part[0]) / len(layers) for part in parts)
        return users, items, torch.cat(parts[1], dim=1), *layers[1:]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[None, Tensor, None, None]:
        users, items, side_by_side, *deeper = gradients
        layers, width = [None, *deeper], ctx.layer_0.shape[1]
        total = torch.zeros_like(ctx.layer_0)
        of_users, of_items = total[: ctx.n_users], total[ctx.n_users :]
        for number in range(len(layers) - 1, -1, -1):
            for part, gradient in ((of_users, users), (of_items, items)):
                if gradient is not None:
                    part.add_(gradient, alpha=1 / len(layers))
            if side_by_side is not None:
                of_items += side_by_side[:, number * width : (number + 1) * width]
            own = layers[number]
            if own is not None:
                total += own
            if number:
                total = ctx.propagation.product(total)
                of_users, of_items = total[: ctx.n_users], total[ctx.n_users :]
        return None, total, None, None


def side_by_side(layers: list[Tensor], n_users: int) -> tuple[Tensor, Tensor]:
    """Layers [U + I, C_h] of users and, below them, items, next to each other: ([U, W], [I, W]).

    One step of autograd, so that the gradients of both parts are not joined into one wide table and cut up again.
    """
    users, items = _SideBySide.apply(n_users, *layers)
    return users, items


class _SideBySide(torch.autograd.Function):
    """torch.cat along the width, users and items apart."""

    @staticmethod
    def forward(ctx: Any, n_users: int, *layers: Tensor) -> tuple[Tensor, Tensor]:
        ctx.widths = [layer.shape[1] for layer in layers]
        users, items = ([layer[part] for layer in layers] for part in (slice(n_users), slice(n_users, None)))
        return torch.cat(users, dim=1), torch.cat(items, dim=1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        parts = [gradient.split(ctx.widths, dim=1) for gradient in gradients]
        return None, *[torch.cat(pair) for pair in zip(*parts, strict=True)]


class _SymmetricProduct(torch.autograd.Function):
    """y = A x for a symmetric A, so that the gradient of x is A times the gradient of y."""

    @staticmethod
    def forward(ctx: Any, propagation: SymmetricPropagation, dense: Tensor) -> Tensor:
        ctx.propagation = propagation
        return propagation.product(dense.detach())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        return None, ctx.propagation.product(gradients[0].contiguous())
