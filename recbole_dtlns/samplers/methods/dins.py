"""DINS (Wu et al., CIKM 2023)."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from recbole_dtlns.config.parsers import Key, number
from recbole_dtlns.samplers.base import BaseSampler, take
from recbole_dtlns.samplers.batch import Batch, Choice

_TINY = 1e-30


class DINS(BaseSampler):
    """Dimension-independent mixing of the positive into the hardest negative.

    n is the hardest candidate of each layer, as in MixGCF. In each dimension d the negative is (1 - w_d) p_d + w_d n_d
    with w_d = e^{u_d n_d} / (e^{u_d n_d} + alpha e^{u_d p_d}); gradients flow through w. With alpha = 0 it is DNS in
    each layer. The user of mean-pooled layers is the pooled one. O(RNHC), no state.
    """

    needs_layers = True
    keys: ClassVar[Mapping[str, Key]] = {
        "dins_alpha": Key(1.0, number(0, 1e30), "weight of the positive's dimensions; 0 mixes nothing in"),
    }

    def score(self, batch: Batch) -> Tensor:
        """Product of the user with each layer of each candidate, [R, N, H]."""
        return batch.layer_scores

    def choose(self, batch: Batch, picked: Tensor, scores: Tensor) -> Choice:
        """The picked item of each layer, mixed with the positive dimension by dimension."""
        layers, ids = batch.the_layers, take(batch.candidates, picked)
        users, hard = layers.pooled_users.unsqueeze(1), layers.composite(ids)
        positives = layers.rows(batch.positives).unsqueeze(1)
        scale = torch.tensor(self.context.options["dins_alpha"] + _TINY, device=ids.device).log()
        weight = torch.sigmoid(users * (hard - positives) - scale)
        return Choice(ids, torch.lerp(positives.expand_as(hard), hard, weight))
