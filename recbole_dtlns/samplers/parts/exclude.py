"""Candidates without those that look too much like the user's history (`tree_exclude`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from recbole_dtlns.samplers.parts.proposal import Proposal
from recbole_dtlns.trees.lcp import Normalize

_ROUNDS = 5
_LARGEST_TABLE = 1 << 28  # entries of one byte
_BLOCK = 1 << 22  # numbers held at once while a table is made


class _HistoryTree:
    """Shortest code of each user's history under each node of one tree, as sorted keys user * nodes + node."""

    def __init__(
        self, matrix: sparse.csr_matrix, codes: np.ndarray, device: torch.device | str, normalize: Normalize
    ) -> None:
        self._n_users = matrix.shape[0]
        nodes = _ancestors(codes)  # [I, D]
        counts = nodes.max(axis=0, initial=-1) + 1
        nodes = np.where(nodes < 0, -1, nodes + np.cumsum(counts) - counts)  # no two nodes of the tree alike
        self._n_nodes = int(counts.sum()) + 1
        lengths = (codes >= 0).sum(axis=1) if normalize == "min" else np.full(len(codes), codes.shape[1])
        users = np.repeat(np.arange(matrix.shape[0], dtype=np.int64), np.diff(matrix.indptr))
        below = nodes[matrix.indices]  # [E, D]
        inside = below >= 0
        keys = (users[:, None] * self._n_nodes + below)[inside]
        lengths_below = np.broadcast_to(lengths[matrix.indices][:, None], below.shape)[inside]
        order = np.lexsort((lengths_below, keys))
        keys, first = np.unique(keys[order], return_index=True)
        end = np.iinfo(np.int64).max  # above every key, so that a search never ends behind the last one
        self._keys = torch.as_tensor(np.append(keys, end), device=device)
        self._shortest = torch.as_tensor(np.append(lengths_below[order][first], 1).astype(np.float64), device=device)
        # A node that nobody has stands for the end of a code.
        self._nodes = torch.as_tensor(np.where(nodes < 0, self._n_nodes - 1, nodes), device=device)
        self._lengths = torch.as_tensor(np.maximum(lengths, 1).astype(np.float64), device=device)
        self._depths = torch.arange(1, codes.shape[1] + 1, dtype=torch.float64, device=device)

    def __call__(self, users: Tensor, items: Tensor) -> Tensor:
        wanted = users.reshape(-1, 1, 1) * self._n_nodes + self._nodes[items]  # [R, N, D]
        at = torch.searchsorted(self._keys, wanted)
        shorter = torch.minimum(self._shortest[at], self._lengths[items].unsqueeze(-1))
        return torch.where(self._keys[at] == wanted, self._depths / shorter, 0.0).amax(-1)

    def leaves_above(self, bound: float) -> tuple[Tensor, Tensor] | None:
        """All items of a leaf are alike: (leaf of each item, int64 [I]; leaves above the bound of users, bool [U, L]).

        None where that would be too large. O(U L D) time, once.
        """
        nodes, example, leaf = np.unique(self._nodes.cpu().numpy(), axis=0, return_index=True, return_inverse=True)
        if self._n_users * len(nodes) > _LARGEST_TABLE:
            return None
        device = self._keys.device
        ancestors, lengths = self._nodes[example], self._lengths[torch.as_tensor(example, device=device)]
        above = torch.empty(self._n_users, len(nodes), dtype=torch.bool, device=device)
        step = max(1, _BLOCK // max(self._n_nodes, nodes.size))
        for first in range(0, self._n_users, step):
            n = min(step, self._n_users - first)
            ends = torch.tensor([first, first + n], device=device) * self._n_nodes
            start, stop = torch.searchsorted(self._keys, ends).tolist()
            shortest = torch.full((n * self._n_nodes,), torch.inf, dtype=torch.float64, device=device)
            shortest[self._keys[start:stop] - ends[0]] = self._shortest[start:stop]
            below = shortest.reshape(n, -1)[:, ancestors]  # [n, L, D]
            shared = self._depths / torch.minimum(below, lengths.unsqueeze(-1))
            similarity = torch.where(below.isinf(), 0.0, shared).amax(-1)
            above[first : first + n] = torch.round(similarity, decimals=6) > bound
        return torch.as_tensor(leaf.reshape(-1), device=device), above


class HistorySimilarity:
    """The largest similarity of an item to any of a user's training items in either tree, the raw score of `rule`.

    An item shares the first l digits with some history item exactly where the user has one below the item's ancestor at
    depth l, and l / min(len, len') is largest for the shortest of those. So the shortest code of the history below each
    (user, node) answers for the whole history: one binary search for each depth. A pair costs O(D log(E D)); memory is
    16 bytes for each (user, node) that has history, O(E D), for E training pairs and codes of D levels.

    Args:
        matrix: training pairs, CSR [U, I]; row 0 and column 0 are padding.
        trees: codes of the two trees, int [I, D], -1 = padding.
        device: where candidates will be.
        normalize: `min` or `depth`, as in `lcp_similarity`.
    """

    def __init__(
        self,
        matrix: sparse.csr_matrix,
        trees: Sequence[np.ndarray],
        device: torch.device | str = "cpu",
        normalize: Normalize = "min",
    ) -> None:
        self._above: dict[float, list[tuple[Tensor, Tensor]] | None] = {}
        self._trees = [_HistoryTree(matrix, np.asarray(codes), device, normalize) for codes in trees]

    def __call__(self, users: Tensor, items: Tensor) -> Tensor:
        """int64 [R] and [R, N] -> float64 [R, N] to six decimals, as the judge has them; 0 without history or code."""
        similarity = torch.stack([tree(users, items) for tree in self._trees]).amax(0)
        return torch.round(similarity, decimals=6)

    def leaves_above(self, bound: float) -> list[tuple[Tensor, Tensor]] | None:
        """For each tree (leaf of each item, int64 [I]; leaves above the bound of users, bool [U, L]); None if large."""
        if bound not in self._above:
            tables = [tree.leaves_above(bound) for tree in self._trees]
            small_enough = [table for table in tables if table is not None]
            self._above[bound] = small_enough if len(small_enough) == len(tables) else None
        return self._above[bound]


class FarFromHistory:
    """Proposals of another source, without candidates whose similarity to the user's history is above a bound.

    An excluded candidate is drawn again, up to five times: what is drawn follows the source's distribution over the
    allowed items. What is left is replaced by an allowed candidate of its row, drawn alike; where the row has none,
    it is kept and counted. With a share q of excluded items, q^6 of the candidates are left.

    Args:
        source: where candidates come from; what it bars stays barred, also when that changes.
        similarity: to the history.
        bound: in [0, 1]; a candidate at the bound is allowed.
    """

    def __init__(self, source: Proposal, similarity: HistorySimilarity, bound: float) -> None:
        self._source, self._similarity, self._bound = source, similarity, bound
        self._tables = similarity.leaves_above(bound)
        self.begin()

    def begin(self) -> None:
        """Count from here on."""
        self._drawn = 0
        self._kept: Tensor | int = 0

    def counts(self) -> tuple[int, int]:
        """(candidates drawn, those of them kept although excluded) since `begin`."""
        return self._drawn, int(self._kept)

    def allows(self, users: Tensor, items: Tensor) -> Tensor:
        """Whether items int64 [R, n] are barred by the source for users int64 [R], however similar: bool [R, n]."""
        return self._source.allows(users, items)

    def draw(self, users: Tensor, n: int, generator: torch.Generator) -> Tensor:
        """n items for each user: int64 [R] -> int64 [R, n]."""
        drawn = self._source.draw(users, n, generator)
        excluded = self._excluded(users, drawn)
        rows, columns = excluded.nonzero(as_tuple=True)
        for _ in range(_ROUNDS):
            if not len(rows):
                break
            again = self._source.draw(users[rows], 1, generator)
            drawn[rows, columns] = again.squeeze(1)
            still = self._excluded(users[rows], again).squeeze(1)
            excluded[rows, columns] = still
            rows, columns = rows[still], columns[still]
        kept = excluded.all(dim=1)
        self._drawn += drawn.numel()
        self._kept = self._kept + kept.sum() * n
        replaced = ~kept[rows]
        rows, columns = rows[replaced], columns[replaced]
        if len(rows):
            others = torch.multinomial((~excluded[rows]).float(), 1, generator=generator)
            drawn[rows, columns] = drawn[rows].gather(1, others).squeeze(1)
        return drawn

    def _excluded(self, users: Tensor, items: Tensor) -> Tensor:
        if self._tables is None:
            return self._similarity(users, items) > self._bound
        wide = users.unsqueeze(1)
        too_near = [above.reshape(-1)[wide * above.shape[1] + leaf[items]] for leaf, above in self._tables]
        return torch.stack(too_near).any(0)


def _ancestors(codes: np.ndarray) -> np.ndarray:
    """Number of the node at each depth of each item's path, int64 [I, D]; equal at d iff the first d digits are.

    -1 behind the end of a code; each depth counts from 0.
    """
    nodes = np.full(codes.shape, -1, dtype=np.int64)
    parents = np.zeros(len(codes), dtype=np.int64)
    for depth, digits in enumerate(codes.T):
        inside = digits >= 0
        paths = parents[inside] * (int(codes.max()) + 1) + digits[inside]
        parents[inside] = np.unique(paths, return_inverse=True)[1].reshape(-1)
        nodes[inside, depth] = parents[inside]
    return nodes
