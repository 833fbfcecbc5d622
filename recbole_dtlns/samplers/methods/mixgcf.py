"""MixGCF (Huang et al., KDD 2021)."""

import torch
from torch import Tensor

from recbole_dtlns.samplers.base import BaseSampler, take
from recbole_dtlns.samplers.batch import Batch, Choice


class MixGCF(BaseSampler):
    """Hop mixing and positive mixing.

    In each layer h the hardest candidate n_h = argmax_n <u, e_n^h> is picked, u being the pooled user for mean pooling
    and the layer's own part for concatenation; the negative's layer is a_h e_p^h + (1 - a_h) e_{n_h}^h, with a_h from
    U(0, 1) drawn for each positive and layer. The authors mix before they pick; as a_h is shared by all candidates the
    pick is the same, so only winners are mixed here. With one layer, as on BPR, it is DNS with
    positive mixing. O(RNHC), no state.
    """

    needs_layers = True

    def score(self, batch: Batch) -> Tensor:
        """Product of the user with each layer of each candidate, [R, N, H]."""
        return batch.layer_scores

    def choose(self, batch: Batch, picked: Tensor, scores: Tensor) -> Choice:
        """The picked item of each layer, int64 [R, 1, H], mixed with the positive's layers.

        The loss reads the positive's layers too: they are gathered with the negative's, for one gradient of the table.
        """
        layers, ids = batch.the_layers, take(batch.candidates, picked)
        share = torch.rand(ids.shape, device=ids.device, generator=batch.generator)
        both = torch.cat([batch.positives.reshape(-1, 1, 1).expand_as(ids), ids])
        positives, negatives = layers.composite(both).chunk(2)
        return Choice(ids, torch.lerp(negatives, positives, layers.widen(share)), positives.squeeze(1))
