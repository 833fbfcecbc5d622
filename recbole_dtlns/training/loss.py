"""A drop-in for RecBole's BPRLoss that takes weights, made-up negatives and several of them."""

from __future__ import annotations

import torch
from recbole.model.loss import BPRLoss
from torch import Tensor, nn


class WeightedBPRLoss(BPRLoss):
    """BPR loss with a weight for each row, and with scores of positives and negatives that no item id stands for.

    All are set for one batch before `calculate_loss` and cleared after it. Without them it is RecBole's loss, bit for
    bit; the state dict does not change.

    Attributes:
        weight: of each row, float [R].
        positive_scores: instead of the model's own, float [R], or [R, K] beside the negatives.
        negative_scores: instead of the model's own, float [R, K].
        negative_weights: of each negative, float [R, K]; None: their mean.
        margin: mean of s_p - s_n in the last batch, several by their weights, a scalar without gradient.
    """

    weight: Tensor | None = None
    positive_scores: Tensor | None = None
    negative_scores: Tensor | None = None
    negative_weights: Tensor | None = None
    margin: Tensor | None = None

    def clear(self) -> None:
        """Forget what was set for the batch; the margin stays to be read."""
        self.weight = self.positive_scores = self.negative_scores = self.negative_weights = None

    def forward(self, pos_score: Tensor, neg_score: Tensor) -> Tensor:
        """sum(w * loss) / sum(w) over rows [R]; with weights of 1 this is RecBole's mean.

        The loss of a row with K negatives is the sum of theirs, each by its weight, or without weights their mean.
        """
        if self.positive_scores is not None:
            pos_score = self.positive_scores
        if self.negative_scores is None and self.weight is None:
            self.margin = (pos_score - neg_score).detach().mean()
            return super().forward(pos_score, neg_score)
        if self.negative_scores is not None:
            neg_score = self.negative_scores
            pos_score = pos_score.reshape(len(neg_score), -1)
        margins, several = pos_score - neg_score, self.negative_weights
        shares = 1.0 if several is None else several / several.mean()
        self.margin = (shares * margins.detach()).mean()
        losses = -torch.log(self.gamma + torch.sigmoid(margins))
        if self.negative_scores is not None:
            losses = losses.mean(-1) if several is None else (several * losses).sum(-1)
        if self.weight is None:
            return losses.mean()
        losses = losses.reshape(self.weight.shape)  # some models (FPMC) score in a column, [R, 1]
        return (self.weight * losses).sum() / self.weight.sum().clamp_min(torch.finfo(losses.dtype).tiny)


def replace_bpr_loss(model: nn.Module) -> WeightedBPRLoss | None:
    """Put a WeightedBPRLoss in the place of the model's own BPRLoss child and return it; None if it has none.

    Only a child of exactly that type is replaced; a model with several gets the same object for all. Losses over the
    triples of a knowledge graph (`kg_loss` of CKE) are left alone: their rows are not those of the batch.
    """
    replacement: WeightedBPRLoss | None = None
    for name, child in model.named_children():
        if type(child) is BPRLoss and not name.startswith("kg_"):
            replacement = replacement or WeightedBPRLoss(child.gamma)
            setattr(model, name, replacement)
    return replacement
