"""The dual-tree view: two tree similarities on top of the scores of any sampler."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from recbole_dtlns.samplers.base import BaseSampler, SamplerContext
from recbole_dtlns.samplers.batch import Batch, Choice, EpochView


class TreeView:
    """Adds alpha_co sim_co(p, n) + alpha_se sim_se(p, n) to the min-max normalised scores of a base sampler.

    DTL-NS, arXiv 2602.18249. Scores are normalised over the candidates of one positive (and
    layer), so the alphas mean the same for every model; with both at 0 the base picks as it does alone. Everything
    else is the base sampler's. The similarities cost O(RND) more for codes of D levels.
    """

    def __init__(self, base: BaseSampler) -> None:
        self.base = base

    def setup(self, context: SamplerContext) -> None:
        """Set the base up; the context must hold the two similarities."""
        self.base.setup(context)
        if context.similarities is None:
            raise ValueError("the tree view needs a context with the similarities of both trees")
        self.structural, self.semantic = context.similarities
        self.alpha_co: float = context.options["alpha_co"]
        self.alpha_se: float = context.options["alpha_se"]

    def modules(self) -> nn.Module | None:
        """Trainable parts of the base."""
        return self.base.modules()

    def propose(self, users: Tensor, n: int) -> Tensor:
        """Candidates of the base: int64 [R] -> int64 [R, N]."""
        return self.base.propose(users, n)

    def score(self, batch: Batch) -> Tensor:
        """Scores of the base with the weighted similarities in them, [R, N] or [R, N, H]."""
        scores = self.base.score(batch)
        if self.alpha_co == 0 and self.alpha_se == 0:
            return scores
        similarity = self.alpha_co * self.structural(batch.positives, batch.candidates)
        similarity = similarity + self.alpha_se * self.semantic(batch.positives, batch.candidates)
        return self.base.bonus(scores, similarity)

    def pick(self, scores: Tensor) -> Tensor:
        """Positions that the base picks from these scores."""
        return self.base.pick(scores)

    def choose(self, batch: Batch, picked: Tensor, scores: Tensor) -> Choice:
        """Negatives that the base makes of the picked positions."""
        return self.base.choose(batch, picked, scores)

    def epoch_end(self, batch: EpochView) -> None:
        """Tell the base."""
        self.base.epoch_end(batch)

    def state_dict(self) -> dict[str, Any]:
        """State of the base."""
        return self.base.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the base."""
        self.base.load_state_dict(state)
