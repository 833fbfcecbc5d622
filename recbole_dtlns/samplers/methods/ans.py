"""ANS (Zhao et al., RecSys 2023)."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from recbole_dtlns.config.parsers import Key, flag, number
from recbole_dtlns.samplers.base import BaseSampler, SamplerContext, take
from recbole_dtlns.samplers.batch import Batch, Choice
from recbole_dtlns.samplers.parts.gates import layer_width, linear, row_blocks, split_layers

_SOFTEN = (
    0.1  # |x / (x^2 + _SOFTEN^2)| is at most 1 / (2 _SOFTEN) = 5, so that the margin stays within 0.0067 and 0.9933
)


class ANSGates(nn.Module):
    """Which part of a candidate's layer is hard for a user, and how far the easy part may move."""

    def __init__(self, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.item, self.user = linear(width, width, generator), linear(width, width, generator)
        self.margin = linear(width, 1, generator)

    def hardness(self, users: Tensor, negatives: Tensor) -> Tensor:
        """g = sigmoid(W_i n * W_u u), for layers float [..., H, C]."""
        return torch.sigmoid(self.item(negatives) * self.user(users))

    def moved(self, users: Tensor, positives: Tensor, negatives: Tensor, noise: Tensor) -> Tensor:
        """xi = noise * m * sign(p_easy - n_easy), what is added to the candidates' layers, float [..., H, C]."""
        gate = self.hardness(users, negatives)
        slope = self.margin(gate * negatives * gate * positives)
        margin = torch.sigmoid(slope / (slope.square() + _SOFTEN**2))
        # p_easy - n_easy = (1 - g) (p - n) has the sign of p - n
        return noise * margin * torch.sign(positives - negatives)


class ANS(BaseSampler):
    """Candidates whose easy part is moved towards the positive, at random but within a learnt margin.

    In each layer, with the user's own layer u: g = sigmoid(W_i n * W_u u) splits a candidate into n_hard = g n and
    n_easy = n - n_hard, and by the same gate the positive. The easy part moves by xi = noise * m *
    sign(p_easy - n_easy), with margin m = sigmoid(1 / w_m(n_hard * p_hard)) and a noise of length `ans_noise` made of
    numbers from U(0, 1). In each layer the candidate with the highest <u, n> + (1 + epsilon) <u, xi>, its score and
    epsilon times its gain in score, is picked, and n + xi is the negative. To the loss comes gamma (sns + dis),

        sns = mean log(1 + sum_n exp(<u, n_easy> - <u, n_hard>))
        dis = mean |n_hard - p_hard| + mean sum_h |p_easy * n_easy|

    over all N candidates, as in the authors' code. Blocks of rows are computed again in the backward pass instead of
    being kept, so memory is that of one block. `ans_all_candidates=false` takes the picked ones alone, for 1 / N of
    the cost. Deviations from the authors' code:

    - It trains on sums of the layers' products and ranks by layer 0. Here the model's own score does both; each
      layer's own user only splits and picks, and is in sns.
    - 1 / x is x / (x^2 + 0.01), smooth and at most 5, for w_m crosses 0, where 1 / x and its gradient have no bound.
    - The noise is drawn for a positive and layer, and shared by its candidates, so that their order does not matter
      and memory stays O(RHC). How far a single candidate moves is distributed as in the authors' code.
    - The L2 term is the model's own, not one over all candidates.

    The authors publish no values for N, epsilon and gamma; the start values are ours. gamma starts small, for young
    embeddings are small too: on ml-100k, valid, 0.01 already outweighs the BPR loss of LightGCN, and 0.1 that of BPR.
    O(RNHC^2), three times where sns and dis are over all candidates; state: the gates.
    """

    needs_layers = needs_equal_layers = True
    keys: ClassVar[Mapping[str, Key]] = {
        "ans_epsilon": Key(1.0, number(0, 1e6), "weight of the gain in score in the pick"),
        "ans_gamma": Key(0.0001, number(0, 1e6), "weight of the loss that splits hard from easy; 0 leaves it out"),
        "ans_noise": Key(0.1, number(0, 1e6), "length of the noise before it is multiplied by the margin"),
        "ans_all_candidates": Key(True, flag, "that loss is over all candidates, not the picked ones alone"),
    }

    def setup(self, context: SamplerContext) -> None:
        """Make the gates; raises UserError where the layers differ in width."""
        super().setup(context)
        self.gates = ANSGates(layer_width(context, "ans"), context.generator)

    def modules(self) -> nn.Module:
        """Two gates and the margin."""
        return self.gates

    @torch.no_grad()
    def score(self, batch: Batch) -> Tensor:
        """<u, n> + (1 + epsilon) <u, xi> of each candidate and layer, [R, N, H]; draws the noise."""
        layers = batch.the_layers.detach()
        users = split_layers(layers, layers.users()).unsqueeze(1)
        positives = split_layers(layers, layers.rows(batch.positives)).unsqueeze(1)
        drawn = torch.rand(users.shape, device=users.device, generator=batch.generator)
        noise = batch.scratch["noise"] = self.context.options["ans_noise"] * functional.normalize(drawn, dim=-1)
        gain = 1 + self.context.options["ans_epsilon"]
        scores = []
        for rows in row_blocks(batch.candidates, sum(layers.sizes)):
            negatives = split_layers(layers, layers.rows(batch.candidates[rows]))
            moved = self.gates.moved(users[rows], positives[rows], negatives, noise[rows])
            scores.append((users[rows] * (negatives + gain * moved)).sum(-1))
        return torch.cat(scores)

    def choose(self, batch: Batch, picked: Tensor, scores: Tensor) -> Choice:
        """The picked item of each layer, int64 [R, 1, H], moved by the same noise, and the loss of the gates."""
        layers, ids = batch.the_layers, take(batch.candidates, picked)
        users = split_layers(layers, layers.users()).unsqueeze(1)
        positives = split_layers(layers, layers.rows(batch.positives)).unsqueeze(1)
        negatives = split_layers(layers, layers.composite(ids))
        moved = self.gates.moved(users, positives, negatives, batch.scratch["noise"])
        gamma = self.context.options["ans_gamma"]
        aux = None
        if gamma > 0 and self.context.options["ans_all_candidates"]:
            aux = gamma * self._over_candidates(batch, users, positives)
        elif gamma > 0:
            aux = gamma * self._splitting(users, positives, negatives)
        return Choice(ids, (negatives + moved).flatten(-2), aux_loss=aux)

    def _over_candidates(self, batch: Batch, users: Tensor, positives: Tensor) -> Tensor:
        """`_splitting` of all candidates, block by block; the backward pass gathers and computes each block again."""
        layers = batch.the_layers

        def block(rows: slice) -> Tensor:
            negatives = split_layers(layers, layers.rows(batch.candidates[rows]))
            return self._splitting(users[rows], positives[rows], negatives)

        blocks = row_blocks(batch.candidates, sum(layers.sizes))
        # nothing in a block is random, so the state of random numbers need not be kept
        return torch.cat([checkpoint(block, rows, use_reentrant=False, preserve_rng_state=False) for rows in blocks])

    def _splitting(self, users: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
        """sns + dis of each row: users and positives float [R, 1, H, C], negatives [R, N, H, C] -> [R]."""
        gate = self.gates.hardness(users, negatives)
        easy = (1 - gate) * negatives
        gaps = (users * (easy - gate * negatives)).sum(-1)  # [R, N, H]
        contrast = functional.softplus(gaps.logsumexp(1)).mean(-1)  # log(1 + sum exp) without overflow
        distance = torch.linalg.vector_norm(gate * (negatives - positives), dim=-1).mean((1, 2))
        overlap = torch.linalg.vector_norm((1 - gate) * positives * easy, dim=-1).sum(-1).mean(1)
        return contrast + distance + overlap
