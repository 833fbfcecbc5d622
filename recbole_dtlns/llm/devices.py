"""Where a language model runs, in which type it computes, and how much memory is there."""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch

from recbole_dtlns.errors import UserError
from recbole_dtlns.files import machine

COMPUTE_TYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}


@dataclass(frozen=True)
class Target:
    """Where a model runs: the device of its inputs, whether it is spread over all GPUs, and its compute type."""

    device: torch.device
    spread: bool
    dtype_name: str
    dtype: torch.dtype


def target_of(device_map: str | None, compute_dtype: str | None) -> Target:
    """Resolve the two keys; see `device_of` and `compute_dtype_of`, which raise the UserErrors."""
    device = device_of(device_map)
    return Target(
        device, device_map == "auto" and torch.cuda.device_count() > 1, *compute_dtype_of(compute_dtype, device)
    )


def device_of(device_map: str | None) -> torch.device:
    """The device where inputs go: the first GPU, or the one that is named, or the CPU.

    Args:
        device_map: None (first GPU, else CPU), `cpu`, `cuda`, `cuda:N`, or `auto` (spread over all GPUs, else CPU).

    Raises:
        UserError: another text, or a GPU that is not there.
    """
    count = torch.cuda.device_count()
    if device_map in (None, "auto"):
        return torch.device("cuda:0" if count else "cpu")
    if device_map == "cpu":
        return torch.device("cpu")
    match = re.fullmatch(r"cuda(?::(\d+))?", str(device_map))
    if match is None:
        raise UserError(f"llm_device_map={device_map!r}: expected cpu, cuda, cuda:N or auto.")
    index = int(match[1] or 0)
    if index >= count:
        raise UserError(f"llm_device_map={device_map}: this machine shows {count} GPUs. Unset it, or take cpu.")
    return torch.device(f"cuda:{index}")


def compute_dtype_of(name: str | None, device: torch.device) -> tuple[str, torch.dtype]:
    """The type of activations: as named, else bfloat16, else float16 on a GPU that has no bfloat16 (before Ampere).

    Raises:
        UserError: an unknown name.
    """
    if name is None:
        old = device.type == "cuda" and torch.cuda.get_device_capability(device)[0] < 8
        name = "float16" if old else "bfloat16"
    if name not in COMPUTE_TYPES:
        raise UserError(f"llm_compute_dtype={name!r}: expected one of {', '.join(COMPUTE_TYPES)}.")
    return name, COMPUTE_TYPES[name]


def free_bytes(target: Target) -> int:
    """Bytes free on the device (main memory for the CPU), or on all GPUs together for a spread model."""
    if target.spread and target.device.type == "cuda":
        return sum(torch.cuda.mem_get_info(number)[0] for number in range(torch.cuda.device_count()))
    return machine.free_bytes(target.device)
