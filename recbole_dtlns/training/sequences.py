"""Scores of sequential models: the output of the sequence times the item table, computed once a batch."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from recbole.data.interaction import Interaction
from torch import Tensor

from recbole_dtlns.samplers.parts.layers import BatchLayers
from recbole_dtlns.training.scores import ForwardCall, PredictScores, equals_predict, evaluating

RowsOf = Callable[[Tensor], Interaction]
_ROWS = 1 << 12  # sequences that are run through a model at once outside of a training step


class SequenceScores:
    """For models that score by the product of a sequence's output with the item's embedding (SASRec, GRU4Rec).

    `forward` runs once a batch; the loss is given the same output.

    Args:
        model: a sequential model.
        rows_of: the row, with its prefix, that stands for a user: int64 [n] -> Interaction.
        n_users: users, padding included.

    Raises:
        ValueError: the arguments of `forward` are not columns of a batch.
        AttributeError: no `item_embedding`.
    """

    def __init__(self, model: Any, rows_of: RowsOf, n_users: int) -> None:
        self.model, self.rows_of, self.n_users = model, rows_of, n_users
        self._columns = _forward_columns(model)
        self.sizes: tuple[int, ...] | None = (model.item_embedding.weight.shape[1],)

    def batch(self, interaction: Interaction) -> BatchLayers:
        """One forward pass: queries are the outputs of the sequences, float [R, C]."""
        arguments = tuple(interaction[column] for column in self._columns)
        output = type(self.model).forward(self.model, *arguments)
        items = self.model.item_embedding.weight
        if output.dim() != 2 or output.shape[1] != items.shape[1]:
            raise ValueError(f"forward() gives a tensor of shape {tuple(output.shape)}, not one embedding a row")
        return BatchLayers(output, items, (items.shape[1],), lambda: output, ForwardCall(arguments, output))

    @torch.no_grad()
    def predict(self, interaction: Interaction, candidates: Tensor) -> Tensor:
        """Products of the outputs with the candidates' embeddings, [R, N]."""
        return self.batch(interaction).layer_scores(candidates).sum(-1)

    @torch.no_grad()
    def everyone(self) -> BatchLayers:
        """Each user's row is the one with the longest training prefix."""
        with evaluating(self.model):
            users = torch.arange(self.n_users).split(_ROWS)
            outputs = torch.cat([self.batch(self.rows_of(some)).queries for some in users])
        items = self.model.item_embedding.weight.detach()
        return BatchLayers(outputs, items, (items.shape[1],), lambda: outputs)


class SequencePredictScores(PredictScores):
    """For every other sequential model: `predict` on the batch's own rows with each candidate as the target."""

    at_once = _ROWS

    def rows(self, interaction: Interaction) -> Interaction:
        """The rows of the batch, prefixes included."""
        return interaction


def sequence_scoring(
    model: Any, sample: Interaction, rows_of: RowsOf, n_users: int
) -> SequenceScores | SequencePredictScores:
    """The output of the sequence times the item table where that is how the model scores, else `predict`.

    Args:
        model: a sequential model.
        sample: some rows of the training part, to compare the two.
        rows_of: the row that stands for a user, int64 [n] -> Interaction.
        n_users: users, padding included.
    """
    try:
        source = SequenceScores(model, rows_of, n_users)
        if equals_predict(model, source, sample):
            return source
    except (TypeError, ValueError, IndexError, AttributeError, RuntimeError):
        pass  # forward() wants other arguments, or returns something else
    return SequencePredictScores(model)


def _forward_columns(model: Any) -> list[str]:
    """The column of a batch for each argument of `forward`; RecBole's models use these names for them."""
    columns = {
        **dict.fromkeys(("item_seq", "seq_item"), model.ITEM_SEQ),
        **dict.fromkeys(("item_seq_len", "seq_item_len"), model.ITEM_SEQ_LEN),
        "user": model.USER_ID,
    }
    names = list(inspect.signature(type(model).forward).parameters)[1:]
    unknown = [name for name in names if name not in columns]
    if unknown or not names:
        raise ValueError(f"forward() takes {', '.join(names)}")
    return [columns[name] for name in names]
