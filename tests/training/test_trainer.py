"""What the trainer adds to RecBole's, through RecBole's own `fit`."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from recbole_dtlns.config.run_config import Config
from recbole_dtlns.data.build import build_split
from recbole_dtlns.training.assemble import prepare
from recbole_dtlns.training.resume import RunPlace
from recbole_dtlns.training.trainer import RunTrainer, make_trainer


class Step:
    """Takes the model's own loss, plus one for each epoch, and notes what it is asked."""

    sampling_seconds = 0.0

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.weight = torch.nn.Parameter(torch.ones(2))

    def __call__(self, calculate_loss: Any, rows: Any) -> torch.Tensor:
        self.calls.append("batch")
        loss: torch.Tensor = calculate_loss(rows)
        return loss + self.weight.sum()

    def epoch_begin(self, epoch: int) -> None:
        self.calls.append(("begin", epoch))

    def epoch_end(self, epoch: int) -> None:
        self.calls.append(("end", epoch))

    def parameters(self) -> list[torch.nn.Parameter]:
        return [self.weight]

    def state_dict(self) -> dict[str, Any]:
        return {}


def fitted(toy: Path, step: Step | None, place: RunPlace | None) -> Any:
    """A trainer after two epochs of BPR with this step."""
    keys = {
        "data_path": str(toy / "data"),
        "neg_sampler": "recbole:uniform",
        "judge": "none",
        "epochs": 2,
        "embedding_size": 4,
    }
    config = Config("BPR", "toy", config_dict={**keys, "train_batch_size": 4096, "show_progress": False})
    config["checkpoint_dir"] = str(toy / "saved")
    split = build_split(config, toy / "cache")
    prepared = prepare(config, split, None, None, for_training=False)
    trainer = make_trainer(config, prepared.model, step, place=place)
    trainer.fit(prepared.train_data, prepared.valid_data, saved=False)
    return trainer


def test_the_step_stands_in_for_the_loss_of_every_batch_and_its_parameters_are_trained(toy: Path) -> None:
    step = Step()
    trainer = fitted(toy, step, RunPlace(toy))
    assert step.calls == [("begin", 0), "batch", ("end", 0), ("begin", 1), "batch", ("end", 1)]
    assert "calculate_loss" not in vars(trainer.model)
    assert (step.weight < 1).all()
    assert trainer.train_loss_dict[0] > 2


def test_without_a_step_the_model_has_its_own_loss(toy: Path) -> None:
    trainer = fitted(toy, None, RunPlace(toy))
    assert len(trainer.optimizer.param_groups) == 1
    assert trainer.train_loss_dict[0] == pytest.approx(0.693, abs=0.01)


def test_a_trainer_without_a_place_does_not_train(toy: Path) -> None:
    with pytest.raises(ValueError, match="place=RunPlace"):
        fitted(toy, None, None)


def test_a_model_that_ranks_nothing_itself_is_given_a_trainer() -> None:
    class OfTrees:
        """RecBole's trainers of decision trees have no `test_batch_size`, and the models no `full_sort_predict`."""

        def __init__(self, config: Any, model: Any) -> None:
            self.eval_collector = SimpleNamespace(register=SimpleNamespace(need=lambda name: False))

    kind: Any = type("RunOfTrees", (RunTrainer, OfTrees), {})
    config = SimpleNamespace(settings=SimpleNamespace(torch_threads=1))
    assert not hasattr(kind(config, OfTrees(None, None)), "test_batch_size")


@pytest.mark.parametrize(("model", "largest"), [("NeuMF", 7), ("BPR", None)])
def test_models_that_score_pair_by_pair_are_given_few_pairs_at_once(
    model: str, largest: int | None, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recbole_dtlns.training.trainer.PAIRS_AT_ONCE", 7)
    config = Config(model, "toy", config_dict={"data_path": str(toy / "data"), "judge": "none", "epochs": 1})
    config["checkpoint_dir"] = str(toy / "saved")
    split = build_split(config, toy / "cache")
    prepared = prepare(config, split, None, None, for_training=False)
    trainer, sizes = prepared.trainer, []
    predict = prepared.model.predict

    def counted(interaction: Any) -> Any:
        sizes.append(len(interaction))
        return predict(interaction)

    trainer.model.predict = counted
    small = trainer.evaluate(prepared.valid_data, load_best_model=False)
    trainer.test_batch_size = 10**6
    assert trainer.evaluate(prepared.valid_data, load_best_model=False) == small
    assert max(sizes[:-1], default=None) == largest
