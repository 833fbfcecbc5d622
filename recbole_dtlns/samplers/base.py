"""What every negative sampler is given and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from recbole_dtlns.samplers.proposal import FreeItems
from recbole_dtlns.trees.similarity import TreeSimilarity


@dataclass(frozen=True)
class SamplerContext:
    """Fixed for a run; handed to `setup`.

    Attributes:
        uniform: uniform proposals without the user's positives (and inferred positives, unless they are drawable).
        popularity: the same in proportion to train counts.
        n_layers: layer outputs of the model, H; 1 on the id path.
        similarities: the two trees as (structural, semantic); None where no tree view is asked for.
        options: the values of our configuration keys.
        generator: the only source of randomness, on the model's device.
    """

    uniform: FreeItems
    popularity: FreeItems
    n_layers: int
    similarities: tuple[TreeSimilarity, TreeSimilarity] | None
    options: dict[str, Any]
    generator: torch.Generator


@dataclass(frozen=True)
class View:
    """One batch as a sampler sees it, without gradient. R positives, N candidates, H layers.

    Attributes:
        users: internal ids, int64 [R].
        positives: internal ids, int64 [R].
        candidates: internal ids, int64 [R, N]; never 0, never a training positive of the user.
        layer_scores: product of the user with each layer of each candidate, float [R, N, H]; their sum over H is the
            model's score. On the id path H = 1.
        epoch: number of the epoch, from 0.
        generator: the context's generator.
    """

    users: Tensor
    positives: Tensor
    candidates: Tensor
    layer_scores: Tensor
    epoch: int
    generator: torch.Generator

    @property
    def scores(self) -> Tensor:
        """The model's scores of the candidates, [R, N]."""
        return self.layer_scores.sum(-1)


@dataclass(frozen=True)
class Choice:
    """The negatives of one batch.

    Attributes:
        ids: chosen items, int64 [R], or one for each layer, [R, H].
        positive_share: share of the positive mixed into each layer of the negative, float [R, H]; None: no mixing.
    """

    ids: Tensor
    positive_share: Tensor | None = None

    @property
    def item_ids(self) -> Tensor:
        """One id for each negative, int64 [R]: the chosen item, or that of layer 0, which the L2 term reads."""
        return self.ids if self.ids.dim() == 1 else self.ids[:, 0]


class Sampler(Protocol):
    """A negative sampler: propose, score and pick are separate so that the tree view can sit between the last two."""

    needs_layers: bool

    def setup(self, context: SamplerContext) -> None:
        """Take what is fixed for the run."""

    def modules(self) -> nn.Module | None:
        """Trainable parts, for the optimiser and the checkpoint."""

    def propose(self, users: Tensor, n: int) -> Tensor:
        """Candidates for each user: int64 [R] -> int64 [R, N]."""

    def score(self, view: View) -> Tensor:
        """Worth of each candidate as a negative, the highest wins: [R, N], or [R, N, H] for a pick in each layer."""

    def pick(self, scores: Tensor) -> Tensor:
        """Positions of the chosen candidates: [R, N] -> int64 [R], or [R, N, H] -> int64 [R, H]."""

    def choose(self, view: View, picked: Tensor) -> Choice:
        """Turn picked positions into negatives."""

    def epoch_end(self, epoch: int) -> None:
        """Called after each training epoch."""

    def state_dict(self) -> dict[str, Any]:
        """What must survive a restart, beside the context's generator."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`."""


class BaseSampler:
    """Uniform proposals, highest score wins, no state: the parts most samplers share."""

    needs_layers = False  # whether it asks for the layers of the model
    scores_candidates = True  # whether more than one candidate is of use to it alone
    tree_view_by_default = False
    context: SamplerContext

    def setup(self, context: SamplerContext) -> None:
        """Keep the context."""
        self.context = context

    def modules(self) -> nn.Module | None:
        """No trainable parts."""
        return None

    def propose(self, users: Tensor, n: int) -> Tensor:
        """Draw n free items for each user, all alike: int64 [R] -> int64 [R, n]."""
        return self.context.uniform.draw(users, n, self.context.generator)

    def score(self, view: View) -> Tensor:
        """No preference among the candidates: zeros [R, N], so that the first, a plain draw, is picked."""
        return torch.zeros_like(view.candidates, dtype=view.layer_scores.dtype)

    def pick(self, scores: Tensor) -> Tensor:
        """Position of the highest score; of equal ones the first: [R, N, ...] -> int64 [R, ...]."""
        return scores.argmax(dim=1)

    def choose(self, view: View, picked: Tensor) -> Choice:
        """The picked items themselves, int64 like `picked`."""
        return Choice(take(view.candidates, picked))

    def epoch_end(self, epoch: int) -> None:
        """Nothing to do."""

    def state_dict(self) -> dict[str, Any]:
        """No state."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """No state."""


def take(candidates: Tensor, picked: Tensor) -> Tensor:
    """Candidates int64 [R, N] at positions [R] or [R, H]: int64 of the shape of `picked`."""
    return candidates.gather(1, picked.reshape(len(picked), -1)).reshape(picked.shape)
