"""StabCF (KDD 2026)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from recbole_dtlns.config.parsers import Key, number, whole
from recbole_dtlns.samplers.base import BaseSampler, take
from recbole_dtlns.samplers.batch import Batch, Choice
from recbole_dtlns.samplers.parts.layers import BatchLayers

_TINY = 1e-30


class StabCF(BaseSampler):
    """A positive smoothed by the user's history, and a negative between it and the two hardest candidates.

    In each layer, with u the pooled user (the layer's own part for concatenated layers):

        p* = sum_k w_k o_k + w_p p       w_k ~ e^<u, o_k>,  w_p ~ alpha e^<u, p>
        n1 = argmax_n <u, n>,            n2 = argmax_n <p*, n>
        n~ = v_p p* + v_1 n1 + v_2 n2    v_p ~ alpha e^<u, p*>,  v_i ~ e^<u, n_i>

    with weights that sum to 1 (taken as softmax, for e^s overflows), and o_k drawn from the user's training items with
    replacement. Gradients flow through the weights. n~ is the negative and p* is the positive of the loss. The
    logged ids, and the model's L2 term, are those of n1 and of the real positive.

    `score` has n1's scores in its first H columns and n2's in its last H, so both are picked alike, also under the tree
    view. The authors leave layer 0 out of model and sampler by default; here it is in both, as in RecBole's models.
    alpha starts at 20, the lower of the authors' values for LightGCN (20 and 21). O(R(N + N_h)HC), no state.
    """

    needs_layers = True
    keys: ClassVar[Mapping[str, Key]] = {
        "stabcf_alpha": Key(20.0, number(0, 1e30), "weight of the positive, and of the smoothed one in the negative"),
        "stabcf_history": Key(
            5, whole(0, 10_000), "training items of the user in the positive, N_h; 0 leaves it as it is"
        ),
    }

    def score(self, batch: Batch) -> Tensor:
        """<u, n> and then <p*, n> of each candidate and layer, [R, N, 2H]; draws the history."""
        layers = batch.the_layers
        n_items = self.context.options["stabcf_history"]
        history = batch.scratch["history"] = self.context.history.draw(batch.users, n_items, batch.generator)
        with torch.enable_grad():  # `choose` needs the same, with gradient
            rows = layers.rows(torch.cat([batch.positives.unsqueeze(1), history], 1))
            batch.scratch["positives"] = self._mixed(layers, rows)
        smooth = replace(layers.detach(), queries=batch.scratch["positives"].detach())
        return torch.cat([batch.layer_scores, smooth.layer_scores(batch.candidates)], -1)

    def choose(self, batch: Batch, picked: Tensor, scores: Tensor) -> Choice:
        """The mixture, with the ids of n1, int64 [R, 1, H], and p* as the positive."""
        layers, positives = batch.the_layers, batch.scratch["positives"]
        hard, near = take(batch.candidates, picked).chunk(2, dim=-1)
        both = layers.composite(torch.cat([hard, near], 1))  # [R, 2, W]
        negatives = self._mixed(layers, torch.cat([positives.unsqueeze(1), both], 1))
        return Choice(hard, negatives.unsqueeze(1), positives)

    def _mixed(self, layers: BatchLayers, rows: Tensor) -> Tensor:
        """Mean of float [R, n, W] by e^<u, .> in each layer, alpha times that for the first of n: [R, W]."""
        logits = layers.sum_layers(layers.pooled_users.unsqueeze(1) * rows)  # [R, n, H]
        alpha = torch.ones(rows.shape[1], 1, device=rows.device)
        alpha[0] = self.context.options["stabcf_alpha"] + _TINY
        return layers.scaled(rows, torch.softmax(logits + alpha.log(), 1)).sum(1)
