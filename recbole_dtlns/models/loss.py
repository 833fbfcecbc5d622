"""A drop-in for RecBole's BPRLoss that takes weights and composite negatives."""

from __future__ import annotations

import torch
from recbole.model.loss import BPRLoss
from torch import Tensor, nn


class WeightedBPRLoss(BPRLoss):
    """BPR loss with a weight for each row, and with scores of negatives that no item id stands for.

    Both are set for one batch before `calculate_loss` and cleared by it. Without them it is RecBole's loss, bit for
    bit; the state dict does not change.
    """

    weight: Tensor | None = None
    negative_scores: Tensor | None = None

    def forward(self, pos_score: Tensor, neg_score: Tensor) -> Tensor:
        """sum(w * loss) / sum(w) over rows [R]; with weights of 1 this is RecBole's mean."""
        if self.negative_scores is not None:
            neg_score = self.negative_scores
        if self.weight is None:
            return super().forward(pos_score, neg_score)
        losses = -torch.log(self.gamma + torch.sigmoid(pos_score - neg_score))
        return (self.weight * losses).sum() / self.weight.sum().clamp_min(torch.finfo(losses.dtype).tiny)


def replace_bpr_loss(model: nn.Module) -> WeightedBPRLoss | None:
    """Put a WeightedBPRLoss in the place of the model's own BPRLoss child and return it; None if it has none.

    Only a child of exactly that type is replaced; a model with several gets the same object for all.
    """
    replacement: WeightedBPRLoss | None = None
    for name, child in model.named_children():
        if type(child) is BPRLoss:
            replacement = replacement or WeightedBPRLoss(child.gamma)
            setattr(model, name, replacement)
    return replacement
