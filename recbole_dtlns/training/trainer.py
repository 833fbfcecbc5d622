"""RecBole's trainers with our training step, one folder a run, and resuming where a run was cut off."""

from __future__ import annotations

import functools
import logging
import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import torch
from recbole.utils import get_trainer

from recbole_dtlns.errors import UserError
from recbole_dtlns.files.epoch_log import EPOCHS, write_row
from recbole_dtlns.files.run_folder import plain
from recbole_dtlns.files.saved_state import read_state, write_state
from recbole_dtlns.processes.group import decided_by_first, gathered, this_rank
from recbole_dtlns.training.epoch_line import epoch_line, standing
from recbole_dtlns.training.hardness.log import HARDNESS, line
from recbole_dtlns.training.hardness.meter import HardnessMeter
from recbole_dtlns.training.refresh import Refresher
from recbole_dtlns.training.shared_trainer import SharedTraining
from recbole_dtlns.training.step import SampledStep, WeightedStep
from recbole_dtlns.training.threads import threads_of_a_step, torch_threads

logger = logging.getLogger(__name__)

Step = SampledStep | WeightedStep

CHECKPOINT = "checkpoint.pth"
RESUME = "resume.pth"
SPLIT_HASH = "dtlns_split_hash"
# Both among RecBole's `other_parameter`, so that stock RecBole reads our checkpoints.
SAMPLER_STATE = "dtlns_sampler_state"
RUN_CONFIG = "dtlns_config"  # every key, as `Config.resolved` gives it


class RunTrainer:
    """Mixin over any RecBole trainer; its `fit`, early stopping, logging and evaluation stay RecBole's."""

    step: Step | None = None  # stands in for `calculate_loss`; None: the model's own
    refresher: Refresher | None = None  # replaces the inferred positives every few epochs; None: they stay
    threads: int | None = None  # of torch in an epoch; None: as they are
    run_dir: Path
    identity: str = ""
    split_hash: str = ""

    def __init__(self, config: Any, model: Any) -> None:
        super().__init__(config, model)  # type: ignore[call-arg]
        self.best_epoch: int | None = None
        self.seconds = {"training": 0.0, "evaluation": 0.0}
        self.times_evaluated: Counter[int] = Counter()
        self._epoch: tuple[int, dict[str, Any]] | None = None
        self._validates, self._line = False, ""

    def use_step(self, step: Step | None) -> None:
        """Train with this step; trainable parts of its sampler join the model's in the optimiser."""
        self.step = step
        parameters = [] if step is None else step.parameters()
        if parameters:
            self.optimizer.add_param_group({"params": parameters})  # type: ignore[attr-defined]

    def prepare(
        self, run_dir: Path, identity: str, split_hash: str, real_train: Any, began: float | None = None
    ) -> None:
        """Say where files go and what the run is; `step` is set beside it.

        Args:
            run_dir: folder of the run.
            identity: hash of configuration and data; a state saved under another one is not resumed from.
            split_hash: identity of the split, kept in the checkpoint.
            real_train: the training part without inferred positives and without noise, for metrics that count training
                items.
            began: `time.perf_counter()` when the run began, before data and identification; None: now.
        """
        self.run_dir, self.identity, self.split_hash = run_dir, identity, split_hash
        self._began = time.perf_counter() if began is None else began
        self.saved_model_file = str(run_dir / CHECKPOINT)
        self._saved_at = time.monotonic()
        if not (run_dir / RESUME).is_file():
            for name in (HARDNESS, EPOCHS):
                (run_dir / name).unlink(missing_ok=True)  # none may be left from before
        collect = self.eval_collector.data_collect  # type: ignore[attr-defined]
        self.eval_collector.data_collect = lambda _: collect(SimpleNamespace(dataset=real_train))  # type: ignore[attr-defined]

    def fit(self, train_data: Any, valid_data: Any = None, *args: Any, **kwargs: Any) -> Any:
        """RecBole's training, with a line of ours an epoch."""
        self._validates = bool(valid_data)
        return super().fit(train_data, valid_data, *args, **kwargs)  # type: ignore[misc]

    def _train_epoch(self, train_data: Any, epoch_idx: int, loss_func: Any = None, show_progress: bool = False) -> Any:
        self._save_state(epoch_idx, train_data)
        started = time.perf_counter()
        if self.refresher is not None:
            train_data = self.refresher.before_epoch(epoch_idx, train_data, self.run_dir)
            if self._hardness is not None:
                self._hardness.valid.follow(self.refresher.extra)
        with self._stepping(epoch_idx), torch_threads(self.threads):
            loss = super()._train_epoch(train_data, epoch_idx, loss_func, show_progress)  # type: ignore[misc]
        self._report_hardness(epoch_idx)
        list_loss = self._report_lists(epoch_idx)
        seconds = time.perf_counter() - started
        self.seconds["training"] += seconds
        total = sum(loss) if isinstance(loss, tuple) else loss
        self._epoch = epoch_idx, {"train_loss": total, **list_loss, "seconds": self.seconds["training"]}
        self._write_epoch({})
        every = self.eval_step  # type: ignore[attr-defined]
        self._line = epoch_line(epoch_idx, total, seconds)
        if not self._validates or every <= 0 or (epoch_idx + 1) % every:
            logger.info(self._line)
        return loss

    def _valid_epoch(self, *args: Any, **kwargs: Any) -> Any:
        score, result = super()._valid_epoch(*args, **kwargs)  # type: ignore[misc]
        self._write_epoch(result)
        if self._epoch is not None:
            logger.info("%s, %s", self._line, standing(self, self._epoch[0], score))
        return score, result

    def _write_epoch(self, metrics: Mapping[str, float]) -> None:
        """Write the row of the current epoch in `epochs.csv`; trainers without epochs have none."""
        if self._epoch is not None:
            epoch, values = self._epoch
            write_row(self.run_dir / EPOCHS, epoch, {**values, "elapsed": self._elapsed, **metrics})

    @property
    def _elapsed(self) -> float:
        """Seconds since the run began, whatever they went into; those between a cut and a resumption left out."""
        return time.perf_counter() - self._began

    @property
    def _hardness(self) -> HardnessMeter | None:
        return self.step.hardness if isinstance(self.step, SampledStep) else None

    def _report_hardness(self, epoch: int) -> None:
        """Show how hard the negatives of an epoch were: in `hardness.csv`, the log and TensorBoard."""
        trainer: Any = self
        if self._hardness is None:
            return
        means = self._hardness.means()
        write_row(self.run_dir / HARDNESS, epoch, means)
        trainer.logger.info(line(epoch, means, self._hardness.kept_share()))
        for name, value in means.items():
            if value is not None:
                trainer.tensorboard.add_scalar(f"Hardness/{name}", value, epoch)

    def _report_lists(self, epoch: int) -> dict[str, float | None]:
        """Show the mean list loss of an epoch in the log and TensorBoard; its column of `epochs.csv`, if any."""
        if not isinstance(self.step, SampledStep) or self.step.lists is None:
            return {}
        trainer: Any = self
        mean = self.step.lists.mean()
        if mean is not None:
            trainer.logger.info(f"epoch {epoch} list loss: {mean:.4f}")
            trainer.tensorboard.add_scalar("Loss/List", mean, epoch)
        return {"list_loss": mean}

    @contextmanager
    def _stepping(self, epoch: int) -> Iterator[None]:
        """Let the model's `calculate_loss` be our step for one epoch; trainers that ask for another loss get that."""
        if self.step is None:
            yield
            return
        model = self.model  # type: ignore[attr-defined]
        self.step.epoch_begin(epoch)
        model.calculate_loss = functools.partial(self.step, model.calculate_loss)
        try:
            yield
        finally:
            del model.calculate_loss
        self.step.epoch_end(epoch)

    def evaluate(self, eval_data: Any, *args: Any, **kwargs: Any) -> Any:
        """RecBole's evaluation, timed, and counted by part of the data, whichever loader reads it."""
        started = time.perf_counter()
        self.times_evaluated[id(eval_data._dataset)] += 1
        try:
            return super().evaluate(eval_data, *args, **kwargs)  # type: ignore[misc]
        finally:
            self.seconds["evaluation"] += time.perf_counter() - started

    def _save_checkpoint(self, epoch: int, verbose: bool = True, **kwargs: Any) -> None:
        model = self.model  # type: ignore[attr-defined]
        stock = model.other_parameter
        state: dict[str, Any] = {SPLIT_HASH: self.split_hash, RUN_CONFIG: plain(self.config.resolved())}  # type: ignore[attr-defined]
        if self.step is not None:
            state[SAMPLER_STATE] = self.step.state_dict()
        model.other_parameter = lambda: {**(stock() or {}), **state}
        try:
            super()._save_checkpoint(epoch, verbose=verbose, **kwargs)  # type: ignore[misc]
        finally:
            del model.other_parameter
        self.best_epoch = epoch
        if self.refresher is not None:
            self.refresher.best = self.refresher.extra

    def current(self, train_data: Any) -> Any:
        """The loader in use: the first one, or that of the last refresh."""
        return train_data if self.refresher is None else self.refresher.current(train_data)

    def _save_state(self, epoch: int, train_data: Any) -> None:
        """Before an epoch: everything that decides what comes after, at most once in `checkpoint_seconds`."""
        trainer: Any = self
        due = epoch > 0 and time.monotonic() - self._saved_at >= trainer.config["checkpoint_seconds"]
        if not decided_by_first(lambda: due):
            return
        of_ranks = gathered(self._state_of_rank(train_data))
        self._saved_at = time.monotonic()
        if not of_ranks:
            return
        state = {
            "identity": self.identity,
            "epoch": epoch,
            "elapsed": self._elapsed,
            "trainer": {name: getattr(trainer, name) for name in _TRAINER_STATE},
            "model": trainer.model.state_dict(),
            "optimizers": {name: one.state_dict() for name, one in _optimizers(trainer).items()},
            "refreshed": None if self.refresher is None else self.refresher.state_dict(),
            "ranks": of_ranks,
        }
        try:
            write_state(self.run_dir / RESUME, state, "the state of training")
        except OSError as error:  # training goes on without: the state is only for the case that it is cut off
            trainer.logger.warning(
                f"{self.run_dir / RESUME} cannot be written ({error.strerror}). Training goes on; if it is cut off, it "
                "goes on from the state that was saved before."
            )

    def _state_of_rank(self, train_data: Any) -> dict[str, Any]:
        """What each process of a run has of its own."""
        return {
            "loaders": [generator.get_state() for generator in generators(self.current(train_data))],
            "sampler": None if self.step is None else self.step.state_dict(),
            "random": random_states(),
        }

    def _read_resume(self) -> dict[str, Any] | None:
        path, trainer = self.run_dir / RESUME, cast(Any, self)
        if not path.is_file():
            return None
        place = trainer.device if this_rank().is_alone else "cpu"
        state: dict[str, Any] = read_state(path, place, advice="Remove it to start this run from its beginning.")
        if state["identity"] != self.identity:
            raise UserError(
                f"{path} was saved under another configuration or with other data, so this run cannot continue it. "
                "Repeat the command that began it (see config.yaml) with the same data, or choose another run_dir."
            )
        return state

    def resume(self, train_data: Any) -> bool:
        """Take up the run of this folder where its last saved state ends; False when there is none.

        Raises:
            UserError: the state was saved under another configuration or with other data, or cannot be read.
        """
        state = decided_by_first(self._read_resume)
        if state is None:
            return False
        trainer: Any = self
        own = state["ranks"][this_rank().number]
        for name, value in state["trainer"].items():
            setattr(trainer, name, value)
        trainer.start_epoch = state["epoch"]
        self._began = time.perf_counter() - state["elapsed"]
        trainer.model.load_state_dict(state["model"])
        for name, one in _optimizers(trainer).items():
            one.load_state_dict(state["optimizers"][name])
        if self.refresher is not None:
            self.refresher.load_state_dict(state["refreshed"], train_data)
        for generator, saved in zip(generators(self.current(train_data)), own["loaders"], strict=True):
            generator.set_state(saved.cpu())
        if self.step is not None:
            self.step.load_state_dict(own["sampler"])
        set_random_states(own["random"])
        logger.info(f"Resumed at epoch {trainer.start_epoch} from {self.run_dir / RESUME}")
        return True


_TRAINER_STATE = ("cur_step", "best_valid_score", "best_valid_result", "train_loss_dict", "best_epoch", "seconds")


def _optimizers(trainer: Any) -> dict[str, torch.optim.Optimizer]:
    """Some trainers (RecVAE) hold several."""
    return {name: value for name, value in vars(trainer).items() if isinstance(value, torch.optim.Optimizer)}


def generators(train_data: Any) -> list[torch.Generator]:
    """Of the loader itself, or of the two that a knowledge model's loader is made of."""
    parts = [getattr(train_data, name, None) for name in ("general_dataloader", "kg_dataloader")]
    loaders = [part for part in parts if part is not None] or [train_data]
    return [loader.generator for loader in loaders]


def random_states() -> tuple[Any, ...]:
    """The global random states of Python, numpy and torch."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return random.getstate(), np.random.get_state(), torch.get_rng_state(), cuda


def set_random_states(states: tuple[Any, ...]) -> None:
    """Go back to `random_states`."""
    python, numpy, cpu, cuda = states
    random.setstate(python)
    np.random.set_state(numpy)
    torch.set_rng_state(cpu.cpu())
    if cuda and torch.cuda.is_available():
        torch.cuda.set_rng_state_all([one.cpu() for one in cuda])


def make_trainer(config: Any, model: Any) -> Any:
    """RecBole's own trainer class for the model, extended by `RunTrainer`."""
    stock = get_trainer(config["MODEL_TYPE"], config["model"])
    bases = (RunTrainer, stock) if this_rank().is_alone else (RunTrainer, SharedTraining, stock)
    trainer = type(f"Run{stock.__name__}", bases, {})(config, model)
    trainer.threads = threads_of_a_step(config, model)
    return trainer
