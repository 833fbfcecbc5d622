"""How many threads of torch a training step gets.

An operation that is split over threads ends when its last part does. A step of a small model is some hundred operations
of well under a millisecond: a second thread gains next to nothing there, and where another process holds its core, each
operation waits for the scheduler. A large model gains from threads as far as there are cores that nobody else uses.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from recbole.utils import ModelType

from recbole_dtlns.config.model_kinds import takes_negatives
from recbole_dtlns.files.machine import busy_cores, usable_cores
from recbole_dtlns.processes.group import this_rank

logger = logging.getLogger(__name__)

_WATCHED = 0.25  # seconds in which other programs are watched
_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


def threads_of_a_step(config: Any, model: Any) -> int | None:
    """Threads for the training epochs of a model; None: as many as torch has.

    `torch_threads` decides where it is set, then OMP_NUM_THREADS or MKL_NUM_THREADS. Otherwise a pairwise general
    recommender on the CPU gets one thread, unless it holds a sparse matrix: a propagation over a graph is large. Any
    other model gets no more threads than there are cores that other programs leave free at the start; where several
    processes train one run, each keeps its share.
    """
    if config.settings.torch_threads is not None:
        return int(config.settings.torch_threads)
    if config["device"].type != "cpu" or any(name in os.environ for name in _VARIABLES):
        return None
    small = config["MODEL_TYPE"] == ModelType.GENERAL and takes_negatives(config) and not _holds_graph(model)
    return 1 if small else _free_threads()


def _free_threads() -> int | None:
    """Threads for the cores that are free now, at least one; None where that is as many as torch has."""
    threads = torch.get_num_threads()
    if threads == 1 or not this_rank().is_alone:
        return None
    busy = round(busy_cores(_WATCHED))
    free = max(1, usable_cores() - busy)
    if busy == 0 or free >= threads:
        return None
    logger.info(
        "Other programs keep %d of %d cores busy: training takes %d of %d threads. torch_threads sets another number.",
        *(busy, usable_cores(), free, threads),
    )
    return free


def _holds_graph(model: torch.nn.Module) -> bool:
    values = [value for module in model.modules() for value in (*vars(module).values(), *module.buffers(recurse=False))]
    return any(isinstance(value, torch.Tensor) and value.layout != torch.strided for value in values)


@contextmanager
def torch_threads(count: int | None) -> Iterator[None]:
    """Let torch use so many threads for a moment; None changes nothing."""
    if count is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
