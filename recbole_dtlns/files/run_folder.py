"""One folder a run: where it lies, its log, and whether something is already in it."""

from __future__ import annotations

import datetime
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from recbole_dtlns.errors import UserError
from recbole_dtlns.files.cache import content_key, write_atomically
from recbole_dtlns.files.owner import RUN_LOCK, only_one
from recbole_dtlns.files.partial import clear_partials
from recbole_dtlns.files.result_schema import External, Result, check_result
from recbole_dtlns.files.run_checksums import refuse_changed
from recbole_dtlns.files.yaml_text import read_yaml_file

RESULT, CONFIG, LOG, INFERRED = "result.json", "config.yaml", "run.log", "inferred_positives.tsv"
EXAMPLES = "inferred_examples.json"
CHECKPOINT = "checkpoint.pth"
COMPARISON = "plan.yaml"
"""What the folder of a comparison holds from its start on, and that of a run never."""
# Keys that change where a run computes and writes or how much it says, but not what it computes.
_NOT_IDENTITY = frozenset(
    {
        *("cache_dir", "show_progress", "state", "log", "data_path", "checkpoint_seconds", "gpu_id", "torch_threads"),
        *("verdict_store", "log_wandb", "nproc", "world_size", "ip", "port", "group_offset"),  # but see `identity_keys`
    }
)


def make_run_dir(run_dir: str | None, name: str) -> Path:
    """The folder asked for, or a fresh `saved/NAME-TIME-xxxx`.

    Raises:
        UserError: the folder holds a finished run or a comparison, or its name is that of a file.
    """
    if run_dir is None:
        stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
        path = Path("saved") / f"{name}-{stamp}-{secrets.token_hex(2)}"
    else:
        path = Path(run_dir)
    if path.exists() and not path.is_dir():
        raise UserError(f"run_dir={path} is a file; give the path of a folder.")
    if not (path / RUN_LOCK).exists():  # with one, look when it is ours: a run killed at its very end leaves it
        _refuse_taken(path)
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def own_run_dir(run_dir: str | None, name: str, cache_dir: Path) -> Iterator[Path]:
    """`make_run_dir`, owned by this process alone inside the block.

    What killed processes were writing there and in the cache is removed first.

    Raises:
        UserError: as `make_run_dir`, or another run is at work in the folder.
    """
    path = make_run_dir(run_dir, name)
    with only_one(path, RUN_LOCK, "Another run"):
        _refuse_taken(path)  # it may have ended since
        clear_partials(path, owned=True)
        clear_partials(cache_dir, cache_dir / "llm", *cache_dir.glob("atomic/*"))
        yield path


def _refuse_taken(path: Path) -> None:
    if (path / RESULT).is_file():
        raise UserError(f"{path} already holds a finished run. Choose another run_dir, or remove that folder.")
    if (path / COMPARISON).is_file():
        raise UserError(f"{path} holds a comparison ({COMPARISON}). Choose another run_dir for the run.")


def cache_folder(cache_dir: str | None, dataset: str) -> Path:
    """Where trees, candidates and verdicts of a data set are kept: the folder asked for, or `saved/cache/DATASET`."""
    folder = Path(cache_dir or Path("saved") / "cache" / dataset)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"cache_dir={folder} is a file. Name a folder; it is made where it is missing.")
    return folder


def config_hash(values: Mapping[str, Any]) -> str:
    """Identity of a configuration: everything but where it writes."""
    return content_key("config", identity_keys(values))


def identity_keys(values: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a configuration that decide what a run computes, with plain values.

    Several processes draw other random numbers than one, so `world_size` is their number on all machines; a run of one
    process has no such key, as none of an earlier version has.
    """
    keys = {key: plain(value) for key, value in values.items() if key not in _NOT_IDENTITY}
    everywhere, here = values.get("world_size"), values.get("nproc")
    size = everywhere if isinstance(everywhere, int) and everywhere > 0 else here
    return keys | ({"world_size": size} if isinstance(size, int) and size > 1 else {})


def run_identity(
    values: Mapping[str, Any], split_hash: str, external: Sequence[External], plugins: Sequence[str] = ()
) -> str:
    """Identity of a run: its configuration, its data, and the content of every input made elsewhere and every plugin.

    Args:
        values: every key.
        split_hash: of the data.
        external: inputs made elsewhere.
        plugins: hashes of their files; a run without any has the identity that earlier versions gave it.
    """
    files = [entry["sha256"] for entry in external]
    parts = {"config": config_hash(values), "split_hash": split_hash, "external": files}
    return content_key("run", {**parts, "plugins": list(plugins)} if plugins else parts)


def refuse_other_run(run_dir: Path, values: Mapping[str, Any], unfinished: bool) -> None:
    """Raise UserError, before anything is written, if the folder holds an unfinished run of another configuration."""
    path = run_dir / CONFIG
    if not unfinished or not path.is_file():
        return
    recorded = read_yaml_file(path)
    if not isinstance(recorded, dict):
        raise UserError(f"{path} is damaged: it should hold `key: value` lines. Restore it, or choose another run_dir.")
    if config_hash(recorded) != config_hash(values):
        before, now = identity_keys(recorded), identity_keys(values)
        differing = sorted(key for key in before.keys() | now.keys() if before.get(key, ...) != now.get(key, ...))
        raise UserError(
            f"{run_dir} holds an unfinished run that was saved under another configuration (see {path}), which differs "
            f"in {', '.join(differing[:5])}. Repeat the command that began it, in the version of recbole_dtlns that "
            "began it, or choose another run_dir."
        )


def write_config(path: Path, values: Mapping[str, Any]) -> None:
    """The resolved configuration as YAML, keys in order; values that YAML cannot hold are written as text."""
    write_atomically(path, yaml.safe_dump(plain(values), sort_keys=True, allow_unicode=True).encode())


def plain(value: Any) -> Any:
    """A value that YAML and JSON can hold; what they cannot becomes text."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value if value is None or type(value) in (bool, int, float, str) else str(value)


def read_result(run_dir: Path) -> Result:
    """The `result.json` of a run, checked; fields that an older version did not write are None.

    Raises:
        UserError: the folder holds none, or one that is not JSON, not as it was written, or not as `check_result` asks.
    """
    path = Path(run_dir) / RESULT
    if not path.is_file():
        raise UserError(f"{run_dir} holds no {RESULT}, so it is not the folder of a finished run.")
    refuse_changed(path)
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({error}). Repeat the run, or restore the file.") from error
    return check_result(fields, path)
