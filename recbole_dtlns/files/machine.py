"""What a run was made on, as seconds and memory mean nothing without it, and the memory it took."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import psutil
import torch

from recbole_dtlns.files.result_schema import Machine


def machine(device: torch.device, threads: int | None = None) -> Machine:
    """What this process runs on.

    Args:
        device: that training ran on.
        threads: of torch in training; None: as many as torch has.
    """
    return {
        "system": platform.platform(),
        "cpu": _cpu(),
        "cores": usable_cores(),
        "threads": threads or torch.get_num_threads(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
    }


def usable_cores() -> int:
    """Cores that this process may use; all of them where the system does not tell."""
    return len(_own_cores())


def busy_cores(seconds: float) -> float:
    """Cores that others keep busy, of those that this process may use, while it waits for so many seconds."""
    shares = psutil.cpu_percent(interval=seconds, percpu=True)
    return sum(shares[core] for core in _own_cores() if core < len(shares)) / 100


def _own_cores() -> list[int]:
    process = psutil.Process()
    return process.cpu_affinity() if hasattr(process, "cpu_affinity") else list(range(psutil.cpu_count() or 1))


def free_bytes(device: torch.device) -> int:
    """Bytes free on a device, of main memory for the CPU."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return int(psutil.virtual_memory().available)


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far, in MiB; the present one where the system keeps no peak."""
    status = Path("/proc/self/status")
    if status.is_file():  # Linux; `ru_maxrss` of a process begins there with what its parent held
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM"):
                return round(int(line.split()[1]) / 2**10, 1)
    if sys.platform == "darwin":
        import resource

        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 1)
    used = psutil.Process().memory_info()
    return round(getattr(used, "peak_wset", used.rss) / 2**20, 1)


def _cpu() -> str:
    """Name of the processor; only its kind where the system does not tell more."""
    listed = Path("/proc/cpuinfo")
    if listed.is_file():
        for line in listed.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
