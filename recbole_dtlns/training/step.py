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
from recbole_dtlns.samplers.base import Sampler
from recbole_dtlns.samplers.batch import Batch, Choice, EpochView
from recbole_dtlns.samplers.parts.layers import BatchLayers
from recbole_dtlns.training.hardness.meter import HardnessMeter
from recbole_dtlns.training.list_loss import ListLoss
from recbole_dtlns.training.loss import WeightedBPRLoss
from recbole_dtlns.training.scores import ScoreSource, joint_predictions, remembered_forward

LossFunction = Callable[[Interaction], Any]


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
            self.loss.clear()

    def epoch_begin(self, epoch: int) -> None:
        """Nothing to do."""

    def epoch_end(self, epoch: int) -> None:
        """Nothing to do."""

    def parameters(self) -> list[torch.nn.Parameter]:
        """Nothing to train."""
        return []

    def state_dict(self) -> dict[str, Any]:
        """No state."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """No state."""


class SampledStep:
    """Stands in for `calculate_loss` in RecBole's training loop.

    Args:
        model: a pairwise recommender.
        source: where the scores of candidates come from.
        sampler: already set up.
        generator: the sampler's own.
        loss: the model's replaced BPRLoss, or None where it has none.
        n_candidates, n_negatives: candidates of each negative, negatives of each positive.
        hardness: told of every batch, for the log; None: nobody is.
        lists: the judged lists, a further part of the loss; None without.
    """

    def __init__(
        self,
        model: Any,
        source: ScoreSource,
        sampler: Sampler,
        generator: torch.Generator,
        loss: WeightedBPRLoss | None,
        n_candidates: int,
        n_negatives: int,
        hardness: HardnessMeter | None = None,
        lists: ListLoss | None = None,
    ) -> None:
        self.model, self.source, self.sampler, self.generator, self.loss = model, source, sampler, generator, loss
        self.n_candidates, self.n_negatives, self.hardness = n_candidates, n_negatives, hardness
        self.lists = lists
        self.epoch = 0
        self.sampling_seconds = 0.0

    def __call__(self, calculate_loss: LossFunction, interaction: Interaction) -> Any:
        """Loss of one batch; the sampler chooses `n_negatives` times for each of its rows."""
        interaction, layers = self._rows(interaction)
        batch, picked, choice = self.choose(interaction, layers)
        interaction.update(Interaction({self.model.NEG_ITEM_ID: choice.item_ids[: len(interaction)]}))
        with remembered_forward(self.model, layers), self._loss_inputs(interaction, batch, choice):
            loss = with_aux(calculate_loss(interaction), self._aux(interaction, choice))
        loss = with_aux(loss, self._list_loss(interaction, layers))
        if self.hardness is not None:
            self.hardness.add(batch, picked, choice, None if self.loss is None else self.loss.margin)
        return loss

    def replay(self, interaction: Interaction) -> tuple[Batch, Choice]:
        """The negatives that a batch would get now; nothing is learnt, but the sampler's state and generator move."""
        batch, _, choice = self.choose(*self._rows(interaction))
        return batch, choice

    @property
    def _one_row_a_positive(self) -> bool:
        """Whether the loss takes all negatives of a positive at once, so that nothing else in it is repeated."""
        return self.source.sizes is not None and self.loss is not None

    def _rows(self, interaction: Interaction) -> tuple[Interaction, BatchLayers | None]:
        if self.n_negatives > 1 and not self._one_row_a_positive:
            interaction = interaction.repeat(self.n_negatives)
        return interaction, self.source.batch(interaction)

    def choose(self, interaction: Interaction, layers: BatchLayers | None) -> tuple[Batch, Tensor, Choice]:
        """Propose, score, pick and choose for the rows of a batch; only what `choose` returns may have gradients.

        Returns:
            The batch, the picked positions and the choice: a plain one, drawn by weight, where the loss takes one id.
            Where the loss takes all negatives of a positive at once they hold `n_negatives` blocks of the rows.
        """
        started = time.perf_counter()
        users, positives = interaction[self.model.USER_ID], interaction[self.model.ITEM_ID]
        if self.n_negatives > 1 and self._one_row_a_positive and layers is not None:
            users, positives = users.repeat(self.n_negatives), positives.repeat(self.n_negatives)
            layers = layers.repeat(self.n_negatives)
        with torch.no_grad():
            batch = Batch(
                *(users, positives, self.sampler.propose(users, self.n_candidates), self.epoch, self.generator),
                layers=layers,
                predict=lambda candidates: self.source.predict(interaction, candidates),
            )
            scores = self.sampler.score(batch)
            picked = self.sampler.pick(scores)
        choice = self.sampler.choose(batch, picked, scores)
        if not choice.is_plain and (layers is None or self.loss is None):
            picked, choice = drawn_by_weight(picked, choice, self.generator)
        self.sampling_seconds += time.perf_counter() - started
        return batch, picked, choice

    def epoch_begin(self, epoch: int) -> None:
        """Note the number of the epoch, for the batch."""
        self.epoch = epoch
        if self.hardness is not None:
            self.hardness.begin()
        if self.lists is not None:
            self.lists.begin()

    @torch.no_grad()
    def epoch_end(self, epoch: int) -> None:
        """Show the sampler the model as it is now; nothing is computed unless it asks."""
        self.sampler.epoch_end(EpochView(epoch, self.source, self.generator))

    def parameters(self) -> list[torch.nn.Parameter]:
        """Trainable parts of the sampler, for the optimiser."""
        modules = self.sampler.modules()
        return [] if modules is None else list(modules.parameters())

    def state_dict(self) -> dict[str, Any]:
        """State of the sampler, its trainable parts, its generator and that of the lists, for the checkpoint."""
        modules = self.sampler.modules()
        return {
            "sampler": self.sampler.state_dict(),
            "modules": None if modules is None else modules.state_dict(),
            "generator": self.generator.get_state(),
            "lists": None if self.lists is None else self.lists.generator.get_state(),
            "sampling_seconds": self.sampling_seconds,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`."""
        self.sampler.load_state_dict(state["sampler"])
        modules = self.sampler.modules()
        if modules is not None:
            modules.load_state_dict(state["modules"])
        self.sampling_seconds = state["sampling_seconds"]
        self.generator.set_state(state["generator"].cpu())
        if self.lists is not None:
            self.lists.generator.set_state(state["lists"].cpu())

    def _aux(self, interaction: Interaction, choice: Choice) -> Tensor | None:
        """The sampler's own loss, a scalar: rows weigh as in the model's."""
        if choice.aux_loss is None:
            return None
        rows = choice.aux_loss.reshape(-1, len(interaction)).mean(0)
        if WEIGHT_FIELD not in interaction.columns or self.loss is None:  # without: rows are drawn by weight
            return rows.mean()
        weight = interaction[WEIGHT_FIELD]
        return (weight * rows).sum() / weight.sum().clamp_min(torch.finfo(rows.dtype).tiny)

    def _list_loss(self, interaction: Interaction, layers: BatchLayers | None) -> Tensor | None:
        """The part of the judged lists; the layers of the batch score them, or a second forward pass of the model.

        That pass comes after the model's own loss, which drops the tables that `predict` kept while candidates were
        scored without gradient.
        """
        if self.lists is None:
            return None
        users = interaction[self.model.USER_ID]
        if layers is not None:
            return self.lists(users, layers.joint_scores)
        return self.lists(users, lambda rows, *items: joint_predictions(self.model, users[rows], *items))

    @contextmanager
    def _loss_inputs(self, interaction: Interaction, batch: Batch, choice: Choice) -> Iterator[None]:
        loss, layers = self.loss, batch.layers
        if loss is None:
            yield
            return
        loss.margin = None  # of an earlier batch; not every batch of a model need call the loss
        if WEIGHT_FIELD in interaction.columns:
            loss.weight = interaction[WEIGHT_FIELD]
        if layers is not None and (self.n_negatives > 1 or not choice.is_plain):
            scores, n_rows = negative_scores(choice, layers), len(interaction)
            loss.negative_scores = side_by_side(scores, n_rows)
            if choice.weights is not None:
                loss.negative_weights = side_by_side(choice.weights, n_rows) / self.n_negatives
            if choice.positives is not None:
                own = layers.scores(choice.positives).unsqueeze(1).expand_as(scores)
                loss.positive_scores = side_by_side(own, n_rows)
        try:
            yield
        finally:
            loss.clear()


def side_by_side(values: Tensor, n_rows: int) -> Tensor:
    """Blocks of rows next to each other: [B n_rows, K] -> [n_rows, B K]."""
    return values.unflatten(0, (-1, n_rows)).transpose(0, 1).flatten(1)


def negative_scores(choice: Choice, layers: BatchLayers) -> Tensor:
    """The model's scores of the negatives of a choice with gradient, float [R, K]."""
    if choice.negatives is not None:
        return layers.scores(choice.negatives)
    return layers.item_scores(choice.ids) if choice.ids.dim() == 2 else layers.scores(layers.composite(choice.ids))


def drawn_by_weight(picked: Tensor, choice: Choice, generator: torch.Generator) -> tuple[Tensor, Choice]:
    """One of the K negatives of each row, in proportion to its weight: its position and itself, both int64 [R, 1].

    For models whose loss takes a single id: in expectation the gradient is that of the weighted loss, up to scale. The
    sampler's own part of the loss goes with it. Of an id for each layer, layer 0 is taken. Positions of
    another shape than the ids stay as they are.
    """
    ids, aligned = choice.ids, picked.shape == choice.ids.shape
    if ids.dim() == 3:
        ids, picked = ids[..., 0], picked[..., 0] if aligned else picked
    if ids.shape[1] > 1:
        weights = torch.ones(ids.shape, device=ids.device) if choice.weights is None else choice.weights
        drawn = torch.multinomial(weights, 1, generator=generator)
        ids, picked = ids.gather(1, drawn), picked.gather(1, drawn) if aligned else picked
    return picked, Choice(ids, aux_loss=choice.aux_loss)


def with_aux(loss: Any, aux: Tensor | None) -> Any:
    """A model's loss, a scalar or a tuple of parts, with a further part in the first."""
    if aux is None:
        return loss
    return (loss[0] + aux, *loss[1:]) if isinstance(loss, tuple) else loss + aux
