"""Spectral embedding of items: directions in which strongly linked items lie together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from recbole_dtlns.trees.eigen import leading_eigenvectors, precision_of, product_of


def spectral_embedding(graph: sparse.csr_matrix, dimensions: int = 32) -> np.ndarray:
    """Embed items by the smallest non-trivial eigenvectors of the normalised Laplacian I - D^-1/2 W D^-1/2.

    They are the largest of D^-1/2 W D^-1/2, where the iteration converges far faster. Time O(entries x dimensions) for
    each of some ten restarts, memory one copy of the graph: in float64, or in float32 above `eigen.ARPACK_SIZE` items.

    Args:
        graph: symmetric CSR [I, I] with weights of at least 0; no item is padding.
        dimensions: number of columns.

    Returns:
        float64 (above `eigen.ARPACK_SIZE` items float32) [I, dimensions], weighed, brought to length 1 and with
        components told apart as `component_embedding`
        describes; zero rows for items without a link.

    Source: DTL-NS, `encoding.py` L76-95 of the authors' code, which drops one trivial vector whatever the number of
    components, starts at random and leaves vectors and rows as they are.
    """
    precision = precision_of(graph.shape[0])
    degree = graph @ np.ones(graph.shape[1])  # float64, whatever the weights are
    linked = np.flatnonzero(degree > 0)
    embedding = np.zeros((len(degree), dimensions), dtype=precision)
    if len(linked) == 0:
        return embedding
    if len(linked) < len(degree):
        graph = graph[linked][:, linked]
    degree = degree[linked]
    labels = connected_components(graph, directed=False)[1]
    scale = (1 / np.sqrt(degree)).astype(precision)
    normalised = sparse.csr_matrix(graph, dtype=precision, copy=True)
    normalised.data *= np.repeat(scale, np.diff(normalised.indptr))  # in place: the graph is the largest thing here
    normalised.data *= scale[normalised.indices]
    embedding[linked] = component_embedding(product_of(normalised), degree, labels, dimensions)
    return embedding


def component_embedding(
    multiply: Callable[[np.ndarray], np.ndarray],
    mass: np.ndarray,
    labels: np.ndarray,
    dimensions: int,
) -> np.ndarray:
    """Embed the nodes of a normalised symmetric operator whose graph may have several components.

    Each component C has a trivial eigenvector of eigenvalue 1, sqrt(mass) on C and 0 elsewhere. They say nothing
    about the inside of a component, and hundreds of small ones would use up all dimensions. They are known beforehand
    and taken out of the operator. What they are good for, telling components apart, is done by at most half of the
    columns, and only where there are several: a column for each, or, when they are too many, a fixed random direction
    for each.

    Each other eigenvector is weighed by its eigenvalue, 0 if that is negative (Coifman & Lafon 2006), so that those
    without structure, the most in a small catalogue, do not drown the rest. Rows are then brought to length 1 (Ng,
    Jordan & Weiss 2002): many eigenvectors of a sparse graph live on a handful of items, which would take a cluster
    each and leave the other items to be split by the size bound alone. Component and inside count the same.

    Args:
        multiply: float [n] or [n, m] -> same shape and type; eigenvalues in [-1, 1].
        mass: positive weight of each node, float [n], whose root is the trivial eigenvector.
        labels: component of each node, int [n], 0, 1, ... without gaps.
        dimensions: number of columns.

    Returns:
        float [n, dimensions] of `precision_of(n)` with rows of length 1, or 0 where nothing is known; zero columns
        beyond the last vector.
    """
    n_nodes, n_components = len(mass), int(labels.max()) + 1
    trivial = np.sqrt(mass / np.bincount(labels, mass)[labels]).astype(precision_of(n_nodes))
    basis = sparse.csr_matrix((trivial, labels, np.arange(n_nodes + 1)), shape=(n_nodes, n_components))
    across = basis.T.tocsr()
    marks = _directions(n_components, dimensions // 2).astype(trivial.dtype)[labels]
    count = min(dimensions - marks.shape[1], n_nodes - n_components)
    values, vectors = leading_eigenvectors(lambda x: multiply(x) - basis @ (across @ x), n_nodes, count)
    inside = vectors * np.maximum(values, 0).astype(vectors.dtype)
    # Rows that no eigenvector reaches hold rounding errors, which must not be brought to length 1.
    inside[np.linalg.norm(inside, axis=1) < 1e-4 * trivial] = 0
    columns = np.hstack([marks, unit_rows(inside)])
    return unit_rows(np.pad(columns, ((0, 0), (0, dimensions - columns.shape[1]))))


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Rows brought to length 1, float [n, d]; zero rows stay."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(length == 0, 1, length)


def _directions(n_components: int, room: int) -> np.ndarray:
    """Direction of each component, float [components, at most room] of length 1; no columns for one component."""
    if n_components == 1:
        return np.zeros((1, 0))
    if n_components <= room:
        return np.eye(n_components)
    return unit_rows(np.random.default_rng(0).standard_normal((n_components, room)))
