"""The id path: scores of candidates from any RecBole recommender, layers unknown."""

from __future__ import annotations

from typing import Any

import torch
from recbole.data.interaction import Interaction
from torch import Tensor, nn

from recbole_dtlns.models.layers import LayerTables


class TableScores:
    """For models whose `forward()` takes no argument and returns user and item tables first (DGCF, SpectralCF, NCL).

    One pass serves the sampler and, remembered for the batch, the loss.
    """

    n_layers = 1

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def __call__(self) -> LayerTables:
        """One forward pass; the tables count as a single layer."""
        output = type(self.model).forward(self.model)
        users, items = output[0], output[1]
        return LayerTables(lambda rows: users[rows], items, (items.shape[1],), output)


class PredictScores:
    """For every other model: `predict` on the batch's rows with each candidate in the item's place.

    Costs one call of R x N rows a batch, in training mode and without gradient. Models that keep tables for evaluation
    (SGL) drop them in `calculate_loss`, so nothing stale is read.
    """

    n_layers = 1

    def __init__(self, model: Any) -> None:
        self.model = model

    @torch.no_grad()
    def candidate_scores(self, interaction: Interaction, candidates: Tensor) -> Tensor:
        """Scores of candidates int64 [R, N] for the rows of a batch: [R, N]."""
        rows, n = candidates.shape
        repeated = interaction.repeat_interleave(n)
        repeated.update(Interaction({self.model.ITEM_ID: candidates.reshape(-1)}))
        return self.model.predict(repeated).reshape(rows, n)


def score_source(model: Any) -> TableScores | PredictScores:
    """The cheaper of the two that gives the model's own `predict` scores for a few pairs."""
    if _tables_equal_predict(model):
        return TableScores(model)
    return PredictScores(model)


@torch.no_grad()
def _tables_equal_predict(model: Any) -> bool:
    training = model.training
    model.eval()
    try:
        tables = TableScores(model)()
        pairs = sample_pairs(model)
        scores = tables.layer_scores(pairs[model.USER_ID], pairs[model.ITEM_ID].unsqueeze(1)).reshape(-1)
        return torch.allclose(scores, model.predict(pairs), rtol=1e-4, atol=1e-5)
    except (TypeError, ValueError, IndexError, AttributeError, RuntimeError):
        return False  # forward() wants arguments or returns something else
    finally:
        model.train(training)


def sample_pairs(model: Any, n: int = 64) -> Interaction:
    """A few fixed user-item pairs spread over the ids, to compare two ways of scoring."""
    users = torch.linspace(1, model.n_users - 1, n, device=model.device).long()
    items = torch.linspace(model.n_items - 1, 1, n, device=model.device).long()
    return Interaction({model.USER_ID: users, model.ITEM_ID: items})
