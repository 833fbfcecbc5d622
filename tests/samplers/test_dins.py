"""DINS: dimension-independent mixing."""

import math

import pytest
import small
import torch
from small import batch, context, small_layers

from recbole_dtlns.samplers.batch import Batch, Choice
from recbole_dtlns.samplers.methods.dins import DINS
from recbole_dtlns.samplers.methods.mixgcf import MixGCF
from recbole_dtlns.samplers.parts.layers import BatchLayers


def chosen(seen: Batch, **options: float) -> Choice:
    sampler = DINS()
    sampler.setup(context(**options))
    return small.chosen(sampler, seen)


def test_by_hand() -> None:
    """User (1, 2), positive (3, -1), hardest candidate (2, 1): w_d = e^{u n} / (e^{u n} + 2 e^{u p})."""
    items = torch.tensor([[0.0, 0], [3, -1], [0, 0], [2, 1]])
    user = torch.tensor([[1.0, 2]])
    layers = BatchLayers(user, items, (2,), lambda: user)
    seen = batch(layers=layers, candidates=torch.tensor([[2, 3]]), positives=torch.tensor([1]))
    choice = chosen(seen, dins_alpha=2)
    weights = [math.exp(un) / (math.exp(un) + 2 * math.exp(up)) for un, up in ((2, 3), (2, -2))]
    expected = [(1 - w) * p + w * n for w, p, n in zip(weights, (3, -1), (2, 1), strict=True)]
    assert choice.ids.tolist() == [[[3]]]
    assert choice.negatives is not None
    assert choice.negatives[0, 0].tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("mean_pooled", [True, False])
def test_without_alpha_it_is_dns_in_each_layer(mean_pooled: bool) -> None:
    seen = batch(layers=small_layers(20, mean_pooled=mean_pooled), rows=20)
    hops = MixGCF()
    hops.setup(context())
    choice = chosen(seen, dins_alpha=0)
    assert torch.equal(choice.ids[:, 0], seen.candidates.gather(1, hops.pick(hops.score(seen))[:, 0]))
    assert choice.negatives is not None
    assert torch.allclose(choice.negatives, seen.the_layers.composite(choice.ids), atol=1e-6)


def test_a_large_alpha_leaves_the_positive() -> None:
    seen = batch()
    negatives = chosen(seen, dins_alpha=1e30).negatives
    assert negatives is not None
    assert torch.allclose(negatives[:, 0], seen.the_layers.rows(seen.positives), atol=1e-5)


def test_the_user_is_the_pooled_one_and_gradients_flow_through_the_weights() -> None:
    seen = batch(rows=6, layers=small_layers(6))
    layers = seen.the_layers
    choice = chosen(seen)
    users = layers.users().unflatten(1, (2, 4)).mean(1).repeat(1, 2).unsqueeze(1)
    hard, positive = layers.composite(choice.ids), layers.rows(seen.positives).unsqueeze(1)
    weight = (users * hard).exp() / ((users * hard).exp() + (users * positive).exp())
    plain = (1 - weight) * positive + weight * hard
    assert choice.negatives is not None
    assert torch.allclose(choice.negatives, plain, atol=1e-5)
    (gradient,) = torch.autograd.grad(choice.negatives.square().sum(), layers.items, retain_graph=True)
    (expected,) = torch.autograd.grad(plain.square().sum(), layers.items)
    assert torch.allclose(gradient, expected, atol=1e-4)
