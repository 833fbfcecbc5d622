"""Graph propagation with a backward pass that uses the symmetry of the adjacency."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor


class SymmetricPropagation:
    """Multiplies by a symmetric adjacency in CSR form, so that the backward pass is the same product.

    RecBole multiplies in COO form, whose backward pass transposes and coalesces the matrix in every step. On the CPU
    scipy's product is the fastest to be had (benchmarks/speed.py); elsewhere it is torch's own.

    Args:
        adjacency: sparse COO float32 [n, n], symmetric.
    """

    def __init__(self, adjacency: Tensor) -> None:
        adjacency = adjacency.coalesce()
        self.on_device = None if adjacency.device.type == "cpu" else adjacency.to_sparse_csr()
        rows, columns = adjacency.indices().cpu().numpy()
        values = adjacency.values().cpu().numpy()
        self.matrix = sparse.csr_matrix((values, (rows, columns)), shape=tuple(adjacency.shape))

    def __call__(self, dense: Tensor) -> Tensor:
        """A @ dense, float32 [n, C]; O(E C) forward and backward."""
        result: Tensor = _SymmetricProduct.apply(self, dense)
        return result

    def product(self, dense: Tensor) -> Tensor:
        """A @ dense without gradient."""
        if self.on_device is not None:
            return self.on_device @ dense
        return torch.from_numpy(np.asarray(self.matrix @ dense.numpy()))


class _SymmetricProduct(torch.autograd.Function):
    """y = A x for a symmetric A, so that the gradient of x is A times the gradient of y."""

    @staticmethod
    def forward(ctx: Any, propagation: SymmetricPropagation, dense: Tensor) -> Tensor:
        ctx.propagation = propagation
        return propagation.product(dense.detach())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        return None, ctx.propagation.product(gradients[0].contiguous())
