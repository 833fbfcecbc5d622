"""What a sampler sees of a batch, and what its choice says of itself."""

from typing import Any

import pytest
import torch
from small import batch, small_layers

from recbole_dtlns.samplers.batch import Batch, Choice


@pytest.mark.parametrize("sizes", [(4, 4), (2, 5, 1)])
def test_scores_are_the_products_of_all_layers_added_up(sizes: tuple[int, ...]) -> None:
    layers = small_layers(3, sizes, mean_pooled=False)
    seen = batch(rows=3, layers=layers)
    pairs = zip(layers.queries.split(sizes, 1), layers.items.split(sizes, 1), strict=True)
    by_layer = torch.stack([users @ items.T for users, items in pairs], 2)  # [R, I, H]
    rows = torch.arange(3)
    assert torch.allclose(seen.layer_scores, by_layer[rows.unsqueeze(1), seen.candidates], atol=1e-6)
    assert torch.allclose(seen.scores, by_layer.sum(2).gather(1, seen.candidates), atol=1e-6)
    assert torch.allclose(seen.positive_scores, by_layer.sum(2)[rows, seen.positives], atol=1e-6)
    assert not seen.scores.requires_grad


def test_a_batch_without_a_model_and_a_sampler_without_its_layers_say_what_they_need() -> None:
    one = torch.tensor([1])
    bare = Batch(one, one, one.unsqueeze(1), 0, torch.Generator())
    with pytest.raises(ValueError, match="a batch needs layers or predict"):
        bare.scores  # noqa: B018
    with pytest.raises(ValueError, match="this sampler needs the layers of the model"):
        bare.the_layers  # noqa: B018


@pytest.mark.parametrize(
    "extra",
    [{"negatives": torch.zeros(2, 1, 8)}, {"positives": torch.zeros(2, 8)}, {"weights": torch.ones(2, 1)}],
    ids=lambda extra: next(iter(extra)),
)
def test_only_one_id_and_nothing_else_is_plain(extra: dict[str, Any]) -> None:
    ids = torch.tensor([[3], [4]])
    assert Choice(ids).is_plain
    assert not Choice(ids.repeat(1, 2)).is_plain
    assert not Choice(ids.unsqueeze(2)).is_plain
    assert not Choice(ids, **extra).is_plain
