"""Samplers, judges, models and data sets side by side."""

from __future__ import annotations

import datetime
import logging
import secrets
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from recbole_dtlns.commands.arguments import config_files, flags, taken
from recbole_dtlns.commands.engine_flags import taken_engine
from recbole_dtlns.config.config_files import raw_value
from recbole_dtlns.config.parsers import flag, or_none, whole
from recbole_dtlns.errors import UserError

if TYPE_CHECKING:
    from recbole_dtlns.comparison.plan.plan import ComparisonPlan
    from recbole_dtlns.engines.base import Engine

logger = logging.getLogger(__name__)

_SHORT = {"-m": "--models", "-d": "--datasets"}
LOG, LOCK = "compare.log", "compare.lock"


def main(arguments: list[str]) -> int:
    """Run `compare --datasets=A,B [--models=..] [--samplers=..] [--judges=..] [--seeds=..] [--plan=FILE] ...`.

    Returns:
        0, or 1 if a run has failed; the tables are written in both cases.

    Raises:
        UserError: the plan cannot be carried out; found before any work.
        KeyboardInterrupt: after the runs at work have saved their state.
    """
    from recbole_dtlns.comparison.plan.cell_config import check_cells
    from recbole_dtlns.comparison.plan.plan_file import make_plan
    from recbole_dtlns.comparison.report import require_packages
    from recbole_dtlns.comparison.run.records import PLAN
    from recbole_dtlns.comparison.search.optuna_trials import require_optuna
    from recbole_dtlns.engines.ray_engine import ray_engine

    given = flags(arguments, _SHORT)
    files = config_files(given)
    dry_run = taken(given, "dry_run", flag, "false")
    on_ray = taken_engine(given)
    gpus = [name.strip() for name in given.pop("gpus", "").split(",") if name.strip()]
    wanted = taken(given, "jobs", or_none(whole(1)), "")
    jobs = wanted or len(gpus) or 1
    folder = run_folder(given.pop("run_dir", None))
    if not {"plan", "datasets"} & set(given) and (folder / PLAN).is_file():
        given["plan"] = str(folder / PLAN)
    plan = make_plan(given, files)
    if plan.search == "optuna":
        require_optuna()
    notes = check_cells(plan)
    if on_ray is not None:
        _check_for_ray(plan, gpus)
    if dry_run:
        return _dry_run(plan, folder, jobs, gpus, notes)
    require_packages()
    if on_ray is None:
        return _compare(plan, folder, jobs, gpus, notes)
    with ray_engine(on_ray, folder) as engine:
        return _compare(plan, folder, wanted or engine.slots, gpus, notes, engine)


def _check_for_ray(plan: ComparisonPlan, gpus: list[str]) -> None:
    if gpus:
        raise UserError(
            f"--gpus={','.join(gpus)} numbers the GPUs of this machine, and with --engine=ray runs go to others. Say "
            "how many GPUs a run takes: --task_gpus=1."
        )
    if raw_value("verdict_store", plan.fixed, plan.config_files) is not None:
        raise UserError(
            "verdict_store cannot be set with --engine=ray: each machine keeps its verdicts in a file of its own in "
            "cache_dir. Leave it out."
        )


def run_folder(run_dir: str | None) -> Path:
    """The folder of the comparison, not made yet: the one asked for, or a fresh `saved/compare-TIME-xxxx`.

    Raises:
        UserError: it is a file, belongs to a single run, finished or not, or has a space in its name.
    """
    from recbole_dtlns.files.run_folder import CHECKPOINT, COMPARISON, CONFIG, LOG, RESULT

    if run_dir is None:
        stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
        return Path("saved") / f"compare-{stamp}-{secrets.token_hex(2)}"
    folder = Path(run_dir)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"run_dir={folder} is a file; give the path of a folder.")
    both = (folder / COMPARISON).is_file()
    if (folder / RESULT).is_file():
        aside = f", or move the files of the run elsewhere: {RESULT}, {CONFIG}, {CHECKPOINT}, {LOG}" if both else ""
        raise UserError(f"{folder} holds a single run. Choose another run_dir for the comparison{aside}.")
    if (folder / LOG).is_file() and not both:
        raise UserError(f"{folder} holds a single run that is not finished. Choose another run_dir for the comparison.")
    if len(run_dir.split()) != 1:  # config_files, which names a file in it, is a list separated by spaces
        raise UserError(f"run_dir={run_dir!r} has a space in it. Choose a name without one.")
    return folder


def _dry_run(plan: ComparisonPlan, folder: Path, jobs: int, gpus: list[str], notes: list[str]) -> int:
    from recbole_dtlns.comparison.run.outlook import cost_text, plan_text
    from recbole_dtlns.comparison.run.reuse import so_far

    comparison, reason = so_far(folder, plan)
    print("\n".join([plan_text(comparison, plan), *notes]), flush=True)
    print(f"A start is refused. {reason}" if reason else cost_text(comparison, plan, jobs, gpus))
    return 0


def _compare(
    plan: ComparisonPlan, folder: Path, jobs: int, gpus: list[str], notes: list[str], engine: Engine | None = None
) -> int:
    from recbole_dtlns.comparison.report import PARTS, write_report
    from recbole_dtlns.comparison.report.standings import standings_text
    from recbole_dtlns.comparison.run.campaign import carry_out, write_plan
    from recbole_dtlns.comparison.run.reuse import reason_to_refuse
    from recbole_dtlns.comparison.run.summary import SUMMARY
    from recbole_dtlns.files.owner import only_one
    from recbole_dtlns.files.partial import clear_partials
    from recbole_dtlns.files.run_log import start_log

    with only_one(folder, LOCK, "Another compare, or a run that one has left behind,") as lock, interruptible():
        if reason := reason_to_refuse(folder, plan):
            raise UserError(reason)
        clear_partials(folder, folder / PARTS)
        start_log(folder / LOG, "INFO")
        write_plan(plan, folder)
        logger.info("Folder of the comparison: %s", folder)
        for note in notes:
            logger.warning(note)
        if engine is not None:
            logger.info("Runs go to the machines of a Ray cluster, %d at a time.", jobs)
        comparison = carry_out(plan, folder, jobs, gpus, inherit=(lock,), engine=engine)
        page = write_report(comparison, folder)
        standings = standings_text(comparison)
        if standings:
            logger.info("Rows by test, the best first.\n%s", standings)
        logger.info("Wrote to %s: %s, %s, %s/ and runs/, a folder a run.", folder, SUMMARY, page.name, PARTS)
        logger.info("Next: open %s, or recbole-dtlns recommend FOLDER_OF_A_RUN --topk=20.", page)
    for run in comparison.failed:
        sys.stderr.write(f"recbole-dtlns: {run.run_id} failed: {run.reason}\n")
    return 1 if comparison.failed else 0


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block as Ctrl-C does, and Ctrl-C also where a shell has switched it off.

    Where SIGHUP is ignored it stays so: under nohup the end of the terminal is not the end of the comparison. Windows
    has no SIGHUP.
    """
    numbers = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, _interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
