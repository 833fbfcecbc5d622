"""The inverse of a large matrix on all cores, with the same bytes on any number of them."""

from __future__ import annotations

import numpy as np
from scipy.linalg import lapack
from threadpoolctl import threadpool_limits

from recbole_dtlns.data.blocks import blocks, each_block, openmp_threads

_TILE = 512  # rows and columns of a tile: three of them fit a core's cache
_TILES_AT_ONCE = 4  # tiles that a thread takes in one go


def invert(matrix: np.ndarray) -> None:
    """Invert a symmetric positive definite matrix in its own memory.

    Block by block of the diagonal, D = A_kk is replaced by -D^-1, the rest of its columns by C = A_ik D^-1, and every
    other tile by A_ij - C_i A_kj: the sweep operator (Goodnight, The American Statistician 33, 1979, on blocks in
    place of single columns). After the last one the matrix is -A^-1. Of the symmetric matrix only the lower triangle
    is read and computed, so it takes the n^3 operations of LAPACK's potrf and potri. Those have other last digits for
    each number of threads; here each product of two tiles is one call on one thread, so the bytes do not depend on it,
    and Ctrl-C waits for a tile, not for the whole. Beside the matrix: three panels [n, 512].

    Args:
        matrix: float32 [n, n], C-contiguous.

    Raises:
        numpy.linalg.LinAlgError: it is not positive definite in float32.
    """
    bounds = list(blocks(np.ones(len(matrix), dtype=np.int64), _TILE))
    with threadpool_limits(1, "blas"):
        for number, (start, stop) in enumerate(bounds):
            _sweep(matrix, slice(start, stop), [slice(*bound) for bound in bounds[:number] + bounds[number + 1 :]])
    for start, stop in bounds:
        tile = matrix[start:stop, start:stop]
        tile[:] = np.tril(tile) + np.tril(tile, -1).T
        np.negative(matrix[start:stop, :stop], out=matrix[start:stop, :stop])
        matrix[:start, start:stop] = matrix[start:stop, :start].T
    if not (matrix.diagonal() > 0).all():  # not a number, where something overflowed
        raise np.linalg.LinAlgError("the inverse is not positive definite")


def _sweep(matrix: np.ndarray, pivot: slice, others: list[slice]) -> None:
    """One step of `invert`: the tiles of the pivot's rows and columns, then all others of the lower triangle."""
    own = matrix[pivot, pivot]
    inverse = _small_inverse(own)
    rows = np.zeros((own.shape[0], len(matrix)), dtype=np.float32)  # the pivot's rows, A_kj, without its own tile
    rows[:, : pivot.start] = matrix[pivot, : pivot.start]
    rows[:, pivot.stop :] = matrix[pivot.stop :, pivot].T
    columns = np.empty((len(matrix), own.shape[0]), dtype=np.float32)  # C
    tiles = [(below, left) for number, below in enumerate(others) for left in others[: number + 1]]

    def columns_of(first: int, last: int) -> None:
        for tile in others[first:last]:
            np.matmul(rows[:, tile].T, inverse, out=columns[tile])

    def rest(first: int, last: int) -> None:
        for below, left in tiles[first:last]:
            matrix[below, left] -= columns[below] @ rows[:, left]

    threads = openmp_threads()
    each_block(columns_of, np.ones(len(others), dtype=np.int64), 1, at_once=threads)
    each_block(rest, np.ones(len(tiles), dtype=np.int64), _TILES_AT_ONCE, at_once=threads)
    matrix[pivot, : pivot.start] = columns[: pivot.start].T
    matrix[pivot.stop :, pivot] = columns[pivot.stop :]
    matrix[pivot, pivot] = -inverse


def _small_inverse(matrix: np.ndarray) -> np.ndarray:
    """Inverse of the lower triangle's symmetric matrix, float32 [n, n], by Cholesky, in new memory."""
    factor, failed = lapack.spotrf(matrix, lower=1, clean=0)
    if not failed:
        factor, failed = lapack.spotri(factor, lower=1, overwrite_c=1)
    if failed:
        raise np.linalg.LinAlgError("the matrix is not positive definite")
    return np.tril(factor) + np.tril(factor, -1).T
