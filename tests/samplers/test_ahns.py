"""AHNS: a target for the hardness of each positive."""

import pytest
import torch
from small import batch, context
from torch import Tensor

from recbole_dtlns.samplers.batch import Batch
from recbole_dtlns.samplers.methods.ahns import AHNS
from recbole_dtlns.samplers.methods.dns import DNS

CANDIDATES = torch.tensor([[2, 3, 4]])


def of_positive(score: float, candidates: list[float]) -> Batch:
    """A view whose positive, item 1, has this score."""
    table = torch.tensor([candidates])

    def predict(ids: Tensor) -> Tensor:
        return table if ids.shape == table.shape else torch.full(ids.shape, score)

    users = torch.tensor([1])
    return Batch(users, torch.tensor([1]), CANDIDATES, 0, torch.Generator(), predict=predict)


def picked(seen: Batch, **options: float) -> list[int]:
    sampler = AHNS()
    sampler.setup(context(**options))
    return sampler.pick(sampler.score(seen)).tolist()[0]


def test_the_nearest_to_the_target_by_hand() -> None:
    # t = 1 / (1 + 1) = .5 for a positive of score 1, 1 / (3 + 1) = .25 for one of score 3
    assert picked(of_positive(1.0, [0.2, 0.45, 0.9]), ahns_beta=1) == [1]
    assert picked(of_positive(3.0, [0.2, 0.45, 0.9]), ahns_beta=1) == [0]


def test_what_is_added_to_the_positives_score_counts() -> None:
    # t = 1 / (1 + 4) = .2
    assert picked(of_positive(1.0, [0.2, 0.45, 0.9]), ahns_beta=1, ahns_alpha=4) == [0]


def test_the_exponent_counts() -> None:
    # p = -3: t = 1 / (1 + 1)^2 = .25
    assert picked(of_positive(1.0, [0.2, 0.45, 0.9]), ahns_beta=1, ahns_p=-3) == [0]


@pytest.mark.parametrize("score", [-1.0, -1.5, -100.0])
def test_at_and_below_the_pole_the_target_is_large_and_positive(score: float) -> None:
    assert picked(of_positive(score, [0.2, 5.0, 0.9]), ahns_beta=1) == [1]  # beta / 1e-3 = 1000


def test_a_target_without_bound_is_dns() -> None:
    seen, hardest = batch(rows=60), DNS()
    hardest.setup(context())
    sampler = AHNS()
    sampler.setup(context(ahns_beta=1e9))
    assert torch.equal(sampler.pick(sampler.score(seen)), hardest.pick(hardest.score(seen)))


def test_a_target_beyond_a_row_is_moved_to_that_row_and_keeps_the_digits_of_its_scores() -> None:
    table = torch.tensor([[1.0, 2.0], [1e9, 2e9]])

    def predict(ids: Tensor) -> Tensor:
        return table if ids.shape == table.shape else torch.zeros(ids.shape)

    ids = torch.tensor([[2, 3], [2, 3]])
    seen = Batch(torch.tensor([1, 1]), torch.tensor([1, 1]), ids, 0, torch.Generator(), predict=predict)
    sampler = AHNS()
    sampler.setup(context(ahns_beta=1e9))  # the target of both: 1e9
    assert sampler.score(seen).tolist() == [[-1.0, 0.0], [0.0, -1e9]]
