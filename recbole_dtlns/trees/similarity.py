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

    A code is packed into a 64-bit number, its first digit in the highest bits, so two codes share their first d digits
    iff the exclusive or of their numbers is below a bound that falls with d: one gather and one search over [B, N],
    whatever D. Codes that do not fit take several numbers. Memory 16 x I bytes a number.

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
        self._words = [(word.to(device), bounds.to(device)) for word, bounds in _packed(digits)]
        self._lengths = torch.as_tensor((digits >= 0).sum(axis=1), device=device)  # int64 [I + 1]
        self._depth = digits.shape[1] if normalize == "depth" else None

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
        shorter = torch.minimum(self._lengths.take(positives), self._lengths.take(candidates))  # [B, N]
        shared, before = torch.zeros_like(shorter), 0
        for word, bounds in self._words:
            differ = word.take(positives) ^ word.take(candidates)
            here = len(bounds) - torch.bucketize(differ, bounds, right=True)
            shared = torch.where(shared == before, shared + here, shared) if before else here
            before += len(bounds)
        shared = torch.minimum(shared, shorter)  # padding equals padding, but is not shared
        return shared / (shorter.clamp_min(1) if self._depth is None else self._depth)


_WORD = 62  # bits of a number, so that it is never negative


def _packed(codes: np.ndarray) -> list[tuple[Tensor, Tensor]]:
    """Codes int [I + 1, D] as numbers: of each word int64 [I + 1], and for its d digits the bounds int64 [d].

    The exclusive or of two numbers of a word is below bounds[d - n] iff the first n of its digits are equal.
    """
    digits = codes.astype(np.int64) + 1  # padding is 0
    bits = [max(int(column.max(initial=0)).bit_length(), 1) for column in digits.T]
    words, start = [], 0
    while start < len(bits):
        end, used = start, 0
        while end < len(bits) and used + bits[end] <= _WORD:
            used += bits[end]
            end += 1
        shifts = used - np.cumsum(bits[start:end])
        number = (digits[:, start:end] << shifts).sum(axis=1)
        words.append((torch.as_tensor(number), torch.as_tensor(1 << shifts[::-1])))
        start = end
    return words


def _check(normalize: str) -> None:
    if normalize not in ("min", "depth"):
        raise ValueError(f"normalize is {normalize!r}; expected 'min' or 'depth'")
