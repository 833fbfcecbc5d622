"""The share of chosen negatives that are test positives, taken after training and never before."""

from __future__ import annotations

import copy
import itertools
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recbole_dtlns.config.run_config import Config
from recbole_dtlns.data.build import BuiltSplit
from recbole_dtlns.data.loaders import recommender_part
from recbole_dtlns.files.epoch_log import HARDNESS, read_epochs
from recbole_dtlns.files.saved_state import read_state
from recbole_dtlns.training.assemble import Prepared
from recbole_dtlns.training.hardness.held_out import HeldOut
from recbole_dtlns.training.hardness.meter import FIELDS, ShareMeter
from recbole_dtlns.training.resume import generators, random_states, set_random_states
from recbole_dtlns.training.step import SampledStep
from recbole_dtlns.training.trainer import SAMPLER_STATE

logger = logging.getLogger(__name__)

BATCHES = 100
"""Most batches that are replayed."""


def hardness_fields(
    config: Config, prepared: Prepared, split: BuiltSplit, run_dir: Path, replays: bool
) -> dict[str, Any] | None:
    """The `hardness` field of `result.json`: the row of the best epoch, and test; None without a sampler of ours.

    Args:
        config: of the run.
        prepared: after training.
        split: where test is; read only if `replays`.
        run_dir: holds `hardness.csv`.
        replays: whether the best checkpoint was saved and test has been evaluated.
    """
    trainer = prepared.trainer
    if not isinstance(trainer.step, SampledStep):
        return None
    rows = {} if trainer.best_epoch is None else read_epochs(run_dir / HARDNESS)
    fields: dict[str, Any] = rows.get(trainer.best_epoch) or dict.fromkeys(FIELDS)
    shares = (None, None)
    if replays and trainer.best_epoch is not None:
        shares = replayed_share(config, prepared, split)
    return {**fields, "test_share": shares[0], "test_chance": shares[1]}


def replayed_share(config: Config, prepared: Prepared, split: BuiltSplit) -> tuple[Any, Any]:
    """(share, chance) of test positives among the negatives of up to `BATCHES` training batches.

    The best checkpoint draws them once more, model and sampler as they were when it was saved, and nothing is updated.
    Afterwards the model holds the best checkpoint, and all else is as before.
    """
    trainer = prepared.trainer
    checkpoint = read_state(Path(trainer.saved_model_file), trainer.device)
    with _undone(prepared, checkpoint):
        if trainer.refresher is not None and trainer.refresher.best is not None:
            best = vars(trainer.refresher.best)
            trainer.refresher.load_state_dict({"extra": best, "best": best}, prepared.train_data)
        extra = prepared.extra if trainer.refresher is None else trainer.refresher.extra
        test = HeldOut(split.train, split.test, extra, config.settings.exclude_inferred, trainer.device)
        step, meter = trainer.step, ShareMeter(test)
        step.load_state_dict(copy.deepcopy(checkpoint["other_parameter"][SAMPLER_STATE]))
        step.epoch = trainer.best_epoch
        trainer.model.train()
        batches = 0
        for interaction in itertools.islice(recommender_part(trainer.current(prepared.train_data)), BATCHES):
            meter.add(*step.replay(interaction.to(trainer.device)))
            batches += 1
    share, chance = meter.means()
    logger.info(
        "Negatives of the best checkpoint that are test positives, from %d training batches replayed without updates: "
        "%.4g (by chance %.4g).",
        *(batches, share, chance),
    )
    return round(share, 6), round(chance, 6)


@contextmanager
def _undone(prepared: Prepared, checkpoint: dict[str, Any]) -> Iterator[None]:
    """Put back all that a replay touches: states of the sampler, of generators and loaders, and the model's mode."""
    trainer = prepared.trainer
    model, step, refresher = trainer.model, trainer.step, trainer.refresher
    refreshed = None if refresher is None else copy.deepcopy(refresher.state_dict())
    before, epoch, training, states = copy.deepcopy(step.state_dict()), step.epoch, model.training, random_states()
    shuffles = [generator.get_state() for generator in generators(trainer.current(prepared.train_data))]
    try:
        _load(model, checkpoint)
        yield
    finally:
        _load(model, checkpoint)  # training mode moves running statistics
        model.train(training)
        if refresher is not None:
            refresher.load_state_dict(refreshed, prepared.train_data)
        for generator, state in zip(generators(trainer.current(prepared.train_data)), shuffles, strict=True):
            generator.set_state(state)
        step.load_state_dict(before)
        step.epoch = epoch
        set_random_states(states)


def _load(model: Any, checkpoint: dict[str, Any]) -> None:
    model.load_state_dict(checkpoint["state_dict"])
    model.load_other_parameter(checkpoint["other_parameter"])
