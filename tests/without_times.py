"""What two runs of one seed must share."""

from pathlib import Path
from typing import Any

from recbole_dtlns.files.run_folder import read_result

_PLACES = ("run_dir", "cache_dir", "checkpoint_dir", "worker")


def without_times(run_dir: Path) -> dict[str, Any]:
    """A `result.json` without seconds, memory, what the cache held, and where the run was told to write."""
    result: dict[str, Any] = {**read_result(run_dir)}
    for field in ("seconds", "peak_memory_mb", "cached"):
        del result[field]
    result["config"] = {key: value for key, value in result["config"].items() if key not in _PLACES}
    return result
