"""Softmax(rho, N) (Shi et al., WWW 2023), the companion of DNS(M, N)."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from recbole_dtlns.config.parsers import Key, number
from recbole_dtlns.samplers.base import BaseSampler
from recbole_dtlns.samplers.batch import Batch, Choice

_EPSILON = 1e-8


class SoftmaxRho(BaseSampler):
    """All N candidates in the loss, the harder the heavier: w = softmax(Z / tau), loss = sum of w Z.

    Z = -log sigmoid(s_p - s_n) is the loss of each candidate and tau = sqrt(Var_n(Z) / (2 rho)) its temperature, so
    that rho is the radius of a KL ball around uniform weights. Weights carry no gradient. The proposal is
    uniform, so its correction - log q is the same for all and falls out. Under the tree view weights are multiplied by
    exp(similarity). Where the loss takes a single id, one candidate is drawn by weight. O(RNC), no state.
    """

    keys: ClassVar[Mapping[str, Key]] = {
        "softmax_rho": Key(1.0, number(1e-6, 1e6), "radius of the KL ball: the larger, the harder the negatives"),
    }

    def score(self, batch: Batch) -> Tensor:
        """Z / tau, [R, N]: the logarithm of the weights up to a constant."""
        losses = functional.softplus(batch.scores - batch.positive_scores.unsqueeze(1))
        spread = losses.var(dim=1, correction=0, keepdim=True) / (2 * self.context.options["softmax_rho"])
        return losses / (spread.sqrt() + _EPSILON)

    def bonus(self, scores: Tensor, similarity: Tensor) -> Tensor:
        """Logarithms of weights add up."""
        return scores + similarity

    def pick(self, scores: Tensor) -> Tensor:
        """Every position, [R, N]."""
        return torch.arange(scores.shape[1], device=scores.device).expand_as(scores)

    def choose(self, batch: Batch, picked: Tensor, scores: Tensor) -> Choice:
        """Every candidate with its weight."""
        return Choice(batch.candidates, weights=torch.softmax(scores, dim=1))
