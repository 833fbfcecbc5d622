"""DivNS (Xuan et al., arXiv 2508.14468)."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from recbole_dtlns.config.parsers import Key, number, whole
from recbole_dtlns.samplers.base import BaseSampler, SamplerContext, take
from recbole_dtlns.samplers.batch import Batch, Choice, EpochView
from recbole_dtlns.samplers.parts.diversity import distinct_items, diverse_items
from recbole_dtlns.samplers.parts.rings import ItemRings

_NUMBERS = 1 << 22  # of the largest arrays of a block of users: 16 MB of float32


class DivNS(BaseSampler):
    """The hardest candidate, mixed with an item of a diverse set that was made from the runners-up of earlier epochs.

    The next best candidates of each positive go to a cache of r |train_u| items a user, a ring. At the end of an epoch
    a greedy k-DPP over the cosines of the items' layers takes min(|train_u|, k) items from it that differ from one
    another and from the user's last hard negatives H_u, at most |train_u| of them. In the next epoch the negative is
    lambda e_hard + (1 - lambda) e_div, with one of these items drawn for each positive. Epoch 0 is DNS.

    The authors' code has no DPP in its training path: it takes the items least similar to any used one, compares with
    positions in place of items, and mixes every positive with the items of the whole batch. This is the method of the
    paper. Caps on H_u and k, which keep the cost of heavy users in bounds, are ours. An item that becomes an inferred
    positive of the user (`judge_refresh`) is not mixed in any more.

    O(RNC + R keep log R) a batch; O(sum_u |C_u| (|H_u| + k) (W + |H_u| + k)) an epoch. State: cache, H_u and diverse
    items, at most 8 E (r + 2) bytes.
    """

    needs_layers = True
    keys: ClassVar[Mapping[str, Key]] = {
        "divns_lambda": Key(0.7, number(0, 1), "share of the hardest candidate in the negative; 1 is DNS"),
        "divns_ratio": Key(4, whole(1, 10_000), "size of a user's cache for each of its training items, r"),
        "divns_keep": Key(5, whole(1, 10_000), "next best candidates of each positive that go to the cache"),
        "divns_hard": Key(50, whole(1, 10_000), "most recent hard negatives that the diverse items must differ from"),
        "divns_diverse": Key(50, whole(1, 10_000), "most diverse items of a user, k"),
    }

    def setup(self, context: SamplerContext) -> None:
        """Make room for each user."""
        super().setup(context)
        counts, options = context.history.counts, context.options
        self.cache = ItemRings(counts * options["divns_ratio"])
        self.hard = ItemRings(counts.clamp_max(options["divns_hard"]))
        self.diverse = ItemRings(counts.clamp_max(options["divns_diverse"]))

    def score(self, batch: Batch) -> Tensor:
        """The model's scores, [R, N]."""
        return batch.scores

    def choose(self, batch: Batch, picked: Tensor, scores: Tensor) -> Choice:
        """The picked item mixed with a diverse one; itself where the user has none yet."""
        layers, ids = batch.the_layers, take(batch.candidates, picked)
        self._remember(batch, picked, scores)
        other = self.diverse.draw(batch.users, batch.generator).unsqueeze(1)
        if self.context.options["judge_refresh"] is not None:
            other = torch.where(self.context.uniform.allows(batch.users, other), other, 0)
        other = torch.where(other > 0, other, ids)
        diverse, hard = layers.rows(torch.cat([other, ids])).chunk(2)  # together: one gradient of the table's size
        return Choice(ids, torch.lerp(diverse, hard, self.context.options["divns_lambda"]))

    def _remember(self, batch: Batch, picked: Tensor, scores: Tensor) -> None:
        """Runners-up, the best of them last, into the cache; the picked into H_u."""
        hardest = take(batch.candidates, picked)
        n_kept = min(self.context.options["divns_keep"], scores.shape[1] - 1)
        places = scores.scatter(1, picked, -torch.inf).topk(n_kept, dim=1).indices.flip(1)
        runners_up = batch.candidates.gather(1, places)
        unused = runners_up != hardest
        users = batch.users.unsqueeze(1).expand_as(runners_up)
        self.cache.push(users[unused], runners_up[unused])
        self.hard.push(batch.users, hardest.squeeze(1))

    def epoch_end(self, batch: EpochView) -> None:
        """Choose the diverse items of each user from its cache."""
        if batch.layers is None:
            raise ValueError("this sampler needs the layers of the model")
        vectors = functional.normalize(batch.layers.items, dim=1)
        vectors[0] = 0
        self.diverse.clear()
        for users in self._blocks(vectors.shape[1]):
            candidates, given = distinct_items(self.cache.rows(users)), self.hard.rows(users)
            wanted = self.context.history.counts[users].clamp_max(self.context.options["divns_diverse"])
            chosen = diverse_items(vectors, candidates, given, wanted)
            filled = chosen > 0
            self.diverse.push(users.unsqueeze(1).expand_as(chosen)[filled], chosen[filled])

    def _blocks(self, width: int) -> Iterator[Tensor]:
        """Users with a cache, int64 [n], those with much in it first, in blocks of bounded work space."""
        counts, options = self.cache.counts, self.context.options
        order = counts.argsort(descending=True, stable=True)[: int((counts > 0).sum())]
        sizes = counts[order].tolist()
        start = 0
        while start < len(order):
            numbers = sizes[start] * (width + options["divns_hard"] + options["divns_diverse"])
            end = start + max(1, _NUMBERS // numbers)
            yield order[start:end]
            start = end

    def state_dict(self) -> dict[str, Any]:
        """Caches, hard negatives and diverse items."""
        return {name: getattr(self, name).state_dict() for name in ("cache", "hard", "diverse")}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`."""
        for name, rings in state.items():
            getattr(self, name).load_state_dict(rings)
