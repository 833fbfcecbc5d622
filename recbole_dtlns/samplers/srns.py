"""SRNS (Ding et al., NeurIPS 2020)."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from recbole_dtlns.errors import UserError
from recbole_dtlns.parsers import Key, number, whole
from recbole_dtlns.samplers.base import BaseSampler, SamplerContext, take
from recbole_dtlns.samplers.score_history import ScoreHistory
from recbole_dtlns.samplers.view import Choice, EpochView, View


class SRNS(BaseSampler):
    """Hard negatives whose scores vary over the epochs: steadily high ones are likelier false negatives.

    Each user has a memory M_u of S1 = `neg_candidates` items. The pick is argmax over M_u of
    P_k + alpha min(1, epoch / T0) std_k, with P_k = sigmoid(r_uk - r_ui) and std_k its standard deviation over the last
    five epochs. Then, once for each user of the batch, M_u becomes S1 of itself and S2 further items of the user's pool
    of V, without replacement, in proportion to exp(r / tau).

    Start values are those of the authors' ML-1M script, their only one for real data; V is 3000 there. Unlike their
    code: M_u holds items, not columns of a pool that changes behind them every epoch; pools are drawn anew every five
    epochs, and M_u keeps its items and their history, where theirs enter service with five epochs of history; an
    inferred positive has no history, so std_k = 0. An item that later becomes an inferred positive of the user
    (`judge_refresh`) is not picked any more and is the first to leave M_u.

    O(R (S1 + S2) C + R V) a batch and O((UV + E) C) an epoch. State: M_u, pools, scores; 8 U S1 + 28 UV + 20 E bytes.
    """

    keys: ClassVar[Mapping[str, Key]] = {
        "srns_alpha": Key(5.0, number(0), "weight of the standard deviation, alpha"),
        "srns_warmup": Key(50, whole(1), "epochs until that weight is reached, T0"),
        "srns_extra": Key(64, whole(1), "items that compete with the memory for a place in it, S2"),
        "srns_tau": Key(10.0, number(1e-6), "temperature of that competition: the lower, the harder the memory"),
        "srns_pool": Key(100, whole(2), "items of each user whose scores are kept, V"),
    }

    @classmethod
    def check(cls, options: Mapping[str, Any]) -> None:
        """Refuse a pool that is smaller than memory and extra items together."""
        needed = options["neg_candidates"] + options["srns_extra"]
        if options["srns_pool"] < needed:
            raise UserError(
                f"srns_pool={options['srns_pool']}, but neg_candidates={options['neg_candidates']} and "
                f"srns_extra={options['srns_extra']} take {needed} items from it. Set srns_pool to at least "
                f"{needed}, or one of the others lower."
            )

    def setup(self, context: SamplerContext) -> None:
        """Draw pools, and a memory from each."""
        super().setup(context)
        self.history = ScoreHistory(context, context.options["srns_pool"])
        everyone = torch.arange(len(self.history.pool), device=self.history.pool.device)
        self.memory = self.history.fresh(everyone, None, context.options["neg_candidates"], context.generator)

    def propose(self, users: Tensor, n: int) -> Tensor:
        """The memory, whatever n is, and S2 other items of the pool: int64 [R] -> int64 [R, S1 + S2]."""
        held = self.memory[users]
        extra = self.history.fresh(users, held, self.context.options["srns_extra"], self.context.generator)
        return torch.cat([held, extra], dim=1)

    def score(self, view: View) -> Tensor:
        """P_k + alpha min(1, epoch / T0) std_k for items of the memory, -inf for the others, [R, S1 + S2]."""
        options, users = self.context.options, view.users
        scores = torch.sigmoid(view.scores - view.positive_scores.unsqueeze(1))
        weight = options["srns_alpha"] * min(1.0, view.epoch / options["srns_warmup"])
        held = self.history.columns(users, self.memory[users])
        in_memory = torch.zeros(self.history.pool[users].shape, dtype=torch.bool, device=users.device)
        in_memory.scatter_(1, held, True)
        columns = self.history.columns(users, view.candidates)
        if weight > 0:
            spread = self.history.spread(users, self.memory[users], view.positives)
            by_column = torch.zeros(in_memory.shape, device=users.device).scatter_(1, held, spread)
            scores = scores + weight * by_column.gather(1, columns)
        return scores.masked_fill(~in_memory.gather(1, columns) | self._barred(view), -torch.inf)

    def bonus(self, scores: Tensor, similarity: Tensor) -> Tensor:
        """As for any sampler over the items of the memory; the others stay at -inf."""
        in_memory = ~scores.isneginf()
        low = scores.masked_fill(~in_memory, torch.inf).amin(dim=1, keepdim=True)
        bounded = torch.where(in_memory, scores, low)
        return super().bonus(bounded, similarity).masked_fill(~in_memory, -torch.inf)

    def choose(self, view: View, picked: Tensor, scores: Tensor) -> Choice:
        """The picked items; the memory of each user of the batch is renewed with the scores before the step."""
        self._renew(view)
        return Choice(take(view.candidates, picked))

    def _barred(self, view: View) -> Tensor:
        """Candidates that have become inferred positives since they were drawn, bool [R, S1 + S2]."""
        if self.context.options["judge_refresh"] is None:
            return torch.zeros(view.candidates.shape, dtype=torch.bool, device=view.candidates.device)
        return ~self.context.uniform.allows(view.users, view.candidates)

    @torch.no_grad()
    def _renew(self, view: View) -> None:
        users, number = view.users.unique(return_inverse=True)
        rows = torch.arange(len(number), device=users.device)
        first = torch.full_like(users, len(number)).scatter_reduce_(0, number, rows, "amin")
        candidates = view.candidates[first]
        noise = torch.empty(candidates.shape, device=users.device).exponential_(generator=view.generator)
        keys = view.scores[first] / self.context.options["srns_tau"] - noise.log()  # the Gumbel trick
        keys = keys.masked_fill(repeats(candidates) | self._barred(view)[first], -torch.inf)
        kept = keys.topk(self.memory.shape[1], dim=1).indices
        self.memory[users] = candidates.gather(1, kept)

    def epoch_end(self, view: EpochView) -> None:
        """Store the scores of pools and training pairs."""
        self.history.snapshot(view, self.memory)

    def state_dict(self) -> dict[str, Any]:
        """Memory, pools and scores."""
        return {"memory": self.memory.clone(), "history": self.history.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`."""
        self.memory.copy_(state["memory"])
        self.history.load_state_dict(state["history"])


def repeats(items: Tensor) -> Tensor:
    """Where an item stands a second time in its row: int64 [R, N] -> bool [R, N]."""
    ordered, places = items.sort(dim=1, stable=True)
    same = torch.zeros(items.shape, dtype=torch.bool, device=items.device)
    return same.scatter(1, places[:, 1:], ordered[:, 1:] == ordered[:, :-1])
