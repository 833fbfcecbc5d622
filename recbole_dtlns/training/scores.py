"""Where scores of candidates come from: the layers of a model, its tables, its sequences, or its `predict`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from recbole.data.interaction import Interaction
from torch import Tensor

from recbole_dtlns.errors import UserError
from recbole_dtlns.samplers.parts.layers import BatchLayers
from recbole_dtlns.training.layers import LAYER_SOURCES, LayerSource, LayerTables, concatenated

_PAIRS = 1 << 16  # pairs that `predict` is asked about at once


class ScoreSource(Protocol):
    """Scores of a model for sampling.

    Attributes:
        sizes: width of each layer; None where the model gives only scores.
    """

    sizes: tuple[int, ...] | None

    def batch(self, interaction: Interaction) -> BatchLayers | None:
        """The layers of a batch, with gradient; None where the model gives only scores."""

    def predict(self, interaction: Interaction, candidates: Tensor) -> Tensor:
        """Scores of candidates int64 [R, N] for the rows of a batch: [R, N], without gradient."""

    def everyone(self) -> BatchLayers | None:
        """The layers with every user in a row of its own, row u being user u, without gradient, dropout off."""


class TableScores:
    """For models with tables: one propagation serves sampler and, remembered for the batch, the loss.

    Args:
        model: the model.
        source: gives its layers.
    """

    def __init__(self, model: Any, source: LayerSource) -> None:
        self.model, self.source = model, source
        with torch.no_grad():
            self.sizes: tuple[int, ...] | None = source().sizes

    def batch(self, interaction: Interaction) -> BatchLayers:
        """One propagation."""
        return self.source().batch(interaction[self.model.USER_ID])

    def predict(self, interaction: Interaction, candidates: Tensor) -> Tensor:
        """Sum of the products of the layers, [R, N]."""
        return self.batch(interaction).detach().layer_scores(candidates).sum(-1)

    @torch.no_grad()
    def everyone(self) -> BatchLayers:
        """One propagation."""
        with evaluating(self.model):
            return self.source().batch(torch.arange(self.model.n_users, device=self.model.device)).detach()


class PredictScores:
    """For every other model: `predict` on rows with each candidate in the item's place.

    Costs one call of R x N rows a batch, in training mode and without gradient. Models that keep tables for evaluation
    (SGL) drop them in `calculate_loss`, so nothing stale is read.

    Args:
        model: the model.

    Attributes:
        at_once: pairs that `predict` is asked about at once.
    """

    sizes: tuple[int, ...] | None = None
    at_once = _PAIRS

    def __init__(self, model: Any) -> None:
        self.model = model

    def batch(self, interaction: Interaction) -> None:
        """No layers."""
        return None

    def rows(self, interaction: Interaction) -> Interaction:
        """What `predict` is given of a batch: the users alone, as a batch may hold triples of a knowledge graph too."""
        return Interaction({self.model.USER_ID: interaction[self.model.USER_ID]})

    @torch.no_grad()
    def predict(self, interaction: Interaction, candidates: Tensor) -> Tensor:
        """Scores of candidates int64 [R, N] for the rows of a batch: [R, N]."""
        whole, n = self.rows(interaction), candidates.shape[1]
        step = max(1, self.at_once // n)
        scores = []
        for start in range(0, len(candidates), step):
            block = slice(start, start + step)
            repeated = whole[block].repeat_interleave(n)
            repeated.update(Interaction({self.model.ITEM_ID: candidates[block].reshape(-1)}))
            scores.append(self.model.predict(repeated).reshape(-1, n))
        return torch.cat(scores)

    def everyone(self) -> None:
        """No layers."""
        return None


def joint_predictions(model: Any, users: Tensor, own: Tensor, shared: Tensor) -> tuple[Tensor, Tensor]:
    """`BatchLayers.joint_scores` for models without layers: one call of `predict` of S (L + N) rows, with gradient.

    This is a second forward pass, and its rows are kept until the backward pass. Tables that a model keeps for
    evaluation (SGL) are forgotten again: they would be old in the next step.

    Args:
        users: int64 [S].
        own: items of each of them, int64 [S, L].
        shared: int64 [N].

    Returns:
        float [S, L] and [S, N].
    """
    items = torch.cat([own, shared.expand(len(users), -1)], dim=1)
    rows = {model.USER_ID: users.repeat_interleave(items.shape[1]), model.ITEM_ID: items.flatten()}
    before = dict(vars(model))
    scores: Tensor = model.predict(Interaction(rows)).reshape(items.shape)
    vars(model).clear()
    vars(model).update(before)
    return scores[:, : own.shape[1]], scores[:, own.shape[1] :]


class ForwardTables:
    """For models whose `forward()` takes no argument and returns user and item tables first (DGCF): a single layer."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def __call__(self) -> LayerTables:
        """One forward pass."""
        output = type(self.model).forward(self.model)
        users, items = output[0], output[1]
        return concatenated(users, items, (items.shape[1],), output)


def scoring(model: Any, sample: Interaction | None = None) -> ScoreSource:
    """The layers of the model where they can be had, else its tables, else `predict`.

    Args:
        model: a pairwise recommender.
        sample: a few rows to compare two ways of scoring; unset: fixed pairs of ids.

    Raises:
        UserError: the layers do not add up to the model's own scores (a model of that name that computes another way).
    """
    sample = sample_pairs(model) if sample is None else sample
    name = type(model).__name__
    if name in LAYER_SOURCES:
        source = TableScores(model, LAYER_SOURCES[name](model))
        if not equals_predict(model, source, sample):
            raise UserError(
                f"The layers of {name} do not add up to its own scores, so samplers cannot use them. Is this a changed "
                f"{name}? Give it a name of its own, or add an adapter for it to LAYER_SOURCES."
            )
        return source
    try:
        tables = TableScores(model, ForwardTables(model))
        if equals_predict(model, tables, sample):
            return tables
    except (TypeError, ValueError, IndexError, AttributeError, RuntimeError):
        pass  # forward() wants arguments or returns something else
    return PredictScores(model)


@torch.no_grad()
def equals_predict(model: Any, source: ScoreSource, sample: Interaction) -> bool:
    """Whether a source gives the scores of the model's own `predict` for a few rows, dropout off."""
    with evaluating(model):
        scores = source.predict(sample, sample[model.ITEM_ID].unsqueeze(1)).reshape(-1)
        own = model.predict(sample).reshape(-1)
        return torch.allclose(scores, own, rtol=1e-4, atol=1e-4 * own.abs().max().item())


def sample_pairs(model: Any, n: int = 64) -> Interaction:
    """A few fixed user-item pairs spread over the ids, to compare two ways of scoring."""
    users = torch.linspace(1, model.n_users - 1, n, device=model.device).long()
    items = torch.linspace(model.n_items - 1, 1, n, device=model.device).long()
    return Interaction({model.USER_ID: users, model.ITEM_ID: items})


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """The model in evaluation mode for a moment."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


@dataclass(frozen=True)
class ForwardCall:
    """A call of a model's `forward` that is remembered for the loss.

    Attributes:
        arguments: what it was given; the same objects, not equal ones, make the same call.
        output: what it returned, with gradient.
    """

    arguments: tuple[Any, ...]
    output: Any


@contextmanager
def remembered_forward(model: Any, layers: BatchLayers | None) -> Iterator[None]:
    """Let the model's next `forward` return this batch's result instead of computing it a second time.

    Only the first call with the remembered arguments is answered so: a model that runs the same sequences again, for
    another dropout (FEARec), computes them again.
    """
    if layers is None or layers.forward is None:
        yield
        return
    call = layers.forward if isinstance(layers.forward, ForwardCall) else ForwardCall((), layers.forward)
    pending = [call]

    def forward(*arguments: Any, **named: Any) -> Any:
        if pending and not named and _are(arguments, call.arguments):
            return pending.pop().output
        return type(model).forward(model, *arguments, **named)

    model.forward = forward
    try:
        yield
    finally:
        del model.forward


def _are(left: tuple[Any, ...], right: tuple[Any, ...]) -> bool:
    return len(left) == len(right) and all(mine is theirs for mine, theirs in zip(left, right, strict=True))
