"""What a sampler sees of a batch, and what it makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor

from recbole_dtlns.samplers.parts.layers import BatchLayers


@dataclass(frozen=True)
class Batch:
    """One batch as a sampler sees it. R positives, N candidates, H layers; H = 1 on the id path.

    Attributes:
        users: internal ids, int64 [R].
        positives: internal ids, int64 [R].
        candidates: internal ids, int64 [R, N]; never 0, never a training positive of the user.
        epoch: number of the epoch, from 0.
        generator: the only source of randomness, on the model's device.
        layers: the layers of the batch, with gradient; None where the model gives only scores.
        predict: the model's scores of int64 [R, n], float [R, n], for models without layers.
        scratch: whatever `score` wants to hand to `choose`.
    """

    users: Tensor
    positives: Tensor
    candidates: Tensor
    epoch: int
    generator: torch.Generator
    layers: BatchLayers | None = None
    predict: Callable[[Tensor], Tensor] | None = None
    scratch: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def layer_scores(self) -> Tensor:
        """Product of the user with each layer of each candidate, [R, N, H], without gradient; their sum is `scores`."""
        return self._layer_scores(self.candidates)

    @cached_property
    def scores(self) -> Tensor:
        """The model's scores of the candidates, [R, N], without gradient."""
        return self.layer_scores.sum(-1)

    @cached_property
    def positive_scores(self) -> Tensor:
        """The model's scores of the positives, [R], without gradient."""
        return self._layer_scores(self.positives.unsqueeze(1)).sum(-1).squeeze(1)

    @torch.no_grad()
    def _layer_scores(self, ids: Tensor) -> Tensor:
        if self.layers is not None:
            return self.layers.detach().layer_scores(ids)
        if self.predict is None:
            raise ValueError("a batch needs layers or predict")
        return self.predict(ids).unsqueeze(-1)

    @property
    def the_layers(self) -> BatchLayers:
        """`layers`, for samplers that need them; `method.py` refuses them for models without layers."""
        if self.layers is None:
            raise ValueError("this sampler needs the layers of the model")
        return self.layers


class EveryUser(Protocol):
    """The model, asked outside of a batch."""

    def everyone(self) -> BatchLayers | None:
        """The layers with every user in a row of its own, row u being user u; None on the id path."""


@dataclass(frozen=True)
class EpochView:
    """The model at the end of an epoch, without gradient, dropout off.

    Attributes:
        epoch: number of the epoch that has ended, from 0.
        model: what `layers` asks.
        generator: the only source of randomness.
    """

    epoch: int
    model: EveryUser
    generator: torch.Generator

    @cached_property
    def layers(self) -> BatchLayers | None:
        """Layers of all items and, in `queries` and `users()`, of every user, row u being user u; None on the id path.

        They may share memory with the model: clone what is to be kept.
        """
        return self.model.everyone()


@dataclass(frozen=True)
class Choice:
    """The negatives of one batch. R positives, K negatives of each, H layers of W columns in all.

    Attributes:
        ids: chosen items, int64 [R, K], or one for each layer, [R, K, H]. Also what is logged, and read by the model's
            L2 term (layer 0 of the first negative).
        negatives: made-up layers of the negatives with gradient, float [R, K, W]; None: those of `ids`.
        positives: layers of the positive in the loss, with gradient, float [R, W]: others in their place, or its own
            where the sampler has gathered them anyway; None: the model's.
        weights: weight of each negative in the loss of its row, float [R, K]; None: their mean.
        aux_loss: further loss of each row, with gradient, float [R]; rows weigh in it as in the loss.
    """

    ids: Tensor
    negatives: Tensor | None = None
    positives: Tensor | None = None
    weights: Tensor | None = None
    aux_loss: Tensor | None = None

    @property
    def item_ids(self) -> Tensor:
        """One item for each row, int64 [R]: the first negative, or its layer 0."""
        return self.ids.flatten(1)[:, 0]

    @property
    def is_plain(self) -> bool:
        """Whether one item id says everything, so that the model can score it itself."""
        extras = (self.negatives, self.positives, self.weights)
        return self.ids.dim() == 2 and self.ids.shape[1] == 1 and all(extra is None for extra in extras)
