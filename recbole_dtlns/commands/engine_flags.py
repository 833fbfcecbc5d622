"""The flags that say where a command has its work done: `--engine=ray` and what belongs to it."""

from __future__ import annotations

from recbole_dtlns.commands.arguments import taken
from recbole_dtlns.config.parsers import number, one_of, text
from recbole_dtlns.engines.ray_cluster import RayOptions
from recbole_dtlns.errors import UserError

ENGINES = ("local", "ray")
_OF_RAY = ("ray_address", "task_cpus", "task_gpus")
_LEAST = 0.01  # of a CPU or GPU


def taken_engine(given: dict[str, str]) -> RayOptions | None:
    """Take the flags of an engine off the others; None for this machine.

    Raises:
        UserError: there is no such engine, or a flag of Ray's stands without it.
    """
    engine = taken(given, "engine", one_of(*ENGINES), "local")
    if engine == "local":
        for key in _OF_RAY:
            if key in given:
                raise UserError(f"--{key} belongs to --engine=ray, which is not given. Add it, or leave {key} out.")
        return None
    return RayOptions(
        taken(given, "ray_address", text, "") or None,
        taken(given, "task_cpus", number(_LEAST), "1"),
        taken(given, "task_gpus", _gpus, "0"),
    )


def _gpus(value: str) -> float:
    """GPUs as Ray deals them: a whole number, or a part of one."""
    gpus = float(number(0)(value))
    if gpus > 1 and not gpus.is_integer():
        raise ValueError("a whole number, or a part of one GPU such as 0.5")
    if 0 < gpus < _LEAST:
        raise ValueError(f"0, or at least {_LEAST}")
    return gpus
