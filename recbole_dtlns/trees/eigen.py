"""Leading eigenvectors of a symmetric operator, the same on every run."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh
from threadpoolctl import threadpool_limits

from recbole_dtlns.data.blocks import AT_ONCE, blocks, each_block
from recbole_dtlns.trees.block_krylov import block_krylov

logger = logging.getLogger(__name__)

DENSE_SIZE = 512  # up to here a full decomposition takes under a second and knows no failure
ARPACK_SIZE = 200_000  # above it blocks of vectors are iterated, in float32: half the memory
_LARGE_SOLVER = "block Krylov in float32"  # change it when the same large operator gives other digits
FALLBACK_SIZE = 4096  # up to here one is affordable when the iteration fails: 20 seconds, 400 MB
_RESTARTS = 300  # ordinary graphs need 10 to 50
_TOLERANCE = 1e-6


Product = Callable[[np.ndarray], np.ndarray]


def leading_eigenvectors(multiply: Product, size: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvectors of the algebraically largest eigenvalues.

    Small operators are decomposed in full; for larger ones ARPACK iterates from a fixed start vector, and above
    `ARPACK_SIZE` a block Krylov iteration (`block_krylov`), on one BLAS thread so that sums are added in one order.
    Each vector's sign makes its largest entry positive. Time
    O(count x products) beside O(size x count^2), memory O(size x count).

    Args:
        multiply: the operator, [n] -> [n] or [n, m] -> [n, m] in `precision_of(n)`, with eigenvalues of at most about
            1.
        size: n.
        count: how many, at least 0; more than n are cut to n.

    Returns:
        Values [c], descending, and vectors [n, c] with columns of length 1, in `precision_of(n)`. c is below `count`
        only
        where n is, or where a large operator did not converge, which is logged as a warning.

    Source: Lehoucq et al., ARPACK Users' Guide, through `scipy.sparse.linalg.eigsh(which="LA")`.
    """
    count = min(count, size)
    if count <= 0:
        return np.zeros(0), np.zeros((size, 0))
    with threadpool_limits(limits=1, user_api="blas"):
        if size <= max(DENSE_SIZE, count + 1):
            values, vectors = _dense(multiply, size)
        elif size > ARPACK_SIZE:
            values, vectors = block_krylov(multiply, size, count)
        else:
            values, vectors = _iterate(multiply, size, count)
    order = np.argsort(-values, kind="stable")[:count]
    return values[order], with_fixed_signs(vectors[:, order])


def precision_of(size: int) -> type[np.floating[Any]]:
    """The float type in which an operator on `size` nodes is decomposed."""
    return np.float32 if size > ARPACK_SIZE else np.float64


def solver_of(size: int) -> dict[str, str]:
    """What else decides the eigenvectors of an operator on `size` nodes, for the key of a cache; {}: nothing."""
    return {"solver": _LARGE_SOLVER} if size > ARPACK_SIZE else {}


def product_of(matrix: sparse.csr_matrix) -> Product:
    """x -> matrix @ x; of large matrices several threads compute some rows each, with the same sums."""
    if min(matrix.shape) <= ARPACK_SIZE:
        return lambda x: matrix @ x
    cost, limit = np.diff(matrix.indptr), matrix.nnz // AT_ONCE + 1
    parts = {start: some_rows(matrix, start, stop) for start, stop in blocks(cost, limit)}

    def by_threads(x: np.ndarray) -> np.ndarray:
        x, product = np.ascontiguousarray(x), np.empty((matrix.shape[0], *x.shape[1:]), dtype=x.dtype)

        def multiply(start: int, stop: int) -> None:
            product[start:stop] = parts[start] @ x

        each_block(multiply, cost, limit)
        return product

    return by_threads


def some_rows(matrix: sparse.csr_matrix, start: int, stop: int) -> sparse.csr_matrix:
    """Rows of a matrix in the memory of the whole one, which a slice would copy."""
    first, last = matrix.indptr[start], matrix.indptr[stop]
    rows = sparse.csr_matrix((stop - start, matrix.shape[1]), dtype=matrix.dtype)
    rows.data, rows.indices = matrix.data[first:last], matrix.indices[first:last]
    rows.indptr = matrix.indptr[start : stop + 1] - first
    return rows


def with_fixed_signs(vectors: np.ndarray) -> np.ndarray:
    """Turn each column, float [n, c], so that its entry of largest magnitude is positive; of equal ones the first."""
    magnitude = np.abs(vectors)
    # Entries that are equal but for rounding count as equal; otherwise the last bit would decide the sign.
    leading = (magnitude >= magnitude.max(axis=0) * (1 - 1e-9)).argmax(axis=0)
    return vectors * np.where(vectors[leading, np.arange(vectors.shape[1])] < 0, -1.0, 1.0)


def _iterate(multiply: Product, size: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    operator = LinearOperator((size, size), matvec=multiply, matmat=multiply, dtype=np.float64)
    start = np.random.default_rng(0).standard_normal(size)  # not constant: that is an eigenvector of regular graphs
    try:
        return eigsh(operator, k=count, which="LA", v0=start, maxiter=_RESTARTS, tol=_TOLERANCE)
    except ArpackNoConvergence as failure:
        if size <= FALLBACK_SIZE:
            return _dense(multiply, size)
        logger.warning(
            "Only %d of %d eigenvectors of a graph of %d items converged; the tree is built from these.",
            len(failure.eigenvalues),
            count,
            size,
        )
        return failure.eigenvalues, failure.eigenvectors


def _dense(multiply: Product, size: int) -> tuple[np.ndarray, np.ndarray]:
    matrix = multiply(np.eye(size))
    return np.linalg.eigh((matrix + matrix.T) / 2)
