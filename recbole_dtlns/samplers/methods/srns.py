"""SRNS (Ding et al., NeurIPS 2020)."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from recbole_dtlns.config.parsers import Key, number, whole
from recbole_dtlns.samplers.base import BaseSampler, SamplerContext, take
from recbole_dtlns.samplers.batch import Batch, Choice, EpochView
from recbole_dtlns.samplers.parts.snapshots import Snapshots


class SRNS(BaseSampler):
    """Hard negatives whose scores vary over the epochs: steadily high ones are likelier false negatives.

    Each user has a memory M_u of S1 = `neg_candidates` items. The pick is argmax over M_u of
    P_k + alpha min(1, epoch / T0) std_k, with P_k = sigmoid(r_uk - r_ui) and std_k its standard deviation over the last
    five epochs. Then, once for each user of the batch, M_u becomes S1 of itself and S2 further free items, without
    replacement, in proportion to exp(r / tau).

    Start values are those of the authors' ML-1M script, their only one for real data. Unlike their code: M_u holds
    items, not columns of a pool that changes behind them every epoch; and past scores come from copies of the model's
    tables instead of scores of a pool of 3000 items a user, so every item has a history and nothing grows with U x I.
    Models that give only scores have no tables: std_k is 0 there. Of sequential models the user's longest training
    prefix stands for the user.

    O(R (5 S1 + S2) HC) a batch; further items are drawn once for each of its users. State: M_u and five copies of the
    tables, 8 U S1 + 20 (U + I) C bytes.
    """

    keys: ClassVar[Mapping[str, Key]] = {
        "srns_alpha": Key(5.0, number(0, 1e6), "weight of the standard deviation, alpha"),
        "srns_warmup": Key(50, whole(1), "epochs until that weight is reached, T0"),
        "srns_extra": Key(64, whole(1, 100_000), "items that compete with the memory for a place in it, S2"),
        "srns_tau": Key(10.0, number(1e-6), "temperature of that competition: the lower, the harder the memory"),
    }

    def setup(self, context: SamplerContext) -> None:
        """Draw a memory for each user that has training items."""
        super().setup(context)
        counts = context.history.counts
        self.memory = torch.zeros(
            len(counts), context.options["neg_candidates"], dtype=torch.long, device=counts.device
        )
        users = counts.nonzero().squeeze(1)
        self.memory[users] = context.uniform.draw(users, self.memory.shape[1], context.generator)
        self.past = Snapshots()

    def propose(self, users: Tensor, n: int) -> Tensor:
        """The memory, whatever n is, then S2 free items, drawn once a user: int64 [R] -> int64 [R, S1 + S2]."""
        distinct, number = users.unique(return_inverse=True)
        extra = self.context.uniform.draw(distinct, self.context.options["srns_extra"], self.context.generator)
        return torch.cat([self.memory.index_select(0, users), extra.index_select(0, number)], dim=1)

    def score(self, batch: Batch) -> Tensor:
        """P_k + alpha min(1, epoch / T0) std_k for items of the memory, -inf for the others, [R, S1 + S2]."""
        options, size = self.context.options, self.memory.shape[1]
        scores = torch.full(batch.candidates.shape, -torch.inf, device=batch.candidates.device)
        scores[:, :size] = torch.sigmoid(batch.scores[:, :size] - batch.positive_scores.unsqueeze(1))
        weight = options["srns_alpha"] * min(1.0, batch.epoch / options["srns_warmup"])
        if weight > 0:
            scores[:, :size] += weight * self.past.spread(batch.users, batch.candidates[:, :size], batch.positives)
        if self._may_bar:
            scores = self._without_barred(batch, scores)
        # Several negatives of a positive share a memory: the second has the second best, and so on.
        earlier = repetition(batch.users * (int(batch.positives.max()) + 1) + batch.positives)
        if not earlier.any():
            return scores
        rank = scores.argsort(dim=1, descending=True).argsort(dim=1)
        earlier = torch.minimum(earlier, (~scores.isneginf()).sum(1) - 1)
        return scores.masked_fill(rank < earlier.unsqueeze(1), -torch.inf)

    def bonus(self, scores: Tensor, similarity: Tensor) -> Tensor:
        """As for any sampler over the items of the memory; the others stay at -inf."""
        in_memory = ~scores.isneginf()
        low = scores.masked_fill(~in_memory, torch.inf).amin(dim=1, keepdim=True)
        bounded = torch.where(in_memory, scores, low)
        return super().bonus(bounded, similarity).masked_fill(~in_memory, -torch.inf)

    def choose(self, batch: Batch, picked: Tensor, scores: Tensor) -> Choice:
        """The picked items; the memory of each user of the batch is renewed with the scores before the step."""
        self._renew(batch)
        return Choice(take(batch.candidates, picked))

    @property
    def _may_bar(self) -> bool:
        """Whether items of a memory can become inferred positives after they were drawn."""
        return self.context.options["judge_refresh"] is not None

    def _without_barred(self, batch: Batch, scores: Tensor) -> Tensor:
        """-inf for candidates that are inferred positives now; a memory of them alone gives way to the other items."""
        free = self.context.uniform.allows(batch.users, batch.candidates)
        scores = scores.masked_fill(~free, -torch.inf)
        others = torch.sigmoid(batch.scores - batch.positive_scores.unsqueeze(1)).masked_fill(~free, -torch.inf)
        return torch.where(scores.isneginf().all(1, keepdim=True), others, scores)

    @torch.no_grad()
    def _renew(self, batch: Batch) -> None:
        users, number = batch.users.unique(return_inverse=True)
        rows = torch.arange(len(number), device=users.device)
        first = torch.full_like(users, len(number)).scatter_reduce_(0, number, rows, "amin")
        candidates = batch.candidates.index_select(0, first)
        drawn = torch.rand(candidates.shape, device=users.device, generator=batch.generator)
        gumbel = -(-(1 - drawn).log()).log()
        keys = batch.scores.index_select(0, first) / self.context.options["srns_tau"] + gumbel
        keys = keys.masked_fill(repeats(candidates), -torch.inf)
        if self._may_bar:
            keys = keys.masked_fill(~self.context.uniform.allows(users, candidates), -torch.inf)
        kept = keys.topk(self.memory.shape[1], dim=1).indices
        self.memory[users] = candidates.gather(1, kept)

    def epoch_end(self, batch: EpochView) -> None:
        """Keep a copy of the tables."""
        if batch.layers is not None:
            self.past.add(batch.layers)

    def state_dict(self) -> dict[str, Any]:
        """Memory and tables."""
        return {"memory": self.memory.clone(), "past": self.past.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`."""
        self.memory.copy_(state["memory"])
        self.past.load_state_dict(state["past"])


def repetition(keys: Tensor) -> Tensor:
    """How often each key stands further up: int64 [R] -> int64 [R]."""
    ordered, places = keys.sort(stable=True)
    starts = torch.searchsorted(ordered, ordered)
    return torch.empty_like(keys).scatter_(0, places, torch.arange(len(keys), device=keys.device) - starts)


def repeats(items: Tensor) -> Tensor:
    """All but one of the places of each item in its row: int64 [R, N] -> bool [R, N]."""
    ordered, places = items.sort(dim=1)
    same = torch.zeros(items.shape, dtype=torch.bool, device=items.device)
    return same.scatter(1, places[:, 1:], ordered[:, 1:] == ordered[:, :-1])
