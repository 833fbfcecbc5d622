"""Candidates drawn exactly from the items that a user may be given as negatives."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from scipy import sparse

from recbole_dtlns.errors import UserError
from recbole_dtlns.samplers.parts.guided_search import GuidedSearch

_LARGEST_KEY = 2**62


class Proposal(Protocol):
    """Where candidates come from."""

    def draw(self, users: torch.Tensor, n: int, generator: torch.Generator) -> torch.Tensor:
        """n items for each user that may be given to it as negatives: int64 [R] -> int64 [R, n]."""

    def allows(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """Whether items int64 [R, n] may be given to users int64 [R] as negatives now: bool [R, n]."""


class FreeItems:
    """Draws items in proportion to integer weights from everything but a user's excluded items.

    Rejection sampling loops until a dense user gets lucky. Here a draw is inverted instead: `x` is uniform below the
    user's free weight, and one search over the user's excluded items, each stored with the free weight that lies
    before it, tells how much excluded weight to skip. Weights are integers, so the arithmetic, and with it the
    exclusion, is exact. A draw costs O(log E + log I) at most, O(1) as a rule where every item is alike (see
    `GuidedSearch`), for E excluded pairs and I items. Memory besides the matrix is 12 to 24 bytes an excluded pair, 8
    on a GPU; 8 more under weights, 8 more from the first `allows` on, and 8 more while it is made.

    Args:
        excluded: CSR [U, I], a stored entry (u, i) bars item i for user u; row 0 and column 0 are padding without any.
        weights: integer weights int64 [I] with weight 0 for padding; None: every item alike.
        device: where ids are drawn and returned.
        name: what to call the distribution in errors.
    """

    def __init__(
        self,
        excluded: sparse.csr_matrix,
        weights: np.ndarray | None = None,
        device: torch.device | str = "cpu",
        name: str = "uniform",
    ) -> None:
        self.is_uniform, self.name, self._device = weights is None, name, device
        if weights is None:
            weights = np.ones(excluded.shape[1], dtype=np.int64)
            weights[0] = 0
        self._weights = weights
        self.exclude(excluded)

    def exclude(self, excluded: sparse.csr_matrix) -> None:
        """Bar these pairs, CSR [U, I], and no others from now on. What draws need is made when it is asked for."""
        total = self._weights.sum(dtype=np.float64)
        if excluded.shape[0] * total >= _LARGEST_KEY:
            raise ValueError(f"weights sum to {total:g}: too much for {excluded.shape[0]} users, scale down")
        self._excluded = excluded if excluded.has_sorted_indices else excluded.sorted_indices()
        self._pairs: torch.Tensor | None = None
        self._search: GuidedSearch | None = None

    def _prepared(self) -> GuidedSearch:
        """The search, made with all that draws need at the first call, as a run draws from one of two. O(E + I)."""
        if self._search is not None:
            return self._search
        items, start = self._excluded.indices, self._excluded.indptr.astype(np.int64)
        weights, upto, device = self._weights, np.cumsum(self._weights), self._device
        barred = np.zeros(len(items) + 1, dtype=np.int64)
        np.cumsum(weights[items], out=barred[1:])
        barred_before = barred[start[:-1]]
        free = upto[-1] - (barred[start[1:]] - barred_before)
        self._stuck_users = np.flatnonzero(free <= 0)
        free_before = (upto - weights)[items]
        free_before -= barred[:-1]
        free_before += np.repeat(barred_before, np.diff(start))
        self._barred = None if self.is_uniform else torch.as_tensor(barred, device=device)
        del barred  # room for the search
        self._search = GuidedSearch(free_before, start, free, int(upto[-1]) + 1, device)
        self._barred_before = torch.as_tensor(barred_before, device=device)
        self._free = torch.as_tensor(free, device=device)
        self._upto = torch.as_tensor(upto, device=device)
        return self._search

    def require_free_items(self, users: np.ndarray, tokens: np.ndarray) -> None:
        """Raise UserError when one of these users (internal ids, with their tokens [U]) has nothing left to draw."""
        self._prepared()
        stuck = np.intersect1d(self._stuck_users, users)
        if len(stuck):
            shown = ", ".join(str(tokens[user]) for user in stuck[:5])
            raise UserError(
                f"{len(stuck)} users have interacted with every item that {self.name} sampling can draw ({shown}"
                f"{', ...' if len(stuck) > 5 else ''}), so they have no negatives. Leave them out, for instance with "
                "user_inter_num_interval, or lower positives_per_user."
            )

    def allows(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """Whether items int64 [R, n] are free for users int64 [R]: bool [R, n]. O(log E) each; the first call O(E)."""
        n_items = self._excluded.shape[1]
        if self._pairs is None:
            rows = np.repeat(np.arange(self._excluded.shape[0], dtype=np.int64), np.diff(self._excluded.indptr))
            pairs = np.append(rows * n_items + self._excluded.indices, np.iinfo(np.int64).max)
            self._pairs = torch.as_tensor(pairs, device=self._device)
        keys = users.unsqueeze(1) * n_items + items
        return self._pairs[torch.searchsorted(self._pairs, keys)] != keys

    def draw(self, users: torch.Tensor, n: int, generator: torch.Generator) -> torch.Tensor:
        """Draw n free items for each user, independently and with replacement: int64 [R] -> int64 [R, n].

        Raises:
            UserError: a user has nothing left to draw. A run checks what its own sampler draws from beforehand
                (`require_free_items`); a plugin's sampler may draw from either.
        """
        search = self._prepared()
        free = self._free.take(users).unsqueeze(1)
        if len(self._stuck_users) and bool((free <= 0).any()):
            raise UserError(
                f"Some users have interacted with every item that {self.name} sampling can draw, so they have no "
                "negatives. Leave them out, for instance with user_inter_num_interval, or lower positives_per_user."
            )
        uniform = torch.rand(len(users), n, dtype=torch.float64, device=users.device, generator=generator)
        drawn = torch.minimum((uniform * free).long(), free - 1)
        passed = search(users, drawn)
        drawn += passed if self._barred is None else self._barred.take(passed)
        drawn -= self._barred_before.take(users).unsqueeze(1)
        return drawn + 1 if self.is_uniform else torch.searchsorted(self._upto, drawn, right=True)


def popularity_weights(counts: np.ndarray, exponent: float, n_users: int) -> np.ndarray:
    """Integer weights in proportion to `counts ** exponent`: int64 [I] -> int64 [I]; index 0, padding, gets 0.

    Exponent 1 gives the counts themselves; others are scaled so that the rounding is below 1 in a million for a
    typical item and the keys of `FreeItems` stay below 2^62.
    """
    counts = np.asarray(counts, dtype=np.int64).copy()
    counts[0] = 0
    if exponent == 1:
        return counts
    powers = np.where(counts > 0, counts.astype(np.float64) ** exponent, 0.0)
    scale = min(2**40, _LARGEST_KEY // (2 * n_users + 2)) / max(powers.sum(), 1e-300)
    return np.where(counts > 0, np.maximum(np.rint(powers * scale), 1), 0).astype(np.int64)
