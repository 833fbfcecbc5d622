"""The longest common prefix (LCP) of two codes, and the similarity that it gives; needs no torch."""

from __future__ import annotations

from typing import Literal

import numpy as np

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
    check_normalize(normalize)
    shared = common_prefix(a, b).astype(np.float32)
    if normalize == "depth":
        return shared / np.float32(a.shape[-1])
    shorter = np.minimum((a >= 0).sum(axis=-1), (b >= 0).sum(axis=-1))
    return shared / np.maximum(shorter, 1).astype(np.float32)


def check_normalize(normalize: str) -> None:
    """Raise ValueError unless it is `min` or `depth`."""
    if normalize not in ("min", "depth"):
        raise ValueError(f"normalize is {normalize!r}; expected 'min' or 'depth'")
