"""One folder a run: where it lies, its log, and whether something is already in it."""

from __future__ import annotations

import datetime
import json
import logging
import os
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import colorlog
import yaml
from recbole.utils.logger import RemoveColorFilter, log_colors_config

from recbole_dtlns.compat_display import RUN_LOG
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.cache import content_key, write_atomically
from recbole_dtlns.files.owner import RUN_LOCK, only_one
from recbole_dtlns.files.partial import clear_partials
from recbole_dtlns.files.result_schema import External, Result, check_result
from recbole_dtlns.files.run_checksums import refuse_changed
from recbole_dtlns.files.yaml_text import read_yaml_file

RESULT, CONFIG, LOG, INFERRED = "result.json", "config.yaml", "run.log", "inferred_positives.tsv"
# Keys that change where a run computes and writes or how much it says, but not what it computes.
_NOT_IDENTITY = frozenset(
    {"cache_dir", "show_progress", "state", "log", "data_path", "checkpoint_seconds", "gpu_id", "torch_threads"}
)


def make_run_dir(run_dir: str | None, name: str) -> Path:
    """The folder asked for, or a fresh `saved/NAME-TIME-xxxx`.

    Raises:
        UserError: the folder holds a finished run, or its name is that of a file.
    """
    if run_dir is None:
        stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
        path = Path("saved") / f"{name}-{stamp}-{secrets.token_hex(2)}"
    else:
        path = Path(run_dir)
    if path.exists() and not path.is_dir():
        raise UserError(f"run_dir={path} is a file; give the path of a folder.")
    _refuse_finished(path)
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
        _refuse_finished(path)  # it may have ended since
        clear_partials(path, owned=True)
        clear_partials(cache_dir, cache_dir / "llm", *cache_dir.glob("atomic/*"))
        yield path


def _refuse_finished(path: Path) -> None:
    if (path / RESULT).is_file():
        raise UserError(f"{path} already holds a finished run. Choose another run_dir, or remove that folder.")


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
    """The keys of a configuration that decide what a run computes, with plain values."""
    return {key: plain(value) for key, value in values.items() if key not in _NOT_IDENTITY}


def run_identity(values: Mapping[str, Any], split_hash: str, external: Sequence[External]) -> str:
    """Identity of a run: its configuration, its data, and the content of every input made elsewhere."""
    files = [entry["sha256"] for entry in external]
    return content_key("run", {"config": config_hash(values), "split_hash": split_hash, "external": files})


def refuse_other_run(run_dir: Path, values: Mapping[str, Any], unfinished: bool) -> None:
    """Raise UserError, before anything is written, if the folder holds an unfinished run of another configuration."""
    path = run_dir / CONFIG
    if not unfinished or not path.is_file():
        return
    recorded = read_yaml_file(path)
    if not isinstance(recorded, dict):
        raise UserError(f"{path} is damaged: it should hold `key: value` lines. Restore it, or choose another run_dir.")
    if config_hash(recorded) != config_hash(values):
        raise UserError(
            f"{run_dir} holds an unfinished run that was saved under another configuration (see {path}). Repeat the "
            "command that began it, or choose another run_dir."
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


DETAIL = {"detail": True}
"""As `extra` of a log call: a line for run.log, shown on the console under `log=full` alone."""


def _is_short(record: logging.LogRecord) -> bool:
    """Whether the short console shows a line: warnings, and what we say ourselves; RecBole logs as root."""
    return record.levelno >= logging.WARNING or (record.name != "root" and not getattr(record, "detail", False))


class _LogFile(logging.FileHandler):
    """A log file that stays behind on a full disk, as the run need not end for it; the console says so once."""

    _failed = False

    def handleError(self, record: logging.LogRecord) -> None:
        """Say what is wrong, once, in place of a traceback for each line."""
        if not self._failed:
            self._failed = True
            sys.stderr.write(f"recbole-dtlns: {self.baseFilename} cannot be written: {sys.exc_info()[1]}. It is cut.\n")


def start_log(path: Path | None, state: str | None, console_log: str = "short") -> None:
    """Send the root logger to the console and to a file, and nowhere else.

    RecBole's own set-up adds handlers to those of an earlier run in the same process and writes below the working
    directory; this one replaces them.

    Args:
        path: the file, which takes every line; None: no file.
        state: RecBole's name of the lowest level that is kept.
        console_log: `short`, the console shows our lines and all warnings; `full`, RecBole's lines too.
    """
    level = getattr(logging, (state or "INFO").upper(), logging.INFO)
    root = logging.getLogger()
    for handler in list(root.handlers):
        if getattr(handler, RUN_LOG, False):
            root.removeHandler(handler)
            handler.close()
    console: logging.Handler = logging.StreamHandler()
    if sys.stderr.isatty() and not os.environ.get("NO_COLOR"):
        form = "%(log_color)s%(asctime)-15s %(levelname)s  %(message)s"
        console.setFormatter(colorlog.ColoredFormatter(form, "%d %b %H:%M", log_colors=log_colors_config))
    else:
        console.setFormatter(logging.Formatter("%(asctime)-15s %(levelname)s  %(message)s", "%d %b %H:%M"))
        console.addFilter(RemoveColorFilter())
    if console_log == "short":
        console.addFilter(_is_short)
    handlers = [console]
    if path is not None:
        file = _LogFile(path, encoding="utf-8")
        file.setFormatter(logging.Formatter("%(asctime)-15s %(levelname)s  %(message)s", "%a %d %b %Y %H:%M:%S"))
        file.addFilter(RemoveColorFilter())
        handlers.append(file)
    for handler in handlers:
        handler.setLevel(level)
        setattr(handler, RUN_LOG, True)
        root.addHandler(handler)
    root.setLevel(level)
