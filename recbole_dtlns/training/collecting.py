"""What RecBole's metrics read of a batch of rankings, found without a second matrix of the scores' size."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_RANKED = ("rec.items", "rec.topk")  # RecBole's names of what is found here


def collect_from_the_best(collector: Any) -> None:
    """Let RecBole's `Collector` take the best items of each user once, and look for the positives among these alone.

    RecBole's own fills an integer matrix [n, I] with the positives of a batch and adds it up, which costs more than all
    products of a matrix factorisation, and ranks a second time where metrics need the items. What metrics read is the
    same. Resources of other metrics (`rec.meanrank`, `rec.score`) stay RecBole's.
    """
    wanted = [name for name in _RANKED if collector.register.need(name)]
    if not wanted:
        return
    stock, depth = collector.eval_batch_collect, max(collector.topk)
    for name in wanted:
        setattr(collector.register, name, False)

    def collect(scores: Tensor, interaction: Any, positive_rows: Tensor, positive_items: Tensor) -> None:
        best = scores.topk(depth, dim=-1).indices
        if "rec.items" in wanted:
            collector.data_struct.update_tensor("rec.items", best)
        if "rec.topk" in wanted:
            found = hits(best, positive_rows, positive_items, scores.shape[1])
            collector.data_struct.update_tensor("rec.topk", found)
        stock(scores, interaction, positive_rows, positive_items)

    collector.eval_batch_collect = collect


def hits(best: Tensor, rows: Tensor, items: Tensor, n_items: int) -> Tensor:
    """Which of the best items are positives, and how many positives each row has. O(m log m) for m = n K + P.

    Args:
        best: internal ids of the K best items of each row, int64 [n, K].
        rows: row of each positive, int64 [P].
        items: its internal id, int64 [P]; a pair may be there twice, and counts once.
        n_items: I, with the padding.

    Returns:
        int64 [n, K + 1]: 1 for a positive and 0 for others, then the number of positives, RecBole's `rec.topk`.
    """
    pairs = (rows * n_items + items).to(best.device).unique()
    asked = torch.arange(len(best), device=best.device).unsqueeze(1) * n_items + best
    counts = torch.bincount(pairs // n_items, minlength=len(best))
    return torch.cat([torch.isin(asked, pairs).long(), counts.unsqueeze(1)], 1)
