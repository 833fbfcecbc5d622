"""How many processes a run has, and what several of them cannot do."""

from __future__ import annotations

from typing import Any

import torch
from recbole.utils import ModelType

from recbole_dtlns.config.settings import Settings
from recbole_dtlns.errors import UserError
from recbole_dtlns.processes.launch import Processes
from recbole_dtlns.wording import counted


def processes_of(settings: Settings) -> Processes:
    """The processes that the keys ask for."""
    size = settings.world_size if settings.world_size > 0 else settings.nproc
    return Processes(settings.nproc, size, settings.group_offset, settings.ip, settings.port)


def check_processes(config: Any) -> None:
    """Refuse, before any work, numbers that do not fit, and what several processes cannot do.

    Raises:
        UserError: says which.
    """
    settings = config.settings
    processes = processes_of(settings)
    if processes.offset + processes.here > processes.size:
        raise UserError(
            f"nproc={processes.here} from group_offset={processes.offset} on are more than world_size={processes.size} "
            "processes. world_size counts those of all machines, and group_offset those of the machines before."
        )
    if processes.size == 1:
        return
    asked = f"{processes.size} processes train one run (nproc={settings.nproc}, world_size={settings.world_size})"
    if config["MODEL_TYPE"] in {ModelType.TRADITIONAL, ModelType.DECISIONTREE}:
        raise UserError(f"{asked}, but {config['model']} learns nothing by gradients. Use nproc=1.")
    if settings.judge_refresh is not None:
        raise UserError(
            f"{asked}, but judge_refresh={settings.judge_refresh} judges during training, which one process does. Use "
            "nproc=1, or leave judge_refresh out."
        )
    _check_devices(config, processes, asked)


def _check_devices(config: Any, processes: Processes, asked: str) -> None:
    if config["device"].type != "cuda":
        return
    gpus = torch.cuda.device_count()
    if gpus < processes.here:
        raise UserError(
            f"{asked}, each on a GPU of its own, but gpu_id={config['gpu_id']} gives {counted(gpus, 'GPU')}. Name "
            f"{processes.here}, as in --gpu_id=0,1; an empty gpu_id trains on the CPU."
        )
