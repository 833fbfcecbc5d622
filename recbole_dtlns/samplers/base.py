"""What every negative sampler is made of: propose, score, pick, choose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from recbole_dtlns.config.parsers import Key
from recbole_dtlns.samplers.batch import Batch, Choice, EpochView
from recbole_dtlns.samplers.parts.history import History
from recbole_dtlns.samplers.parts.proposal import Proposal
from recbole_dtlns.trees.similarity import TreeSimilarity


@dataclass(frozen=True)
class SamplerContext:
    """Fixed for a run; handed to `setup`.

    Attributes:
        uniform: uniform proposals without the user's positives (and inferred positives, unless they are drawable).
        popularity: the same in proportion to train counts.
        history: the training pairs of each user; inferred positives are not among them.
        sizes: width of each layer of the model, H numbers; None where it gives only scores.
        similarities: the two trees as (structural, semantic); None where no trees were made.
        options: the values of our configuration keys.
        generator: the only source of randomness, on the model's device.
    """

    uniform: Proposal
    popularity: Proposal
    history: History
    sizes: tuple[int, ...] | None
    similarities: tuple[TreeSimilarity, TreeSimilarity] | None
    options: Mapping[str, Any]
    generator: torch.Generator


class Sampler(Protocol):
    """A negative sampler: its steps are separate so that the tree view can sit between any two of them."""

    def setup(self, context: SamplerContext) -> None:
        """Take what is fixed for the run."""

    def modules(self) -> nn.Module | None:
        """Trainable parts, for the optimiser and the checkpoint."""

    def propose(self, users: Tensor, n: int) -> Tensor:
        """Candidates for each user: int64 [R] -> int64 [R, N]; N is n unless the sampler needs more."""

    def score(self, batch: Batch) -> Tensor:
        """Worth of each candidate as a negative: [R, N], or [R, N, H] for a pick in each layer. Without gradient."""

    def bonus(self, scores: Tensor, similarity: Tensor) -> Tensor:
        """`score` with the tree view's weighted similarities [R, N] in it; of the shape of `scores`."""

    def pick(self, scores: Tensor) -> Tensor:
        """Positions of the chosen candidates: [R, N] -> int64 [R, K], or [R, N, H] -> int64 [R, K, H]."""

    def choose(self, batch: Batch, picked: Tensor, scores: Tensor) -> Choice:
        """Turn picked positions into negatives; only what this returns may have gradients."""

    def epoch_end(self, batch: EpochView) -> None:
        """Called after each training epoch."""

    def state_dict(self) -> dict[str, Any]:
        """What must survive a restart, beside `modules` and the context's generator."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`."""


class BaseSampler:
    """Uniform proposals, highest score wins, no state: the parts most samplers share.

    Attributes:
        keys: configuration keys of this sampler alone, by name; their values are in `context.options`.
        needs_layers: it mixes the layers of the model, so it cannot run where only scores are to be had.
        needs_equal_layers: and these must be of one width.
        scores_candidates: more than one candidate is of use to it without the tree view.
        tree_view_by_default: the tree view is on unless the user says otherwise.
    """

    keys: ClassVar[Mapping[str, Key]] = {}
    needs_layers: ClassVar[bool] = False
    needs_equal_layers: ClassVar[bool] = False
    scores_candidates: ClassVar[bool] = True
    tree_view_by_default: ClassVar[bool] = False
    context: SamplerContext

    @classmethod
    def check(cls, options: Mapping[str, Any]) -> None:
        """Refuse, before any work, values of keys that do not go together; raises UserError."""

    def setup(self, context: SamplerContext) -> None:
        """Keep the context."""
        self.context = context

    def modules(self) -> nn.Module | None:
        """No trainable parts."""
        return None

    def propose(self, users: Tensor, n: int) -> Tensor:
        """Draw n free items for each user, all alike: int64 [R] -> int64 [R, n]."""
        return self.context.uniform.draw(users, n, self.context.generator)

    def score(self, batch: Batch) -> Tensor:
        """No preference among the candidates: zeros [R, N], so that the first, a plain draw, is picked."""
        return torch.zeros(batch.candidates.shape, device=batch.candidates.device)

    def bonus(self, scores: Tensor, similarity: Tensor) -> Tensor:
        """Scores moved to [0, 1] over the candidates of each positive (and layer), plus the similarities."""
        return min_max(scores) + (similarity if scores.dim() == 2 else similarity.unsqueeze(-1))

    def pick(self, scores: Tensor) -> Tensor:
        """Position of the highest score; of equal ones the first: [R, N, ...] -> int64 [R, 1, ...]."""
        return scores.max(dim=1, keepdim=True).indices  # `argmax` is slow along a dimension that is not the last

    def choose(self, batch: Batch, picked: Tensor, scores: Tensor) -> Choice:
        """The picked items themselves."""
        return Choice(take(batch.candidates, picked))

    def epoch_end(self, batch: EpochView) -> None:
        """Nothing to do."""

    def state_dict(self) -> dict[str, Any]:
        """No state."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """No state."""


def take(candidates: Tensor, picked: Tensor) -> Tensor:
    """Candidates int64 [R, N] at positions int64 [R, K] or [R, K, H]: int64 of the shape of `picked`."""
    return candidates.gather(1, picked.flatten(1)).reshape(picked.shape)


_EPSILON = 1e-8


def min_max(scores: Tensor) -> Tensor:
    """Scores [R, N, ...] moved to [0, 1] over the candidates, dimension 1; equal ones become 0."""
    low = scores.amin(dim=1, keepdim=True)
    return (scores - low) / (scores.amax(dim=1, keepdim=True) - low + _EPSILON)
