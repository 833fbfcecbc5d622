"""Leading eigenvectors of a very large symmetric operator, by restarted block Krylov iteration from a random start."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
from scipy.linalg import qr

logger = logging.getLogger(__name__)

TOLERANCE = 0.02  # largest accepted |A v - value v|: clusters do not see less
_STEPS = 6  # products between two restarts
_MORE = 8  # vectors beside those asked for: they carry the error
_RESTARTS = 12


def block_krylov(
    multiply: Callable[[np.ndarray], np.ndarray], size: int, count: int, tolerance: float = TOLERANCE
) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvectors of the algebraically largest eigenvalues, in float32, with their residual checked.

    A product with a block of vectors reads the operator once for all of them. From a block X the space of X, A X, ...,
    A^s X is built, and its best vectors are the next X, until |A v - value v| is at most `tolerance` for each. Time
    O(products of a block) and O(size x block^2 x steps^2) a restart, memory O(size x block x steps): 280 numbers of 4
    bytes a row for 32 vectors.

    Args:
        multiply: the operator, float32 [n, m] -> [n, m], with eigenvalues of at most about 1.
        size: n, larger than all vectors of the space together.
        count: how many.
        tolerance: largest residual.

    Returns:
        Values float32 [count], descending, and vectors float32 [n, count] with columns of length 1. A residual that is
        still larger after the last restart is logged as a warning.

    Source: Musco & Musco, Randomized Block Krylov Methods for Stronger and Faster Approximate Singular Value
    Decomposition, NeurIPS 2015; restarts as in block Lanczos methods (Golub & Van Loan, Matrix Computations, 10.3.6).
    """
    width = count + _MORE
    vectors = _orthogonal(np.random.default_rng(0).standard_normal((size, width), dtype=np.float32))
    space = np.empty((size, width * (_STEPS + 1)), dtype=np.float32, order="F")
    for _ in range(_RESTARTS):
        values, vectors = _restart(multiply, vectors, space)
        product = multiply(vectors[:, :count])
        residual = float(np.linalg.norm(product - vectors[:, :count] * values[:count], axis=0).max(initial=0))
        if residual <= tolerance:
            break
    else:
        logger.warning(
            "The eigenvectors of a graph of %d items have a residual of %.3f after %d restarts (wanted: %g); the "
            "tree is built from them.",
            *(size, residual, _RESTARTS, tolerance),
        )
    return values[:count], vectors[:, :count]


def _restart(
    multiply: Callable[[np.ndarray], np.ndarray], vectors: np.ndarray, space: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The best vectors of the Krylov space of a block [n, w], which is built in `space` [n, w (steps + 1)]."""
    width = vectors.shape[1]
    projected = np.zeros((space.shape[1],) * 2)
    space[:, :width] = vectors
    for begin in range(0, space.shape[1], width):
        end = begin + width
        earlier = space[:, :end]
        product = multiply(space[:, begin:end])
        shares = earlier.T @ product
        projected[:end, begin:end] = shares
        if end < space.shape[1]:
            product -= earlier @ shares
            product = _orthogonal(product)
            product -= earlier @ (earlier.T @ product)  # once more, as rounding leaves a share of the known directions
            space[:, end : end + width] = _orthogonal(product)
    values, mixes = np.linalg.eigh(np.triu(projected) + np.triu(projected, 1).T)
    best = np.argsort(-values, kind="stable")[:width]
    return values[best].astype(np.float32), np.asarray(space @ mixes[:, best].astype(np.float32))


def _orthogonal(block: np.ndarray) -> np.ndarray:
    """An orthonormal basis of float32 [n, w], in float32; numpy's `qr` would compute in float64."""
    return np.asarray(qr(block, mode="economic", check_finite=False)[0])
