"""Similarity of items in an index tree in a training step, on the device."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from recbole_dtlns.trees.lcp import Normalize, check_normalize


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
        check_normalize(normalize)
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
