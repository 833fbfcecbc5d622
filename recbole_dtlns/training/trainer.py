"""RecBole's trainers with our training step and one folder a run."""

from __future__ import annotations

import functools
import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from recbole.model.abstract_recommender import AbstractRecommender
from recbole.utils import get_trainer

from recbole_dtlns.config.stock_keys import PAIRS_AT_ONCE
from recbole_dtlns.files.epoch_log import EPOCHS, HARDNESS, write_row
from recbole_dtlns.files.run_folder import CHECKPOINT, plain
from recbole_dtlns.processes.group import decided_by_first, this_rank
from recbole_dtlns.training.collecting import collect_from_the_best
from recbole_dtlns.training.epoch_line import epoch_line, hardness_line, standing
from recbole_dtlns.training.fused_adam import fuse_adam
from recbole_dtlns.training.hardness.meter import HardnessMeter
from recbole_dtlns.training.refresh import Refresher
from recbole_dtlns.training.resume import RunPlace, resume, save_state
from recbole_dtlns.training.shared_trainer import SharedTraining
from recbole_dtlns.training.step import SampledStep, WeightedStep
from recbole_dtlns.training.threads import threads_of_a_step, torch_threads

logger = logging.getLogger(__name__)

Step = SampledStep | WeightedStep

SPLIT_HASH = "dtlns_split_hash"
# Both among RecBole's `other_parameter`, so that stock RecBole reads our checkpoints.
SAMPLER_STATE = "dtlns_sampler_state"
RUN_CONFIG = "dtlns_config"  # every key, as `Config.resolved` gives it


class RunTrainer:
    """Mixin over any RecBole trainer; its `fit`, early stopping, logging and evaluation stay RecBole's.

    Attributes:
        step, refresher, place: see `make_trainer`.
        threads: of torch in an epoch, decided when training begins; None: as they are.
        best_epoch: the epoch of the checkpoint; None before the first.
        seconds: of `training` and of `evaluation` so far.
        began: `time.perf_counter()` when the run began, the time between a cut and a resumption left out.
        times_evaluated: how often each part of the data was read, by `id` of the part.
    """

    def __init__(
        self,
        config: Any,
        model: Any,
        step: Step | None = None,
        refresher: Refresher | None = None,
        place: RunPlace | None = None,
        real_train: Any = None,
    ) -> None:
        super().__init__(config, model)  # type: ignore[call-arg]
        self.step, self.refresher, self.place = step, refresher, place
        self.threads: int | None = None
        self.best_epoch: int | None = None
        self.seconds = {"training": 0.0, "evaluation": 0.0}
        self.times_evaluated: Counter[int] = Counter()
        self._epoch: tuple[int, dict[str, Any]] | None = None
        self._validates, self._line = False, ""
        self.began = time.perf_counter() if place is None or place.began is None else place.began
        trainer: Any = self
        score_all = getattr(type(model), "full_sort_predict", None)  # models of decision trees have none
        if score_all is AbstractRecommender.full_sort_predict:
            # Scored pair by pair (ConvNCF holds 100 kB a pair), where eval_batch_size counts cells of a score matrix.
            trainer.test_batch_size = min(trainer.test_batch_size, PAIRS_AT_ONCE)
        collect_from_the_best(trainer.eval_collector)
        if isinstance(step, SampledStep):
            fuse_adam(trainer.optimizer)
        parameters = [] if step is None else step.parameters()
        if parameters:
            trainer.optimizer.add_param_group({"params": parameters})
        if place is not None:
            self.saved_model_file = str(place.run_dir / CHECKPOINT)
        if real_train is not None:
            collect = trainer.eval_collector.data_collect
            trainer.eval_collector.data_collect = lambda _: collect(SimpleNamespace(dataset=real_train))

    def fit(self, train_data: Any, valid_data: Any = None, *args: Any, **kwargs: Any) -> Any:
        """RecBole's training, from where a run of this folder was cut off, with a line of ours an epoch.

        Raises:
            UserError: the state of the run was saved under another configuration or with other data, or is damaged.
            ValueError: the trainer was made without a place.
        """
        self.threads = threads_of_a_step(self.config, self.model)  # type: ignore[attr-defined]
        self._validates = bool(valid_data)  # as RecBole asks: a loader without rows is none
        self._saved_at = time.monotonic()
        if not resume(self, train_data):
            for name in (HARDNESS, EPOCHS):
                (self.run_dir / name).unlink(missing_ok=True)  # none may be left from before
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
            elapsed = time.perf_counter() - self.began
            write_row(self.run_dir / EPOCHS, epoch, {**values, "elapsed": elapsed, **metrics})

    @property
    def _place(self) -> RunPlace:
        if self.place is None:
            raise ValueError("A trainer that trains needs a place: make_trainer(..., place=RunPlace(run_dir)).")
        return self.place

    @property
    def run_dir(self) -> Path:
        """Folder of the run."""
        return self._place.run_dir

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
        trainer.logger.info(hardness_line(epoch, means, self._hardness.kept_share()))
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
        state: dict[str, Any] = {SPLIT_HASH: self._place.split_hash, RUN_CONFIG: plain(self.config.resolved())}  # type: ignore[attr-defined]
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
        due = time.monotonic() - self._saved_at >= self.config["checkpoint_seconds"] and epoch > 0  # type: ignore[attr-defined]
        if decided_by_first(lambda: due):
            self._saved_at = time.monotonic()
            save_state(self, epoch, train_data)


def make_trainer(
    config: Any,
    model: Any,
    step: Step | None = None,
    refresher: Refresher | None = None,
    place: RunPlace | None = None,
    real_train: Any = None,
) -> Any:
    """RecBole's own trainer class for the model, extended by `RunTrainer`.

    Args:
        config: of the run.
        model: on its device.
        step: stands in for the model's `calculate_loss`; its trainable parts join the model's in the optimiser.
        refresher: replaces the inferred positives every few epochs; None: they stay.
        place: where the run writes and what it is; None for a trainer that only evaluates.
        real_train: the training part without inferred positives and without noise, for metrics that count training
            items; None: RecBole's own.
    """
    stock = get_trainer(config["MODEL_TYPE"], config["model"])
    bases = (RunTrainer, stock) if this_rank().is_alone else (RunTrainer, SharedTraining, stock)
    kind = type(f"Run{stock.__name__}", bases, {})
    return kind(config, model, step, refresher, place, real_train)
