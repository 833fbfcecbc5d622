"""Scores of every item for a block of users, from any RecBole recommender."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from recbole.data.interaction import Interaction


@torch.no_grad()
def all_scores(model: Any, users: np.ndarray, user_field: str, item_field: str, n_items: int) -> torch.Tensor:
    """Scores of all items: internal ids int64 [n] -> float [n, I] on the CPU; column 0 is padding.

    Models without `full_sort_predict` score n x I pairs by `predict`.
    """
    ids = torch.as_tensor(users, device=model.device)
    rows = Interaction({user_field: ids})
    try:
        scores = model.full_sort_predict(rows)
    except NotImplementedError:
        pairs = rows.repeat_interleave(n_items)
        pairs.update(Interaction({item_field: torch.arange(n_items, device=model.device).repeat(len(users))}))
        scores = model.predict(pairs)
    return scores.reshape(len(users), -1).float().cpu()
