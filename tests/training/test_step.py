"""The training step with a sampler that does as it is told, on a model of a few lines."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from recbole.data.interaction import Interaction
from torch import Tensor, nn

from recbole_dtlns.samplers.base import BaseSampler
from recbole_dtlns.samplers.batch import Batch, Choice, EpochView
from recbole_dtlns.samplers.parts.layers import BatchLayers
from recbole_dtlns.training.loss import WeightedBPRLoss
from recbole_dtlns.training.step import SampledStep

USERS, POSITIVES, NEGATIVES = torch.tensor([1, 2]), torch.tensor([1, 2]), torch.tensor([[3, 4], [4, 3]])
PICKED = torch.tensor([[0, 1], [0, 1]])


class Told(BaseSampler):
    """Makes the choice it is given, and notes what it sees."""

    def __init__(self, choice: Choice, picked: Tensor = PICKED) -> None:
        self.choice, self.picked, self.seen, self.ended = choice, picked, [], []
        self.parts, self.restored = nn.Linear(2, 2), None

    def modules(self) -> nn.Module:
        return self.parts

    def propose(self, users: Tensor, n: int) -> Tensor:
        return NEGATIVES

    def score(self, view: Batch) -> Tensor:
        self.seen.append((view.epoch, torch.is_grad_enabled()))
        return view.scores

    def pick(self, scores: Tensor) -> Tensor:
        return self.picked

    def choose(self, view: Batch, picked: Tensor, scores: Tensor) -> Choice:
        return self.choice

    def epoch_end(self, view: EpochView) -> None:
        self.ended.append(view.epoch)

    def state_dict(self) -> dict[str, Any]:
        return {"choices": len(self.seen)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.restored = state


def layers() -> BatchLayers:
    generator = torch.Generator().manual_seed(0)
    queries, items = torch.randn(2, 4, generator=generator), torch.randn(5, 4, generator=generator)
    return BatchLayers(queries, items, (2, 2), lambda: queries)


def stepping(sampler: Told, loss: WeightedBPRLoss | None, with_layers: bool = True, seed: int = 0) -> SampledStep:
    model = SimpleNamespace(USER_ID="user_id", ITEM_ID="item_id", NEG_ITEM_ID="neg_item_id")
    built = layers()
    source: Any = SimpleNamespace(
        sizes=built.sizes if with_layers else None,
        batch=lambda rows: built if with_layers else None,
        predict=lambda rows, ids: built.layer_scores(ids).sum(-1),
    )
    return SampledStep(model, source, sampler, torch.Generator().manual_seed(seed), loss, 2, 1)


def batch() -> Interaction:
    return Interaction({"user_id": USERS, "item_id": POSITIVES})


def test_what_replaces_positive_and_negatives_reaches_the_loss_for_this_batch_alone() -> None:
    rows = layers().items
    choice = Choice(
        NEGATIVES,
        rows[NEGATIVES] * 2,
        rows[POSITIVES] * 3,
        torch.tensor([[0.2, 0.8], [1.0, 3.0]]),
        torch.tensor([4.0, 6.0]),
    )
    loss = WeightedBPRLoss()
    step = stepping(Told(choice), loss)
    value = step(lambda rows: loss(torch.zeros(2), torch.zeros(2)), batch())
    queries = layers().queries.unsqueeze(1)
    positive = (queries * rows[POSITIVES].unsqueeze(1) * 3).sum(-1)
    negative = (queries * rows[NEGATIVES] * 2).sum(-1)
    cost = (choice.weights * -torch.log(torch.sigmoid(positive - negative))).sum(1).mean()
    assert value.item() == pytest.approx(cost.item() + 5, abs=1e-5)
    assert loss.positive_scores is loss.negative_scores is loss.negative_weights is None


def test_the_samplers_own_loss_joins_the_first_part_of_several() -> None:
    step = stepping(Told(Choice(NEGATIVES[:, :1], aux_loss=torch.tensor([4.0, 6.0]))), WeightedBPRLoss())
    first, second = step(lambda rows: (torch.tensor(1.0), torch.tensor(2.0)), batch())
    assert (first.item(), second.item()) == (6, 2)


@pytest.mark.parametrize("loss", [None, WeightedBPRLoss()], ids=["no BPRLoss", "no layers"])
def test_where_the_loss_takes_one_id_it_is_drawn_by_weight(loss: WeightedBPRLoss | None) -> None:
    choice = Choice(NEGATIVES, weights=torch.tensor([[0.0, 1.0], [4.0, 0.0]]), aux_loss=torch.tensor([4.0, 6.0]))
    given: list[Interaction] = []

    def calculate(rows: Interaction) -> Tensor:
        given.append(rows)
        return torch.tensor(1.0)

    step = stepping(Told(choice), loss, with_layers=loss is None)
    assert step(calculate, batch()).item() == 6
    assert given[0]["neg_item_id"].tolist() == [4, 4]
    _, picked, single = step.choose(batch(), layers() if loss is None else None)
    assert picked.tolist() == [[1], [0]]
    assert single.ids.tolist() == [[4], [4]]


def test_scoring_is_without_gradient_and_knows_the_epoch() -> None:
    sampler = Told(Choice(NEGATIVES[:, :1]))
    step = stepping(sampler, None)
    for epoch in (0, 3):
        step.epoch_begin(epoch)
        step(lambda rows: torch.tensor(1.0), batch())
        step.epoch_end(epoch)
    assert sampler.seen == [(0, False), (3, False)]
    assert sampler.ended == [0, 3]


def test_a_margin_of_an_earlier_batch_is_not_counted_again() -> None:
    loss = WeightedBPRLoss()
    step = stepping(Told(Choice(NEGATIVES[:, :1])), loss)
    step(lambda rows: loss(torch.ones(2), torch.zeros(2)), batch())
    assert loss.margin == 1
    step(lambda rows: torch.tensor(1.0), batch())
    assert loss.margin is None


def test_state_and_parts_of_the_sampler_are_saved_and_restored() -> None:
    sampler, another = (Told(Choice(NEGATIVES[:, :1])) for _ in range(2))
    first, second = stepping(sampler, None), stepping(another, None, seed=8)
    first(lambda rows: torch.tensor(1.0), batch())
    second.load_state_dict(first.state_dict())
    assert another.restored == {"choices": 1}
    assert torch.equal(sampler.parts.weight, another.parts.weight)
    assert torch.equal(first.generator.get_state(), second.generator.get_state())
    assert first.sampling_seconds == second.sampling_seconds > 0
    assert first.parameters() == list(sampler.parts.parameters())
