"""Balanced k-way index tree: recursive k-means over item vectors, every cluster bounded in size."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from recbole_dtlns.errors import UserError

SEED = 42
SLACK = 1.6
SAMPLE = 50_000  # centres of a larger node are fitted on that many of its members


def build_codes(
    vectors: np.ndarray, branching: int = 4, leaf_size: int = 30, seed: int = SEED, slack: float = SLACK
) -> np.ndarray:
    """Split the items into up to `branching` clusters again and again until at most `leaf_size` stay together.

    An item's code is the path of child numbers from the root to its leaf; children are numbered 0, 1, ... by their
    first member. Of a node with n members and k children, none gets more than max(int(slack * n / k), ceil(n / k)),
    and every node is smaller than its parent, so the tree ends on any input. O(I x d x branching) a level, O(log I)
    levels; a minute for 300,000 items. Runs repeat exactly: k-means has one thread, as its sums depend on their order.

    Args:
        vectors: finite float [n, d]; no row is padding.
        branching: children of a node, at least 2.
        leaf_size: largest leaf, at least 1.
        seed: decides the first centres.
        slack: how much larger than an even share a cluster may be, from 1 to below `branching`.

    Returns:
        int16 [n, D], -1 = padding after the end of a code. A catalogue that fits into one leaf has the code 0.

    Raises:
        UserError: no items, vectors that are not finite, or settings out of range.

    Source: DTL-NS, `encoding.py` L98-160, which loops on empty clusters and moves the last-indexed members.
    """
    vectors = np.asarray(vectors)
    _check(vectors, branching, leaf_size, slack)
    vectors = vectors / (np.abs(vectors).max(initial=0) or 1)  # else squares might leave the range of floats
    leaves: list[tuple[np.ndarray, tuple[int, ...]]] = []
    open_nodes: list[tuple[np.ndarray, tuple[int, ...]]] = [(np.arange(len(vectors)), ())]
    progress = tqdm(total=len(vectors), desc="index tree", disable=None, leave=False, delay=2)
    with threadpool_limits(limits=1), progress:
        while open_nodes:
            members, path = open_nodes.pop()
            if len(members) <= leaf_size:
                leaves.append((members, path or (0,)))
                progress.update(len(members))
                continue
            children = split_node(vectors[members], branching, seed, slack)
            open_nodes += [(members[children == child], (*path, child)) for child in range(children.max() + 1)]
    return _as_matrix(leaves, len(vectors))


def split_node(vectors: np.ndarray, branching: int, seed: int, slack: float) -> np.ndarray:
    """Cluster one node's members, float [n, d] with n >= 2, and keep every cluster within its bound.

    Returns:
        Child numbers, int64 [n]: 0, 1, ... without gaps, at least two of them.
    """
    n_members = len(vectors)
    n_clusters = min(branching, n_members)
    if (vectors == vectors[0]).all():
        return np.arange(n_members) * n_clusters // n_members
    distances = _distances(vectors, n_clusters, seed)
    capacity = max(int(slack * n_members / n_clusters), -(-n_members // n_clusters))
    return _by_first_member(balance(distances, min(capacity, n_members - 1)))


def balance(distances: np.ndarray, capacity: int | np.ndarray) -> np.ndarray:
    """Assign members to their nearest cluster, then move the members that lose least out of the overfull ones.

    A move costs the growth of the squared distance. The cheapest move from an overfull cluster to one with room is
    made first; of equal ones that of the lowest member, to the lowest cluster. O(k n log n), sorting anew only when
    a cluster has become full or small enough.

    Args:
        distances: squared distances, float [n, k].
        capacity: largest cluster, of all or int64 [k] of each; together they have room for n.

    Returns:
        Cluster of every member, int64 [n].
    """
    labels = distances.argmin(axis=1)
    own = distances[np.arange(len(labels)), labels]
    capacity = np.broadcast_to(capacity, distances.shape[1:])
    sizes = np.bincount(labels, minlength=distances.shape[1])
    while (sizes > capacity).any():
        movable = np.flatnonzero((sizes > capacity)[labels])
        options = np.where(sizes < capacity, distances[movable], np.inf)
        targets = options.argmin(axis=1)
        order = np.argsort(options[np.arange(len(movable)), targets] - own[movable], kind="stable")
        movable, targets = movable[order], targets[order]
        count = _until_settled(labels[movable], targets, sizes, capacity)
        labels[movable[:count]] = targets[:count]
        sizes = np.bincount(labels, minlength=distances.shape[1])
    return labels


def _until_settled(sources: np.ndarray, targets: np.ndarray, sizes: np.ndarray, capacity: np.ndarray) -> int:
    """How many moves, in order, can be made until one cluster is full or no longer overfull."""
    first = len(sources)
    for cluster, excess in enumerate(sizes - capacity):
        touched = np.flatnonzero((sources if excess > 0 else targets) == cluster)
        needed = abs(int(excess))
        if 0 < needed <= len(touched):
            first = min(first, int(touched[needed - 1]) + 1)
    return first


def _distances(vectors: np.ndarray, n_clusters: int, seed: int) -> np.ndarray:
    """Squared distances to k-means centres [n, k]; fewer distinct points than clusters give repeated centres."""
    sample = vectors
    if len(vectors) > SAMPLE:
        rows = np.random.default_rng(seed).choice(len(vectors), SAMPLE, replace=False)
        sample = vectors[np.sort(rows)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = KMeans(n_clusters, n_init=4, random_state=seed).fit(sample)
    return model.transform(vectors) ** 2


def _by_first_member(labels: np.ndarray) -> np.ndarray:
    """Number the clusters that have members 0, 1, ... in the order of their first members."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


def _as_matrix(leaves: list[tuple[np.ndarray, tuple[int, ...]]], n_items: int) -> np.ndarray:
    codes = np.full((n_items, max(len(path) for _, path in leaves)), -1, dtype=np.int16)
    for members, path in leaves:
        codes[members, : len(path)] = path
    return codes


def _check(vectors: np.ndarray, branching: int, leaf_size: int, slack: float) -> None:
    if vectors.ndim != 2 or not len(vectors):
        raise UserError(
            f"The item tree needs vectors [items, dimensions] of at least one item, found shape {vectors.shape}. "
            "Check that the training split is not empty."
        )
    if not np.isfinite(vectors).all():
        raise UserError(
            f"{int((~np.isfinite(vectors)).any(axis=1).sum())} of {len(vectors)} item vectors hold NaN or infinity; "
            "the tree needs finite vectors. Repair the file, or set item_vectors=svd."
        )
    if not 2 <= branching <= np.iinfo(np.int16).max:
        raise UserError(f"tree_branching is {branching}; expected 2 to {np.iinfo(np.int16).max}. 4 is usual.")
    if leaf_size < 1:
        raise UserError(f"tree_leaf_size is {leaf_size}; expected 1 or more. 30 is usual.")
    if not 1 <= slack < branching:
        raise UserError(f"slack is {slack}; expected 1 to below tree_branching ({branching}). 1.6 is usual.")
