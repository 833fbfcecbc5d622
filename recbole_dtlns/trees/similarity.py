"""Similarity of items in an index tree: the longest common prefix (LCP) of their codes."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

Normalize = Literal["min", "depth"]


def common_prefix(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Digits that two codes share from the root on.

    Args:
        a: codes, int [..., D], -1 = padding after the end; a code of -1 alone is missing.
        b: codes, int [..., D]; leading axes are broadcast against those of `a`.

    Returns:
        int64 [...]; 0 where a code is missing. O(D) a pair.
    """
    same = (a == b) & (a >= 0)
    return np.logical_and.accumulate(same, axis=-1).sum(axis=-1, dtype=np.int64)


def lcp_similarity(a: np.ndarray, b: np.ndarray, normalize: Normalize = "min") -> np.ndarray:
    """sim(a, b) = LCP(a, b) / min(len a, len b), or with `depth` LCP(a, b) / D.

    By `min` it is 1 for items of one leaf and, as no leaf is a prefix of another, for no others; but an LCP counts for
    more between shallow leaves. By `depth` it counts the same everywhere, and one leaf reaches 1 only at full depth.

    Args:
        a: codes, int [..., D], -1 = padding.
        b: codes, int [..., D]; leading axes are broadcast against those of `a`.
        normalize: `min` or `depth`.

    Returns:
        float32 [...] in [0, 1]; 0 where a code is missing.

    Raises:
        ValueError: another `normalize`.

    Source: DTL-NS, `modules/LightGCN.py` L231-264 of the authors' code has this closed form (`min`).
    """
    _check(normalize)
    shared = common_prefix(a, b).astype(np.float32)
    if normalize == "depth":
        return shared / np.float32(a.shape[-1])
    shorter = np.minimum((a >= 0).sum(axis=-1), (b >= 0).sum(axis=-1))
    return shared / np.maximum(shorter, 1).astype(np.float32)


class TreeSimilarity:
    """`lcp_similarity` between positives and candidates in a training step, on the device.

    Every node of the tree has a number of its own, so an item's ancestors are one row of numbers and an LCP is the
    count of equal entries: one gather, one comparison and one sum over [B, N, D]. Memory 4 x I x D bytes.

    Args:
        codes: int array or tensor [I + 1, D], -1 = padding, row 0 (padding) all -1.
        device: where positives and candidates will be.
        normalize: `min` or `depth`, as in `lcp_similarity`.

    Raises:
        ValueError: another `normalize`.
    """

    def __init__(
        self, codes: np.ndarray | Tensor, device: torch.device | str = "cpu", normalize: Normalize = "min"
    ) -> None:
        _check(normalize)
        digits = codes.cpu().numpy() if isinstance(codes, Tensor) else np.asarray(codes)
        lengths = (digits >= 0).sum(axis=1) if normalize == "min" else np.full(len(digits), digits.shape[1])
        self._nodes = torch.as_tensor(_ancestors(digits), device=device)  # [I + 1, D]
        self._lengths = torch.as_tensor(np.maximum(lengths, 1), dtype=torch.float32, device=device)  # [I + 1]

    def __call__(self, positives: Tensor, candidates: Tensor) -> Tensor:
        """Similarity of each candidate to its positive.

        Args:
            positives: int64 [B], or any shape that broadcasts against `candidates` once axes of size 1 have been
                appended to it until it has as many.
            candidates: int64 [B, N] or any other shape; 0 = padding.

        Returns:
            float32 [B, N], the broadcast shape; 0 for padding and for items without a code.
        """
        positives = positives.reshape(positives.shape + (1,) * (candidates.dim() - positives.dim()))
        ours = self._nodes[positives]  # [B, 1, D]
        ours = torch.where(ours < 0, -2, ours)  # padding must not equal padding
        shared = (ours == self._nodes[candidates]).sum(dim=-1, dtype=torch.int16)  # [B, N]
        return shared / torch.minimum(self._lengths[positives], self._lengths[candidates])


def _ancestors(codes: np.ndarray) -> np.ndarray:
    """Number of the node at each depth of each item's path, int32 [I + 1, D]; equal at d iff the first d digits are."""
    nodes = np.full(codes.shape, -1, dtype=np.int32)
    parents = np.zeros(len(codes), dtype=np.int64)
    for depth, digits in enumerate(codes.T):
        inside = digits >= 0
        paths = parents[inside] * (int(codes.max()) + 1) + digits[inside]
        parents[inside] = np.unique(paths, return_inverse=True)[1].reshape(-1)
        nodes[inside, depth] = parents[inside]
    return nodes


def _check(normalize: str) -> None:
    if normalize not in ("min", "depth"):
        raise ValueError(f"normalize is {normalize!r}; expected 'min' or 'depth'")
