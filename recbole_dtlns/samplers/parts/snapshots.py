"""What the model of past epochs thought of any pair, from copies of its tables."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from recbole_dtlns.samplers.parts.layers import BatchLayers, gathered

_EPOCHS = 5  # snapshots kept


class Snapshots:
    """Tables of the last five epochs. Memory 20 (U + I) W bytes; mean-pooled layers are kept as their one mean."""

    def __init__(self) -> None:
        self._tables: list[tuple[Tensor, Tensor]] = []

    def add(self, layers: BatchLayers) -> None:
        """Keep a copy of the tables of all users (row u is user u) and of all items."""
        users, items = layers.queries, layers.items
        if layers.mean_pooled:  # every layer is compared with the same vector
            width = layers.sizes[0]
            users, items = users[:, :width], items.unflatten(1, (-1, width)).sum(1)
        self._tables = [*self._tables, (users.clone(), items.clone())][-_EPOCHS:]

    def spread(self, users: Tensor, items: Tensor, positives: Tensor) -> Tensor:
        """Population standard deviation over the snapshots of sigmoid(r_uk - r_ui); 0 below two. O(R N W) a snapshot.

        Args:
            users, positives: pairs (u, i), int64 [R].
            items: k, int64 [R, N].

        Returns:
            Float [R, N].
        """
        if len(self._tables) < 2:
            return torch.zeros(items.shape, device=items.device)
        every = torch.cat([items, positives.unsqueeze(1)], dim=1)
        chances = []
        for user_table, item_table in self._tables:
            queries = gathered(user_table, users)
            tables = BatchLayers(queries, item_table, (item_table.shape[1],), lambda: queries)  # noqa: B023
            ratings = tables.layer_scores(every).squeeze(-1)
            chances.append(torch.sigmoid(ratings[:, :-1] - ratings[:, -1:]))
        past = torch.stack(chances)
        return (past - past.mean(0)).square().mean(0).sqrt()  # `std` along the first dimension is slow

    def state_dict(self) -> dict[str, Any]:
        """The tables, oldest first."""
        return {"tables": list(self._tables)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`."""
        self._tables = [(users.clone(), items.clone()) for users, items in state["tables"]]
