"""Graph propagation with a backward pass that uses the symmetry of the adjacency."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _SymmetricProduct(torch.autograd.Function):
    """y = A x for a symmetric sparse A, so that the gradient of x is A times the gradient of y."""

    @staticmethod
    def forward(ctx: Any, adjacency: Tensor, dense: Tensor) -> Tensor:
        ctx.adjacency = adjacency
        return adjacency @ dense

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        return None, ctx.adjacency @ gradients[0].contiguous()


class SymmetricPropagation:
    """Multiplies by a symmetric adjacency in CSR form.

    RecBole multiplies in COO form, whose backward pass transposes and coalesces the matrix in every step.

    Args:
        adjacency: sparse COO [n, n], symmetric.
    """

    def __init__(self, adjacency: Tensor) -> None:
        self.adjacency = adjacency.coalesce().to_sparse_csr()

    def __call__(self, dense: Tensor) -> Tensor:
        """A @ dense, float [n, C]; O(E C) forward and backward."""
        result: Tensor = _SymmetricProduct.apply(self.adjacency, dense)
        return result
