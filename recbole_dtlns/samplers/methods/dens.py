"""DENS (Lai et al., WSDM 2023)."""

from collections.abc import Callable, Mapping
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from recbole_dtlns.config.parsers import Key, number, whole
from recbole_dtlns.samplers.base import BaseSampler, SamplerContext, take
from recbole_dtlns.samplers.batch import Batch, Choice
from recbole_dtlns.samplers.parts.gates import layer_width, linear, row_blocks, split_layers
from recbole_dtlns.samplers.parts.layers import BatchLayers, gathered


class DENSGates(nn.Module):
    """Which part of an item's layer matters to a user. Four linear maps C -> C, shared by all layers."""

    def __init__(self, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.item, self.user = linear(width, width, generator), linear(width, width, generator)
        self.negative, self.positive = linear(width, width, generator), linear(width, width, generator)

    def relevant_positive(self, users: Tensor, positives: Tensor) -> Tensor:
        """p_r = sigmoid(W_i p + W_u u) p, for layers float [..., H, C]."""
        return torch.sigmoid(self.item(positives) + self.user(users)) * positives

    def relevant_negative(self, negatives: Tensor, by_positive: Tensor) -> Tensor:
        """n_r = sigmoid(W_n n + W_p p_r) n, for layers float [..., H, C] and W_p p_r of the same shape."""
        return torch.sigmoid(self.negative(negatives) + by_positive) * negatives


class _Positives(NamedTuple):
    """What scoring and the loss of the gates both read of users and positives, with gradient, float [R, H, C] each."""

    users: Tensor
    rows: Tensor
    relevant: Tensor  # p_r
    gate: Tensor  # W_p p_r


def _gated_rows(gates: DENSGates, layers: BatchLayers, wanted: int) -> Callable[[Tensor, Tensor], Tensor]:
    """What gives W_n n of items int64 [R, N] with layers [R, N, H, C], a new tensor of that shape.

    Computed for each item once, where there are fewer items than the rows that are wanted; O(min(I, RN) H C^2).
    """
    if wanted < layers.n_items:
        return lambda _, negatives: gates.negative(negatives)
    table = gates.negative(split_layers(layers, layers.items)).flatten(1)
    return lambda ids, _: split_layers(layers, gathered(table, ids))


class DENS(BaseSampler):
    """Negatives that share what the user does not care about, found by gates that split each layer into two parts.

    p_r and n_r (see `DENSGates`) are the relevant parts of positive and candidate, p_ir = p - p_r and n_ir = n - n_r
    the rest. In each layer h the candidate n_h = argmax_n <u^h, (1 - w) n^h - n_r^h> is picked, u^h being the user's
    own layer and w = min(1, epoch / dens_warmup): first the most alike in irrelevant parts, later the least alike in
    relevant ones. The negative is made of the picked item of each layer. To the loss comes
    gamma / 4 times the mean over the batch of

        sp(s(p_ir) - s(p_r)) + sp(s(n_r) - s(n_ir)) + sp(s(n_r) - s(p_r)) + sp(s(p_ir) - s(n_ir))

    with sp = softplus and s the model's own score: pooled user with pooled parts under mean pooling, the sum over
    layers for concatenated ones. The gates, by which candidates are picked, learn from this term alone. With several
    negatives a positive the authors add them up within sp; here each is a row of its own, and the mean is over rows.

    O(RNHC + min(I, RN) HC^2), in blocks of rows beside one table of all items; state: the gates.
    """

    needs_layers = needs_equal_layers = True
    keys: ClassVar[Mapping[str, Key]] = {
        "dens_warmup": Key(100, whole(0), "epochs until only relevant parts decide; 0: from the first epoch"),
        "dens_gamma": Key(0.3, number(0, 1e6), "weight of the loss that trains the gates"),
    }

    def setup(self, context: SamplerContext) -> None:
        """Make the gates; raises UserError where the layers differ in width."""
        super().setup(context)
        self.gates = DENSGates(layer_width(context, "dens"), context.generator)

    def modules(self) -> nn.Module:
        """The four gates."""
        return self.gates

    @torch.no_grad()
    def score(self, batch: Batch) -> Tensor:
        """<u^h, (1 - w) n^h - n_r^h> of each candidate and layer, [R, N, H]."""
        layers, gates = batch.the_layers.detach(), self.gates
        with torch.enable_grad():  # `choose` needs the same, with gradient
            positives = batch.scratch["positives"] = self._positives(batch)
        users, own = positives.users.detach(), positives.gate.detach()
        irrelevance = 1 - self._warmth(batch.epoch)
        gated = _gated_rows(gates, layers, batch.candidates.numel())
        scores = []
        for rows in row_blocks(batch.candidates, sum(layers.sizes)):
            negatives = split_layers(layers, layers.rows(batch.candidates[rows]))
            gate = gated(batch.candidates[rows], negatives).add_(own[rows].unsqueeze(1)).sigmoid_()
            products = negatives.mul_(users[rows].unsqueeze(1))
            scores.append(irrelevance * products.sum(-1) - (gate * products).sum(-1))
        return torch.cat(scores)

    def choose(self, batch: Batch, picked: Tensor, scores: Tensor) -> Choice:
        """The picked item of each layer, int64 [R, 1, H], with the loss of the gates."""
        layers, ids = batch.the_layers, take(batch.candidates, picked)
        positives: _Positives = batch.scratch["positives"]
        negatives = layers.composite(ids.squeeze(1))
        negative_r = self.gates.relevant_negative(split_layers(layers, negatives), positives.gate).flatten(-2)
        p_r, n_r = layers.scores(positives.relevant.flatten(-2)), layers.scores(negative_r)
        p_ir = layers.scores((positives.rows - positives.relevant).flatten(-2))
        n_ir = layers.scores(negatives - negative_r)
        gaps = torch.stack([p_ir - p_r, n_r - n_ir, n_r - p_r, p_ir - n_ir])
        return Choice(ids, aux_loss=self.context.options["dens_gamma"] * functional.softplus(gaps).mean(0))

    def _warmth(self, epoch: int) -> float:
        """w: from 0 in the first epoch to 1 after the warm-up."""
        warmup: int = self.context.options["dens_warmup"]
        return 1.0 if epoch >= warmup else epoch / warmup

    def _positives(self, batch: Batch) -> _Positives:
        layers, gates = batch.the_layers, self.gates
        users, rows = split_layers(layers, layers.users()), split_layers(layers, layers.rows(batch.positives))
        relevant = gates.relevant_positive(users, rows)
        return _Positives(users, rows, relevant, gates.positive(relevant))
