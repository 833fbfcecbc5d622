"""The most recent items of each user, as many as the user has room for."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class ItemRings:
    """One ring of items for each user, of a length of its own, side by side in flat storage.

    Args:
        sizes: room of each user, int64 [U]; 0: nothing is kept.
    """

    def __init__(self, sizes: Tensor) -> None:
        self._size = sizes
        self._start = sizes.cumsum(0) - sizes
        self._items = torch.zeros(int(sizes.sum()) + 1, dtype=torch.long, device=sizes.device)  # one more: for gathers
        self._written = torch.zeros_like(sizes)

    @property
    def counts(self) -> Tensor:
        """Items held for each user, int64 [U]."""
        return torch.minimum(self._written, self._size)

    def push(self, users: Tensor, items: Tensor) -> None:
        """Write items int64 [n] for users int64 [n], in this order; the oldest of a full ring give way. O(n log n)."""
        order = users.argsort(stable=True)
        users, items = users[order], items[order]
        distinct, number, counts = users.unique_consecutive(return_inverse=True, return_counts=True)
        turn = torch.arange(len(users), device=users.device) - (counts.cumsum(0) - counts)[number]
        size = self._size[users]
        lasting = turn >= counts[number] - size  # the others would be overwritten by this very call
        slot = self._start[users] + (self._written[users] + turn) % size.clamp_min(1)
        self._items[slot[lasting]] = items[lasting]
        self._written[distinct] += counts

    def rows(self, users: Tensor) -> Tensor:
        """All items of each user: int64 [n] -> int64 [n, longest], filled up with 0."""
        counts = self.counts[users].unsqueeze(1)
        places = torch.arange(int(counts.max()) if len(users) else 0, device=users.device).expand(len(users), -1)
        filled = places < counts
        return torch.where(filled, self._items[torch.where(filled, self._start[users].unsqueeze(1) + places, 0)], 0)

    def draw(self, users: Tensor, generator: torch.Generator) -> Tensor:
        """One item of each user, all alike: int64 [n] -> int64 [n]; 0 for a user without."""
        counts = self.counts[users]
        share = torch.rand(len(users), dtype=torch.float64, device=users.device, generator=generator)
        place = torch.minimum((share * counts).long(), counts - 1).clamp_min(0)
        return torch.where(counts > 0, self._items[self._start[users] + place], 0)

    def clear(self) -> None:
        """Forget everything."""
        self._written.zero_()

    def state_dict(self) -> dict[str, Any]:
        """Items, and how many have been written."""
        return {"items": self._items.clone(), "written": self._written.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`."""
        self._items.copy_(state["items"])
        self._written.copy_(state["written"])
