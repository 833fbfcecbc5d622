"""Scores of past epochs: of a fixed pool of items for each user, and of the training pairs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from recbole_dtlns.samplers.base import SamplerContext
from recbole_dtlns.samplers.view import EpochView

_EPOCHS = 5  # snapshots kept
_ROWS = 1 << 14  # users, or training pairs, whose scores are asked for at once


class ScoreHistory:
    """The last five snapshots of model scores, one an epoch.

    A user's pool holds V free items, drawn with replacement and sorted, so that an item is found by binary search;
    repeats count as one. A missing snapshot is NaN. Memory: 8 UV bytes for the pool, 20 (UV + E) bytes for the scores.

    Args:
        context: of the run.
        size: V.

    Attributes:
        pool: items, int64 [U, V], ascending in each row.
    """

    def __init__(self, context: SamplerContext, size: int) -> None:
        self._context, self._size = context, size
        matrix, device = context.history.matrix, context.generator.device
        if not matrix.has_sorted_indices:
            matrix = matrix.sorted_indices()
        coordinates = matrix.tocoo()
        self._pair_users = torch.as_tensor(coordinates.row, dtype=torch.long, device=device)
        self._pair_items = torch.as_tensor(coordinates.col, dtype=torch.long, device=device)
        self._n_items = matrix.shape[1]
        self._pair_keys = self._pair_users * self._n_items + self._pair_items
        self._trained = context.history.counts.nonzero().squeeze(1)
        n_users = matrix.shape[0]
        self._everyone = torch.arange(n_users, device=device).split(_ROWS)
        self.pool = torch.cat([self._draw(users, size).sort(dim=1).values for users in self._everyone])
        self._scores = torch.full((_EPOCHS, n_users, size), torch.nan, device=device)
        self._pair_scores = torch.full((_EPOCHS, len(self._pair_keys)), torch.nan, device=device)
        self._taken = 0

    def _draw(self, users: Tensor, n: int) -> Tensor:
        return self._context.uniform.draw(users, n, self._context.generator)

    def columns(self, users: Tensor, items: Tensor) -> Tensor:
        """Columns of items in the pools of their users: int64 [R], [R, N] -> int64 [R, N]; the items must be there."""
        return torch.searchsorted(self.pool[users], items).clamp_max(self._size - 1)

    def fresh(self, users: Tensor, held: Tensor | None, n: int, generator: torch.Generator) -> Tensor:
        """n distinct items of each user's pool, none of them among those held: int64 [R], [R, S] -> int64 [R, n].

        Where a pool has too few distinct items, some come twice or are held.
        """
        pool = self.pool[users]
        keys = torch.rand(pool.shape, device=pool.device, generator=generator)
        keys[:, 1:].masked_fill_(pool[:, 1:] == pool[:, :-1], -1)
        if held is not None:
            keys.scatter_(1, self.columns(users, held), -1)
        return pool.gather(1, keys.topk(n, dim=1).indices)

    def spread(self, users: Tensor, items: Tensor, positives: Tensor) -> Tensor:
        """Population standard deviation of sigmoid(r_uk - r_ui) over the snapshots that hold both scores.

        Args:
            users, positives: pairs (u, i), int64 [R].
            items: k, in the pools of the users, int64 [R, N].

        Returns:
            Float [R, N]; 0 below two snapshots, and for a positive that is not in train.
        """
        keys = users * self._n_items + positives
        places = torch.searchsorted(self._pair_keys, keys).clamp_max(len(self._pair_keys) - 1)
        own = self._pair_scores[:, places].masked_fill(self._pair_keys[places] != keys, torch.nan)
        ratings = self._scores[:, users.unsqueeze(1), self.columns(users, items)]
        chances = torch.sigmoid(ratings - own.unsqueeze(2))
        known = ~chances.isnan()
        count = known.sum(0)
        mean = chances.nansum(0) / count.clamp_min(1)
        variance = (chances - mean).square().nansum(0) / count.clamp_min(1)
        return torch.where(count < 2, 0.0, variance.sqrt())

    def snapshot(self, view: EpochView, held: Tensor) -> None:
        """Store the scores of this epoch; every fifth time draw new pools first, around the items held, [U, S].

        O((UV + E) C).
        """
        if self._taken and self._taken % _EPOCHS == 0:
            for users in self._everyone:
                self._redraw(users, held[users])
        place = self._taken % _EPOCHS
        for users in self._trained.split(_ROWS):
            self._scores[place, users] = view.scores(users, self.pool[users])
        for users, items, scores in zip(
            *(rows.split(_ROWS) for rows in (self._pair_users, self._pair_items, self._pair_scores[place])), strict=True
        ):
            scores.copy_(view.scores(users, items.unsqueeze(1)).squeeze(1))
        self._taken += 1

    def _redraw(self, users: Tensor, held: Tensor) -> None:
        """New items, but for those held, which keep their scores."""
        kept = self._scores[:, users.unsqueeze(1), self.columns(users, held)]
        drawn = torch.cat([held, self._draw(users, self._size - held.shape[1])], dim=1)
        self.pool[users] = drawn.sort(dim=1).values
        self._scores[:, users] = torch.nan
        self._scores[:, users.unsqueeze(1), self.columns(users, held)] = kept

    def state_dict(self) -> dict[str, Any]:
        """Pools, scores and the number of snapshots taken."""
        scores, pair_scores = self._scores.clone(), self._pair_scores.clone()
        return {"pool": self.pool.clone(), "scores": scores, "pair_scores": pair_scores, "taken": self._taken}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`."""
        self.pool.copy_(state["pool"])
        self._scores.copy_(state["scores"])
        self._pair_scores.copy_(state["pair_scores"])
        self._taken = state["taken"]
