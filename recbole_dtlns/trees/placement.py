"""Places for new items in a finished index tree, without moving an old code."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import sparse

from recbole_dtlns.trees.index_tree import SLACK, balance

Costs = Callable[[np.ndarray], np.ndarray]
"""Cost of a child for each new item: int64 [n] -> float [n]."""
Evidence = Callable[[np.ndarray], Costs]
"""What is known at one depth, given the node of each old item, int64 [O]."""
_NO_MEMBER = 1e300  # cost of a child of which nothing is known; finite, so that two of them can be compared


def near_centres(old: np.ndarray, new: np.ndarray, has_vector: np.ndarray) -> Evidence:
    """Cost of a child: the squared distance to the mean of its old items, as in k-means.

    Args:
        old: vectors of the old items, finite float [O, d].
        new: vectors of the new items, finite float [n, d].
        has_vector: bool [O], whether an old item has a vector; others have no part in a mean.

    Returns:
        Evidence of O((O + n x children) x d) a depth.
    """
    largest = max(np.abs(old).max(initial=0), np.abs(new).max(initial=0)) or 1
    old, new = old[has_vector] / largest, new / largest  # else squares might leave the range of floats

    def at(nodes: np.ndarray) -> Costs:
        members, n_nodes = nodes[has_vector], int(nodes.max()) + 1
        sizes = np.bincount(members, minlength=n_nodes)
        belongs = sparse.csr_matrix((np.ones(len(members)), (members, np.arange(len(members)))), (n_nodes, len(old)))
        centres = (belongs @ old) / np.maximum(sizes, 1)[:, None]
        return lambda child: np.where(sizes[child] > 0, ((new - centres[child]) ** 2).sum(axis=1), _NO_MEMBER)

    return at


def by_neighbours(links: sparse.csr_matrix) -> Evidence:
    """Cost of a child: minus the share of a new item's link weight that leads into the child.

    Args:
        links: weights from new to old items, at least 0, CSR [n, O].

    Returns:
        Evidence of O(links x children) a depth.
    """
    rows = np.repeat(np.arange(links.shape[0]), np.diff(links.indptr))
    total = np.bincount(rows, links.data, links.shape[0])
    share = links.data / np.where(total == 0, 1, total)[rows]

    def at(nodes: np.ndarray) -> Costs:
        ends = nodes[links.indices]
        return lambda child: -np.bincount(rows, share * (ends == child[rows]), links.shape[0])

    return at


def place(codes: np.ndarray, evidence: Evidence, count: int, leaf_size: int) -> np.ndarray:
    """Let new items descend from the root, all of them a depth at a time, each into the child that costs it least.

    A leaf takes new items until it has `leaf_room` members. Where more want to enter a child than all of its leaves
    have room for, those that lose least go to its siblings (`index_tree.balance`). Equal costs: the child with most
    room, then the lowest number. No code changes and no leaf is made or split, so that two codes are as similar
    afterwards as before. O(D) times the cost of the evidence, and O(k n log n) where a node is overfull; the only loop
    beside depths and children is over overfull nodes.

    Args:
        codes: of the old items, int [O, D], O at least 1; -1 = padding after the end of a code, and each has a code.
        evidence: see `near_centres` and `by_neighbours`.
        count: number n of new items.
        leaf_size: largest leaf of the tree as it was built.

    Returns:
        Codes of the new items, int16 [n, D].
    """
    leaves, leaf, sizes = np.unique(codes, axis=0, return_inverse=True, return_counts=True)
    leaf = leaf.reshape(-1)
    room = np.maximum(leaf_room(leaf_size, len(codes) + count, len(leaves)) - sizes, 0)
    at, parents = np.zeros(count, dtype=np.int64), np.zeros(len(leaves), dtype=np.int64)
    for depth in range(codes.shape[1]):
        nodes = np.unique(leaves[:, : depth + 1], axis=0, return_inverse=True)[1].reshape(-1)  # [leaves]
        space = np.bincount(nodes, room).astype(np.int64)
        children = _children(parents, nodes, space)
        costs = evidence(nodes[leaf])
        options = np.stack(
            [np.where(child >= 0, costs(np.maximum(child, 0)), np.inf) for child in children[at].T], axis=1
        )
        at, parents = _choose(options, at, children, space), nodes
    return leaves[at].astype(np.int16)


def leaf_room(leaf_size: int, items: int, leaves: int) -> int:
    """Members up to which a leaf takes new items, as far above `leaf_size` or the mean as a cluster may be: O(1)."""
    return max(int(SLACK * leaf_size), -int(-SLACK * items // leaves))


def _children(parents: np.ndarray, nodes: np.ndarray, space: np.ndarray) -> np.ndarray:
    """Children of each node, int64 [parents, most children], the roomiest first, -1 = none.

    Args:
        parents: node of each leaf at the depth above, int64 [leaves].
        nodes: node of each leaf, int64 [leaves].
        space: room in each node, int64 [nodes].
    """
    first = np.unique(nodes, return_index=True)[1]
    above = parents[first]
    order = np.lexsort((np.arange(len(first)), -space, above))
    counts = np.bincount(above)
    place_in_row = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    children = np.full((len(counts), counts.max()), -1, dtype=np.int64)
    children[above[order], place_in_row] = order
    return children


def _choose(options: np.ndarray, at: np.ndarray, children: np.ndarray, space: np.ndarray) -> np.ndarray:
    """The child that each new item enters, int64 [n], where `options`, float [n, children], has the costs."""
    chosen = children[at, options.argmin(axis=1)]
    overfull = np.bincount(chosen, minlength=len(space)) > space
    for node in np.unique(at[overfull[chosen]]):
        rows, own = np.flatnonzero(at == node), children[node][children[node] >= 0]
        chosen[rows] = own[balance(options[rows][:, : len(own)], space[own])]
    return chosen
