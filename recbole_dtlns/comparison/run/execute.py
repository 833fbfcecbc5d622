"""One run of a comparison: found finished, or made by a process of its own."""

from __future__ import annotations

import itertools
import logging
import math
import queue
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recbole_dtlns.comparison.plan.plan import ComparisonPlan
from recbole_dtlns.comparison.run.at_work import AtWork
from recbole_dtlns.comparison.run.config_of_run import run_config
from recbole_dtlns.comparison.run.records import RUNS, WHAT_TO_DO, UnfitRun, trained_result
from recbole_dtlns.comparison.run.runs import Run, command
from recbole_dtlns.comparison.run.same_inputs import SameInputs, plugins_of
from recbole_dtlns.config.config_files import read_yaml
from recbole_dtlns.config.plugins import loaded_content
from recbole_dtlns.config.run_config import Config
from recbole_dtlns.engines.base import Child, Engine
from recbole_dtlns.engines.local import LocalEngine
from recbole_dtlns.engines.reason import failure_reason
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.owner import RUN_LOCK
from recbole_dtlns.files.result_schema import Result
from recbole_dtlns.files.run_folder import CHECKPOINT, CONFIG, RESULT, cache_folder, config_hash, identity_keys
from recbole_dtlns.training.resume import RESUME
from recbole_dtlns.version import __version__

logger = logging.getLogger(__name__)

STDERR = "stderr.txt"
DONE, READY, FAILED_RUN, INTERRUPTED = "done", "ready", "failed", "interrupted"
_DIFFERENCES = 5  # that an error message lists


@dataclass(frozen=True)
class Job:
    """A run and the keys that the search tries in it, or has chosen for it."""

    run: Run
    keys: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        job: what was to be done.
        status: `done`; `ready`, it was found finished; `failed`; or `interrupted`, to be gone on with at another time.
        seconds: it took, of the clock.
        result: its `result.json` where it is done or ready.
        score: the valid metric of early stopping, with the sign that makes more better; None where there is none.
        reason: of a failure.
    """

    job: Job
    status: str
    seconds: float = 0.0
    result: Result | None = None
    score: float | None = None
    reason: str = ""


class Runner:
    """Makes runs, several at a time where it is called from several threads.

    Args:
        plan: of the comparison.
        folder: of the comparison.
        jobs: number of runs at a time.
        gpus: numbers of the GPUs to deal out, one a run; empty leaves the device to the configuration.
        inherit: file descriptors that the processes hold open too.
        same_inputs: what the runs found at the start were made from.
        engine: where the runs are made; None: in processes of this machine.
    """

    def __init__(
        self,
        plan: ComparisonPlan,
        folder: Path,
        jobs: int,
        gpus: Sequence[str] = (),
        inherit: Sequence[int] = (),
        same_inputs: SameInputs | None = None,
        engine: Engine | None = None,
    ) -> None:
        self._plan, self._folder = plan, folder
        self._same_inputs = same_inputs or SameInputs()
        self._engine = engine or LocalEngine(jobs, bool(gpus), inherit)
        self._slots: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        for slot in itertools.islice(itertools.cycle(gpus or [None]), jobs):
            self._slots.put(slot)
        self._lock, self._configuring = threading.Lock(), threading.Lock()
        self._children: dict[Child, AtWork] = {}
        self._stopped = False

    @property
    def running(self) -> int:
        """Number of processes at work."""
        return len(self._children)

    def at_work(self) -> list[AtWork]:
        """Runs whose processes are at work."""
        with self._lock:
            return list(self._children.values())

    def __call__(self, job: Job) -> Outcome:
        """Make a run unless it is finished; an error stands in the outcome and is not raised."""
        home = self._folder / RUNS / job.run.run_id
        try:
            with self._configuring:  # RecBole's Config changes the environment
                config = run_config(self._plan, job.run, job.keys)
            if (home / RESULT).is_file():
                result = reusable_result(home, config)
                return self._finished(job, READY, run_seconds(result), result, config)
            return self._make(job, home, config)
        except (UserError, OSError) as error:
            return Outcome(job, FAILED_RUN, reason=str(error))
        except Exception as error:  # one run must never end the others
            logger.exception("%s failed in a way that was not foreseen.", job.run.run_id)
            return Outcome(job, FAILED_RUN, reason=f"{type(error).__name__}: {error}")

    def _finished(self, job: Job, status: str, seconds: float, result: Result, config: Config) -> Outcome:
        """The outcome of a finished run; files of it that nobody needs any more are removed.

        A run that outlived a killed comparison, or was killed behind its result, is found finished with its output,
        checkpoint, saved state and lock still there.
        """
        home = self._folder / RUNS / job.run.run_id
        self._same_inputs.check(job.run.cell.dataset, job.run.cell.model, result, home)
        for left in (STDERR, RESUME, RUN_LOCK):
            (home / left).unlink(missing_ok=True)
        if job.run.trial is not None:
            (home / CHECKPOINT).unlink(missing_ok=True)
        return Outcome(job, status, seconds, result, valid_score(result, config))

    def interrupt(self, number: int = signal.SIGINT) -> None:
        """Start no more runs, and send a signal to those at work: at SIGINT they save their state."""
        with self._lock:
            self._stopped = True
            for child in self._children:
                child.send_signal(number)

    def _make(self, job: Job, home: Path, config: Config) -> Outcome:
        home.mkdir(parents=True, exist_ok=True)
        slot, started = self._slots.get(), time.perf_counter()
        try:
            words = command(self._plan, job.run, job.keys, self._folder, slot)
            words += self._engine.flags(cache_folder(config.settings.cache_dir, config.dataset))
            status = self._status(words, AtWork(job.run.run_id, home, config["epochs"], config["valid_metric"]))
        finally:
            self._slots.put(slot)
        seconds = time.perf_counter() - started
        # A process may be lost behind its result, the last that it writes. A result may also be of another start, or of
        # another version, installed since the comparison began.
        if status == 0 or (home / RESULT).is_file():
            return self._finished(job, DONE, seconds, reusable_result(home, config), config)
        if self._stopped or status is None:
            (home / STDERR).unlink(missing_ok=True)
            return Outcome(job, INTERRUPTED, seconds)
        return Outcome(job, FAILED_RUN, seconds, reason=failure_reason(status, home / STDERR))

    def _status(self, words: list[str], run: AtWork) -> int | None:
        """Start a command and wait for its end: its exit status; None where no more are started."""
        with self._lock:
            if self._stopped:
                return None
            child = self._engine.start(words, run.home / STDERR)
            self._children[child] = run
        try:
            return child.wait()
        finally:
            with self._lock:
                del self._children[child]


def reusable_result(home: Path, config: Config) -> Result:
    """The `result.json` of a finished run.

    Raises:
        UserError: as `require_reusable`, or it is damaged.
    """
    result = trained_result(home)
    require_reusable(result, home, config)
    return result


def require_reusable(result: Result, home: Path, config: Config) -> None:
    """Refuse the result of a finished run that does not fit its configuration.

    Raises:
        UnfitRun: it was made by another version of this package, under another configuration, or with another content
            of a plugin than what is loaded now.
        UserError: the configuration that it was made under is damaged.
    """
    made_by = result["versions"].get("recbole_dtlns")
    if made_by != __version__:
        raise UnfitRun(f"{home} was made by version {made_by} of recbole_dtlns; this is {__version__}. {WHAT_TO_DO}")
    if not (home / CONFIG).is_file():
        raise UserError(f"{home} holds a result but no {CONFIG}. {WHAT_TO_DO}")
    recorded, wanted = read_yaml(home / CONFIG), config.resolved()
    if not recorded:
        raise UserError(f"{home / CONFIG} is empty. {WHAT_TO_DO}")
    if config_hash(recorded) != config_hash(wanted):
        raise UnfitRun(f"{home} holds a run under another configuration: {differences(recorded, wanted)}. {WHAT_TO_DO}")
    loaded = dict(loaded_content(config.settings.plugins))
    for path, made in plugins_of(result).items():
        if loaded.get(path, made) != made:
            raise UnfitRun(
                f"{home} was made with another content of the plugin {path}: the sha256 was {made[:12]}, now it is "
                f"{loaded[path][:12]}. Restore the plugin. {WHAT_TO_DO}"
            )


def differences(recorded: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """`epochs is 5, the plan asks for 9`, and so on for the first few keys that differ."""
    there, asked = identity_keys(recorded), identity_keys(wanted)
    keys = [key for key in sorted({*there, *asked}) if there.get(key) != asked.get(key)]
    texts = [f"{key} is {there.get(key)}, the plan asks for {asked.get(key)}" for key in keys[:_DIFFERENCES]]
    return "; ".join(texts) + (f"; and {len(keys) - _DIFFERENCES} more keys" if len(keys) > _DIFFERENCES else "")


def valid_score(result: Result, config: Config) -> float | None:
    """The valid metric of a run, negative where less of it is better; None where the result has none."""
    value = (result["best_valid_result"] or {}).get(str(config["valid_metric"]).lower())
    if value is None or math.isnan(value):
        return None
    return float(value) if config["valid_metric_bigger"] else -float(value)


def run_seconds(result: Result) -> float:
    """Seconds of all stages of a run; those of sampling are among those of training."""
    seconds: Mapping[str, Any] = result["seconds"]
    return float(sum(value for stage, value in seconds.items() if stage != "sampling" and value is not None))
