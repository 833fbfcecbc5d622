"""The training pairs of each user, on the model's device."""

from __future__ import annotations

import numpy as np
import torch
from scipy import sparse
from torch import Tensor


class History:
    """Items that users have in train. Memory O(U + E).

    Args:
        matrix: CSR [U, I], a stored entry (u, i) is a training pair; row 0 and column 0 are padding.
        device: where ids are drawn and returned.

    Attributes:
        matrix: the same.
        counts: items of each user, int64 [U].
    """

    def __init__(self, matrix: sparse.csr_matrix, device: torch.device | str = "cpu") -> None:
        self.matrix = matrix
        self._items = torch.as_tensor(matrix.indices.astype(np.int64), device=device)
        self._start = torch.as_tensor(matrix.indptr[:-1].astype(np.int64), device=device)
        self.counts = torch.as_tensor(np.diff(matrix.indptr).astype(np.int64), device=device)

    def draw(self, users: Tensor, n: int, generator: torch.Generator) -> Tensor:
        """n items of each user's history, with replacement: int64 [R] -> int64 [R, n]. Each user has at least one."""
        counts = self.counts[users].unsqueeze(1)
        share = torch.rand(len(users), n, dtype=torch.float64, device=users.device, generator=generator)
        return self._items[self._start[users].unsqueeze(1) + torch.minimum((share * counts).long(), counts - 1)]

    def pairs(self, users: Tensor) -> tuple[Tensor, Tensor]:
        """All items of the users int64 [R], below each other: (the place of its user in `users`, item), int64 [n]."""
        counts = self.counts[users]
        places = torch.arange(len(users), device=users.device).repeat_interleave(counts)
        before = counts.cumsum(0) - counts
        within = torch.arange(len(places), device=users.device) - before[places]
        return places, self._items[self._start[users][places] + within]
