"""The state of a training run on disk, and a run that goes on from it as if it had not been cut off."""

from __future__ import annotations

import logging
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recbole_dtlns.errors import UserError
from recbole_dtlns.files.saved_state import read_state, write_state
from recbole_dtlns.processes.group import decided_by_first, gathered, this_rank

logger = logging.getLogger(__name__)

RESUME = "resume.pth"
_TRAINER_STATE = ("cur_step", "best_valid_score", "best_valid_result", "train_loss_dict", "best_epoch", "seconds")


@dataclass(frozen=True)
class RunPlace:
    """The folder of a run, and the hashes that tell the run from others.

    Attributes:
        run_dir: its folder.
        identity: hash of configuration, data, files and plugins; a state saved under another one is not resumed from.
        split_hash: identity of the split, kept in the checkpoint.
        began: `time.perf_counter()` when the run began, before data and identification; None: when the trainer is made.
    """

    run_dir: Path
    identity: str = ""
    split_hash: str = ""
    began: float | None = None


def save_state(trainer: Any, epoch: int, train_data: Any) -> None:
    """Write everything that decides what comes from this epoch on; `train_data` is the loader that `fit` was given.

    Every rank calls this, and rank 0 writes what each has of its own.
    """
    refresher, path = trainer.refresher, trainer.run_dir / RESUME
    ranks = gathered(_state_of_rank(trainer, train_data))
    if not this_rank().is_first:
        return
    state = {
        "identity": trainer.place.identity,
        "epoch": epoch,
        "elapsed": time.perf_counter() - trainer.began,
        "trainer": {name: getattr(trainer, name) for name in _TRAINER_STATE},
        "model": trainer.model.state_dict(),
        "optimizers": {name: optimizer.state_dict() for name, optimizer in _optimizers(trainer).items()},
        "refreshed": None if refresher is None else refresher.state_dict(),
        "ranks": ranks,
    }
    try:
        write_state(path, state, "the state of training")
    except OSError as error:  # training goes on without: the state is only for the case that it is cut off
        trainer.logger.warning(
            f"{path} cannot be written ({error.strerror}). Training goes on; if it is cut off, it goes on from the "
            "state that was saved before."
        )


def _state_of_rank(trainer: Any, train_data: Any) -> dict[str, Any]:
    return {
        "loaders": [generator.get_state() for generator in generators(trainer.current(train_data))],
        "sampler": None if trainer.step is None else trainer.step.state_dict(),
        "random": random_states(),
    }


def resume(trainer: Any, train_data: Any) -> bool:
    """Take up the run of the trainer's folder where its last saved state ends; False when there is none.

    Raises:
        UserError: the state was saved under another configuration or with other data, files or plugins, or cannot be
            read.
    """
    state = decided_by_first(lambda: _read(trainer))
    if state is None:
        return False
    own = state["ranks"][this_rank().number]
    for name, value in state["trainer"].items():
        setattr(trainer, name, value)
    trainer.start_epoch = state["epoch"]
    trainer.began = time.perf_counter() - state["elapsed"]
    trainer.model.load_state_dict(state["model"])
    for name, optimizer in _optimizers(trainer).items():
        _load(optimizer, state["optimizers"][name])
    if trainer.refresher is not None:
        trainer.refresher.load_state_dict(state["refreshed"], train_data)
    for generator, saved in zip(generators(trainer.current(train_data)), own["loaders"], strict=True):
        generator.set_state(saved.cpu())
    if trainer.step is not None:
        trainer.step.load_state_dict(own["sampler"])
    set_random_states(own["random"])
    logger.info(f"Resumed at epoch {trainer.start_epoch} from {trainer.run_dir / RESUME}.")
    return True


def _load(optimizer: torch.optim.Optimizer, saved: dict[str, Any]) -> None:
    """Take up a saved state. Adam is fused where that of a fresh run is: an earlier version has saved it unfused."""
    for group, fresh in zip(saved["param_groups"], optimizer.param_groups, strict=True):
        if "fused" in fresh:
            group["fused"] = fresh["fused"]
    optimizer.load_state_dict(saved)


def _read(trainer: Any) -> dict[str, Any] | None:
    path = trainer.run_dir / RESUME
    if not path.is_file():
        return None
    device = trainer.device if this_rank().is_alone else "cpu"  # each rank has a device of its own
    state: dict[str, Any] = read_state(path, device, advice="Remove it to start this run from its beginning.")
    if "ranks" not in state:
        raise UserError(
            f"{path} was saved by an earlier version of recbole_dtlns, which this one cannot go on from. Remove it to "
            "start this run from its beginning, or choose another run_dir."
        )
    if state["identity"] != trainer.place.identity:
        raise UserError(
            f"{path} was saved under another configuration, with other data or with another content of a file or "
            "plugin, so this run cannot continue it. Repeat the command that began it (see config.yaml) with the same "
            "data, files and plugins, or choose another run_dir."
        )
    return state


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
        torch.cuda.set_rng_state_all([state.cpu() for state in cuda])
