"""`identify --engine=ray`: each command on the cluster judges a part of the users, and this one puts them together."""

from __future__ import annotations

import logging
import shutil
import signal
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recbole_dtlns.config.run_config import Config
from recbole_dtlns.engines.base import Child, Engine
from recbole_dtlns.engines.ray_cluster import RayOptions
from recbole_dtlns.engines.ray_engine import ray_engine
from recbole_dtlns.engines.reason import failure_reason
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.judges.base import Usage
from recbole_dtlns.false_negatives.judges.store import VerdictStore, open_store
from recbole_dtlns.files.cache import content_key
from recbole_dtlns.files.run_folder import RESULT, read_result
from recbole_dtlns.wording import counted

logger = logging.getLogger(__name__)

_FOLDER = "parts"
_POLL = 0.5  # seconds after which the main thread looks whether Ctrl-C has come
# A part decides nothing: this command does, from all verdicts.
_OWN_FLAGS = {"judge_report": "false", "judge_decision": "threshold", "export_verdicts": "none", "export_codes": "none"}


@dataclass(frozen=True)
class Spread:
    """How the users are divided.

    Attributes:
        flags: of the command, raw text by key, without those of the engine.
        options: of the cluster.
        jobs: number of parts; None: as many as the cluster has room for at a time.
    """

    flags: Mapping[str, str]
    options: RayOptions
    jobs: int | None

    @contextmanager
    def over(self, config: Config, run_dir: Path, cache_dir: Path) -> Iterator[Callable[[], Usage]]:
        """`judge_parts` of a run, to be called inside the block once candidates and trees are in the cache."""
        settings, declared = config.settings, config.method.declared
        unset = settings.judge_report is None
        report = declared.asks_model if unset else settings.judge_report
        report = report or settings.judge_decision == "calibrated"
        with ray_engine(self.options, run_dir) as engine:
            count = self.jobs or engine.slots
            flags = {**self.flags, "judge": config.method.judge}
            yield lambda: judge_parts(flags, engine, count, run_dir, cache_dir, with_report=bool(report))


def check_parts(config: Config, spread: Spread) -> None:
    """Raise UserError unless the users can be divided among several commands."""
    flags, options = spread.flags, spread.options
    settings, method = config.settings, config.method
    if method.declared.way != "asked":
        raise UserError(
            "--engine=ray divides the users of a judge that answers pair by pair (rule, keep_all, llm, server, yours); "
            f"judge={method.judge} is none. Name one with --judge. If judge={method.judge} asks such a judge "
            "(learned_from, student_teacher), that one's answers are kept and used again."
        )
    for key in ("shard", "llm_max_pairs", "verdict_store"):
        if settings[key] is not None:
            raise UserError(
                f"{key}={settings[key]} cannot stand with --engine=ray, which divides all users and gives each part a "
                "store of its own. Leave one of the two out."
            )
    if options.gpus and "gpu_id" in flags:
        raise UserError(
            f"--gpu_id={flags['gpu_id']} cannot stand with --task_gpus: Ray gives each part its GPU. Leave gpu_id out."
        )


def judge_parts(
    flags: Mapping[str, str], engine: Engine, count: int, run_dir: Path, cache_dir: Path, with_report: bool
) -> Usage:
    """Have all parts judged, and put their verdicts into the store of the data set; what language models were asked.

    A part that was judged before Ctrl-C or a crash is not judged again, and one that was begun goes on.

    Args:
        flags: of the command, see `Spread`.
        engine: starts the commands.
        count: number of parts.
        run_dir: of this command; folders of the parts lie in it, by what was asked for, until all are done.
        cache_dir: of the data set, with candidates and trees in it.
        with_report: whether the first part asks the questions of the judge's report too.

    Raises:
        UserError: a part has failed.
        KeyboardInterrupt: after the parts have saved their verdicts.
    """
    home = run_dir / _FOLDER / content_key(_FOLDER, {**flags, "count": str(count)})
    home.mkdir(parents=True, exist_ok=True)
    names = [f"{part}-of-{count}" for part in range(1, count + 1)]
    left = [name for name in names if not (home / name / RESULT).is_file()]
    commands = {name: _words(flags, name, home, with_report and name == names[0]) for name in left}
    logger.info("Judging %s of the users on the cluster.", counted(len(left), "part"))
    try:
        failed = _failed(engine, commands, home)
    finally:
        with open_store(cache_dir) as store:
            for path in sorted(home.parent.glob("*/*.sqlite")):  # those of an earlier command with other keys too
                with VerdictStore(path) as part:
                    store.take_up(part)
    if failed:
        raise UserError(f"{counted(len(failed), 'part')} of the users could not be judged. {'; '.join(failed)}")
    counts: list[Any] = [read_result(home / name)["identification"] or {} for name in names]
    shutil.rmtree(home.parent)
    return Usage(*(sum(int(count[key] or 0) for count in counts) for key in ("llm_calls", "prompt_tokens")))


def _output(home: Path, name: str) -> Path:
    return home / f"{name}.txt"


def _words(flags: Mapping[str, str], name: str, home: Path, with_report: bool) -> list[str]:
    own = {**flags, **_OWN_FLAGS, "shard": name.replace("-of-", "/")}
    own |= {"run_dir": str(home / name), "verdict_store": str(home / f"{name}.sqlite")}
    if with_report:
        own["judge_report"] = "true"
    return [sys.executable, "-m", "recbole_dtlns", "identify", *(f"--{key}={value}" for key, value in own.items())]


def _failed(engine: Engine, commands: Mapping[str, list[str]], home: Path) -> list[str]:
    """Have the parts judged; what went wrong in each that failed.

    Raises:
        KeyboardInterrupt: after all have ended. At Ctrl-C they save their verdicts, at a second one they end at once.
    """
    children: dict[str, Child] = {}
    with ThreadPoolExecutor(max(len(commands), 1)) as pool:
        ends: dict[str, Future[int]] = {}
        try:
            for name, words in commands.items():
                children[name] = engine.start(words, _output(home, name))
                ends[name] = pool.submit(children[name].wait)
            _wait(ends.values())
        except KeyboardInterrupt:
            logger.warning("Interrupted. Verdicts are being saved. Once more to end at once.")
            _stop(children, signal.SIGINT)
            try:
                _wait(ends.values())
            except KeyboardInterrupt:
                _stop(children, signal.SIGKILL)
            raise
        except BaseException:
            _stop(children, signal.SIGINT)
            raise
    statuses = {name: end.result() for name, end in ends.items()}
    return [f"{name}: {failure_reason(status, _output(home, name))}" for name, status in statuses.items() if status]


def _wait(ends: Collection[Future[int]]) -> None:
    while wait(ends, timeout=_POLL).not_done:
        pass


def _stop(children: Mapping[str, Child], number: int) -> None:
    for child in children.values():
        child.send_signal(number)
