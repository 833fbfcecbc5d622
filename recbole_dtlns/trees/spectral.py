"""Spectral embedding of items: directions in which strongly linked items lie together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from recbole_dtlns.trees.eigen import leading_eigenvectors


def spectral_embedding(graph: sparse.csr_matrix, dimensions: int = 32) -> np.ndarray:
    """Embed items by the smallest non-trivial eigenvectors of the normalised Laplacian I - D^-1/2 W D^-1/2.

    They are the largest of D^-1/2 W D^-1/2, where the iteration converges far faster. Rows are brought to length 1 (Ng,
    Jordan & Weiss 2002): on sparse graphs many eigenvectors live on a handful of items, whose large entries would
    take a cluster each, and with them the place of thousands of others. Time O(entries x dimensions) for each of some
    ten restarts, memory one float64 copy of the graph.

    Args:
        graph: symmetric CSR [I, I] with weights of at least 0; no item is padding.
        dimensions: number of columns.

    Returns:
        float64 [I, dimensions], rows of length 1; zero rows for items without a link, zero columns where the graph
        has fewer eigenvectors. Several components are told apart as `component_embedding` describes.

    Source: DTL-NS, `encoding.py` L76-95 of the authors' code, which drops one trivial vector whatever the number of
    components, starts at random and leaves rows as they are.
    """
    weights = sparse.csr_matrix(graph, dtype=np.float64)
    degree = np.asarray(weights.sum(axis=1)).ravel()
    linked = np.flatnonzero(degree > 0)
    embedding = np.zeros((len(degree), dimensions))
    if len(linked) == 0:
        return embedding
    if len(linked) < len(degree):
        weights = weights[linked][:, linked]
    degree = degree[linked]
    scale = sparse.diags_array(1 / np.sqrt(degree))
    normalised = sparse.csr_matrix(scale @ weights @ scale)
    labels = connected_components(weights, directed=False)[1]
    embedding[linked] = component_embedding(lambda x: normalised @ x, degree, labels, dimensions)
    return embedding


def component_embedding(
    multiply: Callable[[np.ndarray], np.ndarray],
    mass: np.ndarray,
    labels: np.ndarray,
    dimensions: int,
    scaled: bool = False,
) -> np.ndarray:
    """Embed the nodes of a normalised symmetric operator whose graph may have several components.

    Each component C has a trivial eigenvector of eigenvalue 1, sqrt(mass) on C and 0 elsewhere. They say nothing
    about the inside of a component, and hundreds of small ones would use up all dimensions. So they are known
    beforehand, moved to the bottom of the spectrum, and do not come out of the iteration; what they are good for,
    telling components apart, is done by at most half of the columns: one column for each component but the largest,
    or, when these are too many, a fixed random direction for each.

    Args:
        multiply: float64 [n] or [n, m] -> same shape; eigenvalues in [-1, 1].
        mass: positive weight of each node, float [n], whose root is the trivial eigenvector.
        labels: component of each node, int [n], 0, 1, ... without gaps.
        dimensions: number of columns.
        scaled: multiply each eigenvector by the root of its eigenvalue, its singular value if the operator is a Gram
            matrix.

    Returns:
        float64 [n, dimensions] with rows of length 1 (or 0).
    """
    n_nodes, n_components = len(mass), int(labels.max()) + 1
    trivial = np.sqrt(mass / np.bincount(labels, mass)[labels])
    basis = sparse.csr_matrix((trivial, labels, np.arange(n_nodes + 1)), shape=(n_nodes, n_components))
    across = basis.T.tocsr()
    marks = trivial[:, None] * _directions(labels, n_components, dimensions // 2)[labels]
    count = min(dimensions - marks.shape[1], n_nodes - n_components)
    values, vectors = leading_eigenvectors(lambda x: multiply(x) - 3 * (basis @ (across @ x)), n_nodes, count)
    if scaled:
        vectors = vectors * np.sqrt(np.where(values > 1e-12, values, 0))
    columns = np.hstack([marks, vectors])
    return unit_rows(np.pad(columns, ((0, 0), (0, dimensions - columns.shape[1]))))


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Rows brought to length 1, float [n, d]; rows that are zero but for rounding become zero."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    tiny = length <= 1e-10 * length.max(initial=0)
    return np.where(tiny, 0.0, vectors / np.where(tiny, 1.0, length))


def _directions(labels: np.ndarray, n_components: int, room: int) -> np.ndarray:
    """Direction of each component, float [components, at most room]: zero for the largest, length 1 for the others."""
    width = min(room, n_components - 1)
    order = np.argsort(-np.bincount(labels), kind="stable")  # by size, then by first node
    directions = np.zeros((n_components, width))
    if width == n_components - 1:
        directions[order[1:]] = np.eye(width)
    elif width:
        directions[order[1:]] = unit_rows(np.random.default_rng(0).standard_normal((n_components - 1, width)))
    return directions
