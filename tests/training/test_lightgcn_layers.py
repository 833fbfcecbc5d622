"""Whatever samplers and losses read of LightGCN's layers, against plain autograd on its own adjacency."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from test_layers import POSITIVES, USERS, fresh, gradients, plain_layers

from recbole_dtlns.samplers.parts.layers import BatchLayers
from recbole_dtlns.training.layers import LAYER_SOURCES

READINGS: dict[str, Callable[[BatchLayers], torch.Tensor]] = {
    "queries": lambda layers: layers.queries,
    "users": lambda layers: layers.users(),
    "items": lambda layers: layers.items,
    "rows": lambda layers: layers.rows(POSITIVES),
    "rows of candidates": lambda layers: layers.rows(POSITIVES.reshape(2, 4)),
    "composite": lambda layers: layers.composite(torch.stack([POSITIVES, POSITIVES.flip(0), POSITIVES], 1)),
    "layer_scores": lambda layers: layers.layer_scores(POSITIVES.reshape(8, 1)),
    "joint_scores": lambda layers: torch.cat(layers.joint_scores(USERS[:3] % 8, POSITIVES[:6].reshape(3, 2), USERS), 1),
    "item_scores": lambda layers: layers.item_scores(POSITIVES.reshape(8, 1).expand(8, 3)),
    "blocks": lambda layers: layers.repeat(2).users() * layers.repeat(2).queries,
}


def assert_same_readings(
    model: Any, name: str, layers_of: Iterable[Callable[[], BatchLayers]], rtol: float, atol: float
) -> None:
    """Two ways to the layers of a model have the same values, and gradients within a tolerance."""
    found = []
    for layers in (make() for make in layers_of):
        with torch.no_grad():
            READINGS[name](layers)  # as a sampler does that scores before it chooses
        values = READINGS[name](layers)
        weights = torch.linspace(-1, 2, values.numel()).reshape(values.shape)
        found.append((values.detach(), gradients(model, (weights * values).sum())))
    (ours, our_gradients), (plain, plain_gradients) = found
    torch.testing.assert_close(ours, plain)
    assert our_gradients.keys() == plain_gradients.keys()
    for parameter, value in plain_gradients.items():
        torch.testing.assert_close(our_gradients[parameter], value, rtol=rtol, atol=atol)


@pytest.mark.parametrize("name", READINGS)
def test_whatever_is_read_of_lightgcn_has_the_values_and_gradients_of_plain_layers(name: str) -> None:
    model = fresh("LightGCN").eval()
    ways = (lambda: LAYER_SOURCES["LightGCN"](model)().batch(USERS), lambda: plain_layers(model, USERS))
    assert_same_readings(model, name, ways, rtol=1e-4, atol=1e-6)
