"""What the trainer adds to RecBole's: our step for one epoch, and its parameters."""

from typing import Any

import torch

from recbole_dtlns.training.trainer import RunTrainer


class Model:
    """Says what its loss is given."""

    def calculate_loss(self, rows: str) -> str:
        return f"loss of {rows}"


class Step:
    """Notes what it is asked."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.weight = torch.nn.Parameter(torch.ones(2))

    def __call__(self, calculate_loss: Any, rows: str) -> str:
        return f"our {calculate_loss(rows)}"

    def epoch_begin(self, epoch: int) -> None:
        self.calls.append(("begin", epoch))

    def epoch_end(self, epoch: int) -> None:
        self.calls.append(("end", epoch))

    def parameters(self) -> list[torch.nn.Parameter]:
        return [self.weight]


def trainer() -> Any:
    """One without RecBole's part."""
    made: Any = RunTrainer.__new__(RunTrainer)
    made.model = Model()
    made.optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.5)
    return made


def test_the_step_stands_in_for_the_loss_during_an_epoch() -> None:
    one, step = trainer(), Step()
    one.use_step(step)
    with one._stepping(3):
        assert step.calls == [("begin", 3)]
        assert one.model.calculate_loss("rows") == "our loss of rows"
    assert step.calls == [("begin", 3), ("end", 3)]
    assert one.model.calculate_loss("rows") == "loss of rows"


def test_parameters_of_the_sampler_are_trained() -> None:
    one, step = trainer(), Step()
    one.use_step(step)
    step.weight.sum().backward()
    one.optimizer.step()
    assert step.weight.tolist() == [0.5, 0.5]
    one.use_step(None)
    assert len(one.optimizer.param_groups) == 2
