"""One training step: propagate once, draw and pick negatives, then let the model compute its own loss."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from recbole.data.interaction import Interaction
from torch import Tensor

from recbole_dtlns.data.augmented import WEIGHT_FIELD
from recbole_dtlns.errors import UserError
from recbole_dtlns.models.layers import LAYER_SOURCES, LayerSource, LayerTables
from recbole_dtlns.models.loss import WeightedBPRLoss
from recbole_dtlns.models.scores import PredictScores, TableScores, sample_pairs, score_source
from recbole_dtlns.samplers.base import Choice, Sampler, View

LossFunction = Callable[[Interaction], Any]
Source = LayerSource | TableScores | PredictScores


class WeightedStep:
    """RecBole's own loader drew the negatives; only the weights of the rows are handed to the loss."""

    sampling_seconds = 0.0

    def __init__(self, loss: WeightedBPRLoss) -> None:
        self.loss = loss

    def __call__(self, calculate_loss: LossFunction, interaction: Interaction) -> Any:
        """Loss of one batch."""
        self.loss.weight = interaction[WEIGHT_FIELD]
        try:
            return calculate_loss(interaction)
        finally:
            self.loss.weight = None

    def epoch_begin(self, epoch: int) -> None:
        """Nothing to do."""

    def epoch_end(self, epoch: int) -> None:
        """Nothing to do."""

    def state_dict(self) -> dict[str, Any]:
        """No state."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """No state."""


class SampledStep:
    """Stands in for `calculate_loss` in RecBole's training loop.

    Args:
        model: a pairwise recommender.
        source: where the scores of candidates come from, see `scoring`.
        sampler: already set up.
        generator: the sampler's own.
        loss: the model's replaced BPRLoss, or None where it has none.
        n_candidates, n_negatives: candidates of each negative, negatives of each positive.
    """

    def __init__(
        self,
        model: Any,
        source: Source,
        sampler: Sampler,
        generator: torch.Generator,
        loss: WeightedBPRLoss | None,
        n_candidates: int,
        n_negatives: int,
    ) -> None:
        self.model, self.source, self.sampler, self.generator, self.loss = model, source, sampler, generator, loss
        self.n_candidates, self.n_negatives = n_candidates, n_negatives
        self.epoch = 0
        self.sampling_seconds = 0.0

    def __call__(self, calculate_loss: LossFunction, interaction: Interaction) -> Any:
        """Loss of one batch: `n_negatives` blocks of its rows, each row with one negative."""
        if self.n_negatives > 1:
            interaction = interaction.repeat(self.n_negatives)
        tables = None if isinstance(self.source, PredictScores) else self.source()
        choice = self._choose(interaction, tables)
        interaction.update(Interaction({self.model.NEG_ITEM_ID: choice.item_ids}))
        with remembered_forward(self.model, tables), self._loss_inputs(interaction, tables, choice):
            return calculate_loss(interaction)

    def epoch_begin(self, epoch: int) -> None:
        """Note the number of the epoch, for the view."""
        self.epoch = epoch

    def epoch_end(self, epoch: int) -> None:
        """Tell the sampler."""
        self.sampler.epoch_end(epoch)

    def state_dict(self) -> dict[str, Any]:
        """State of the sampler and of its generator, for the checkpoint."""
        state = {"sampler": self.sampler.state_dict(), "generator": self.generator.get_state()}
        return {**state, "sampling_seconds": self.sampling_seconds}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`."""
        self.sampler.load_state_dict(state["sampler"])
        self.sampling_seconds = state["sampling_seconds"]
        self.generator.set_state(state["generator"].cpu())

    @torch.no_grad()
    def _choose(self, interaction: Interaction, tables: LayerTables | None) -> Choice:
        started = time.perf_counter()
        users, positives = interaction[self.model.USER_ID], interaction[self.model.ITEM_ID]
        candidates = self.sampler.propose(users, self.n_candidates)
        scores = self._layer_scores(interaction, tables, users, candidates)
        view = View(users, positives, candidates, scores, self.epoch, self.generator)
        choice = self.sampler.choose(view, self.sampler.pick(self.sampler.score(view)))
        self.sampling_seconds += time.perf_counter() - started
        return choice

    def _layer_scores(
        self, interaction: Interaction, tables: LayerTables | None, users: Tensor, candidates: Tensor
    ) -> Tensor:
        if self.n_candidates == 1:  # nothing to compare
            return torch.zeros(*candidates.shape, self.source.n_layers, device=candidates.device)
        if tables is not None:
            return tables.detach().layer_scores(users, candidates)
        return self.source.candidate_scores(interaction, candidates).unsqueeze(-1)  # type: ignore[union-attr]

    @contextmanager
    def _loss_inputs(self, interaction: Interaction, tables: LayerTables | None, choice: Choice) -> Iterator[None]:
        if self.loss is None:
            yield
            return
        if WEIGHT_FIELD in interaction.columns:
            self.loss.weight = interaction[WEIGHT_FIELD]
        if choice.ids.dim() == 2 and tables is not None:
            users, positives = interaction[self.model.USER_ID], interaction[self.model.ITEM_ID]
            self.loss.negative_scores = tables.mixed_scores(users, positives, choice.ids, choice.positive_share)
        try:
            yield
        finally:
            self.loss.weight = self.loss.negative_scores = None


def scoring(model: Any) -> Source:
    """Where the scores of candidates come from: the layers of the model where they can be had, else the id path.

    Raises:
        UserError: the layers do not add up to the model's own scores (a model of that name that computes another way).
    """
    name = type(model).__name__
    if name not in LAYER_SOURCES:
        return score_source(model)
    source = LAYER_SOURCES[name](model)
    if not layers_equal_predict(model, source):
        raise UserError(
            f"The layers of {name} do not add up to its own scores, so samplers cannot use them. Is this a changed "
            f"{name}? Give it a name of its own, or add an adapter for it to LAYER_SOURCES."
        )
    return source


@torch.no_grad()
def layers_equal_predict(model: Any, source: LayerSource) -> bool:
    """Whether the layers give the scores of `predict` on a few pairs, dropout off."""
    training = model.training
    model.eval()
    try:
        pairs = sample_pairs(model)
        candidates = pairs[model.ITEM_ID].unsqueeze(1)
        scores = source().layer_scores(pairs[model.USER_ID], candidates).sum(-1).reshape(-1)
        return torch.allclose(scores, model.predict(pairs), rtol=1e-4, atol=1e-5)
    finally:
        model.train(training)


@contextmanager
def remembered_forward(model: Any, tables: LayerTables | None) -> Iterator[None]:
    """Let `model.forward` return this batch's tables instead of propagating a second time."""
    if tables is None or tables.forward is None:
        yield
        return
    model.forward = lambda *arguments: tables.forward
    try:
        yield
    finally:
        del model.forward
