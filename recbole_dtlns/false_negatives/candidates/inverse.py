"""The inverse of a large matrix on all cores, with the same bytes on any number of them."""

from __future__ import annotations

import numpy as np
from scipy.linalg import blas, lapack
from threadpoolctl import threadpool_limits

from recbole_dtlns.data.blocks import blocks, each_block, openmp_threads

_TILE = 512  # rows and columns of a tile: three of them fit a core's cache
_TILES_AT_ONCE = 4  # tiles that a thread takes in one go


def panel_bytes(size: int) -> int:
    """Bytes that `invert` takes beside a matrix of so many rows: two panels [n, 512] of float32."""
    return 2 * size * _TILE * 4


def invert(matrix: np.ndarray) -> None:
    """Invert a symmetric positive definite matrix in its own memory.

    Block by block of the diagonal, A_kk is replaced by -A_kk^-1, the rest of its columns by A_ik A_kk^-1, and every
    other tile by A_ij - A_ik A_kk^-1 A_kj: the sweep operator (Goodnight, The American Statistician 33, 1979, on blocks
    in place of single columns). After the last one the matrix is -A^-1. With A_kk = L L^T and W_i = A_ik L^-T that is
    A_ij - W_i W_j^T, and W comes from triangular solves: where items are nearly alike, products with an inverse of A_kk
    would lose what is left. So errors are those of LAPACK's potrf and potri. These take as many operations, n^3, but
    have other last digits for each number of threads. Here a product of two tiles is one call on one thread, so the
    bytes do not depend on it, and Ctrl-C does not wait for the whole. The solves, 1,024 / n of the operations, keep to
    one thread. Memory: `panel_bytes`.

    Args:
        matrix: float32 [n, n], C-contiguous; only its lower triangle is read.

    Raises:
        numpy.linalg.LinAlgError: it is not positive definite in float32.
    """
    bounds = [slice(*bound) for bound in blocks(np.ones(len(matrix), dtype=np.int64), _TILE)]
    with threadpool_limits(1, "blas"):
        for number, pivot in enumerate(bounds):
            _sweep(matrix, pivot, bounds[:number] + bounds[number + 1 :])
    for bound in bounds:
        tile = matrix[bound, bound]
        tile[:] = _mirrored(tile)
        below = matrix[bound, : bound.stop]
        np.negative(below, out=below)
        matrix[: bound.start, bound] = matrix[bound, : bound.start].T
    if not (matrix.diagonal() > 0).all():  # not a number, where something overflowed
        raise np.linalg.LinAlgError("the inverse is not positive definite")


def _sweep(matrix: np.ndarray, pivot: slice, others: list[slice]) -> None:
    """One step of `invert`: the tiles of the pivot's rows and columns, then all others of the lower triangle."""
    factor, failed = lapack.spotrf(matrix[pivot, pivot], lower=1, clean=1)
    if failed:
        raise np.linalg.LinAlgError("the matrix is not positive definite")
    half = np.zeros((len(matrix), len(factor)), dtype=np.float32)
    half[: pivot.start] = matrix[pivot, : pivot.start].T
    half[pivot.stop :] = matrix[pivot.stop :, pivot]
    blas.strsm(1.0, factor, half.T, lower=1, overwrite_b=1)  # W; half.T is column-major, so this is in place
    whole = half.copy()
    blas.strsm(1.0, factor, whole.T, lower=1, trans_a=1, overwrite_b=1)  # A_ik A_kk^-1
    tiles = [(below, left) for number, below in enumerate(others) for left in others[: number + 1]]

    def update(first: int, last: int) -> None:
        for below, left in tiles[first:last]:
            matrix[below, left] -= half[below] @ half[left].T

    each_block(update, np.ones(len(tiles), dtype=np.int64), _TILES_AT_ONCE, at_once=openmp_threads())
    matrix[pivot, : pivot.start] = whole[: pivot.start].T
    matrix[pivot.stop :, pivot] = whole[pivot.stop :]
    inverse, _ = lapack.spotri(factor, lower=1, overwrite_c=1)
    matrix[pivot, pivot] = -_mirrored(inverse)


def _mirrored(matrix: np.ndarray) -> np.ndarray:
    """The symmetric matrix whose lower triangle is given, [n, n]."""
    mirrored: np.ndarray = np.tril(matrix) + np.tril(matrix, -1).T
    return mirrored
