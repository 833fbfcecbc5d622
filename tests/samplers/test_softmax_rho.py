"""Softmax(rho, N): weights of all candidates."""

import math

import numpy as np
import pytest
import torch
from small import batch, context

from recbole_dtlns.samplers.base import BaseSampler
from recbole_dtlns.samplers.batch import Batch, Choice
from recbole_dtlns.samplers.methods.softmax_rho import SoftmaxRho
from recbole_dtlns.samplers.parts.tree_view import TreeView


def chosen(seen: Batch, sampler: BaseSampler | TreeView | None = None, **options: object) -> Choice:
    sampler = sampler or SoftmaxRho()
    sampler.setup(context(**options))
    scores = sampler.score(seen)
    return sampler.choose(seen, sampler.pick(scores), scores)


def small_view() -> Batch:
    """Positive 1 has score 0; candidates 2, 3, 6 have scores -1, 0.5, 2."""
    return batch(
        scores=torch.tensor([[-1.0, 0.5, 2.0]]), candidates=torch.tensor([[2, 3, 6]]), positives=torch.tensor([1])
    )


def test_weights_by_hand() -> None:
    losses = [math.log(1 + math.exp(score)) for score in (-1.0, 0.5, 2.0)]
    tau = math.sqrt(np.var(losses) / (2 * 0.7))
    raw = [math.exp(loss / tau) for loss in losses]
    choice = chosen(small_view(), softmax_rho=0.7)
    assert choice.ids.tolist() == [[2, 3, 6]]
    assert choice.weights is not None
    assert choice.weights[0].tolist() == pytest.approx([weight / sum(raw) for weight in raw], abs=1e-5)


def test_each_row_has_the_losses_of_its_own_positive_and_a_temperature_of_its_own() -> None:
    table, positives = torch.tensor([[-1.0, 0.5, 2.0], [40.0, 10.0, 20.0]]), [1.5, 15.0]

    def predict(ids: torch.Tensor) -> torch.Tensor:
        return table if ids.shape == table.shape else torch.tensor(positives).unsqueeze(1)

    ids = torch.tensor([[2, 3, 6]] * 2)
    seen = Batch(torch.tensor([1, 1]), torch.tensor([1, 1]), ids, 0, torch.Generator(), predict=predict)
    sampler = SoftmaxRho()
    sampler.setup(context(softmax_rho=0.7))
    for scores, row, positive in zip(sampler.score(seen).tolist(), table.tolist(), positives, strict=True):
        losses = [math.log(1 + math.exp(score - positive)) for score in row]
        tau = math.sqrt(np.var(losses) / (2 * 0.7))
        assert scores == pytest.approx([loss / tau for loss in losses], rel=1e-4)


def test_a_larger_radius_means_harder_negatives_and_none_the_mean() -> None:
    soft, hard = chosen(small_view(), softmax_rho=1e-6).weights, chosen(small_view(), softmax_rho=100).weights
    assert soft is not None
    assert hard is not None
    assert soft[0].tolist() == pytest.approx([1 / 3] * 3, abs=2e-3)
    assert hard[0, 2] > 0.99


def test_equal_candidates_weigh_alike() -> None:
    seen = batch(scores=torch.ones(2, 4), candidates=torch.tensor([[2, 3, 4, 5]] * 2))
    weights = chosen(seen).weights
    assert weights is not None
    assert torch.allclose(weights, torch.full((2, 4), 0.25))


def test_the_tree_view_multiplies_weights_by_the_exponent_of_the_similarity() -> None:
    plain, viewed = chosen(small_view()).weights, chosen(small_view(), TreeView(SoftmaxRho())).weights
    assert plain is not None
    assert viewed is not None
    bonus = torch.tensor([0.1 * 1, 0.1 * 0.5 + 0.3 * 0.5, 0.0]).exp()  # see test_tree_view_by_hand
    assert torch.allclose(viewed[0], plain[0] * bonus / (plain[0] * bonus).sum(), atol=1e-6)
