"""All runs of a comparison, several at a time, with the folder kept up to date."""

from __future__ import annotations

import json
import logging
import signal
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

import yaml

from recbole_dtlns.comparison.plan.plan import ComparisonPlan
from recbole_dtlns.comparison.run.chain import Chain
from recbole_dtlns.comparison.run.execute import FAILED_RUN, INTERRUPTED, Outcome, Runner
from recbole_dtlns.comparison.run.progress import Progress
from recbole_dtlns.comparison.run.records import (
    FAILED,
    PLAN,
    RUNS,
    Comparison,
    FailedRun,
    RunRecord,
    gather,
    make_record,
    read_failures,
)
from recbole_dtlns.comparison.run.runs import FIXED, Run, all_runs
from recbole_dtlns.comparison.run.same_inputs import SameInputs
from recbole_dtlns.comparison.run.summary import write_summary
from recbole_dtlns.engines.base import Engine
from recbole_dtlns.files.cache import write_atomically
from recbole_dtlns.files.run_folder import plain
from recbole_dtlns.wording import counted

logger = logging.getLogger(__name__)

_POLL = 0.5  # seconds after which a waiting main thread looks whether Ctrl-C has come


def write_plan(plan: ComparisonPlan, folder: Path) -> None:
    """Write `plan.yaml`, and `fixed.yaml`, the keys that every run of the comparison reads."""
    for name, content in ((PLAN, plan.as_dict()), (FIXED, dict(plan.fixed))):
        write_atomically(folder / name, yaml.safe_dump(plain(content), sort_keys=False, allow_unicode=True).encode())


class Book:
    """What is known of each run, written to the folder of the comparison whenever one ends.

    It begins with what an earlier start has left there, until the run is looked at again.
    """

    def __init__(self, plan: ComparisonPlan, folder: Path) -> None:
        self._plan, self._folder = plan, folder
        self._runs = all_runs(plan)
        earlier = gather(folder, plan, read_failures(folder))
        self._records = {record.run_id: record for record in earlier.runs}
        self._failures = {run.run_id: run.reason for run in earlier.failed}

    @property
    def records(self) -> list[RunRecord]:
        """Finished runs."""
        return list(self._records.values())

    @property
    def runs(self) -> list[Run]:
        """All runs of the plan, in its order."""
        return self._runs

    def drop(self, run: Run) -> None:
        """Forget a run that will not be made."""
        self._runs.remove(run)

    def enter(self, outcome: Outcome) -> None:
        """Keep what has become of a run; an interrupted one is still to come."""
        run = outcome.job.run
        if outcome.status == FAILED_RUN:
            self.lose(run, outcome.reason)
        elif outcome.result is not None:
            self._failures.pop(run.run_id, None)
            self._records[run.run_id] = make_record(run, self._folder / RUNS / run.run_id, outcome.result)

    def lose(self, run: Run, reason: str) -> None:
        """Keep that a run has failed, or cannot be made any more."""
        self._records.pop(run.run_id, None)
        self._failures[run.run_id] = reason

    def comparison(self) -> Comparison:
        """The comparison as far as it has come."""
        so_far = Comparison(self._folder, self._folder.resolve().name, self._plan)
        for run in self._runs:
            if run.run_id in self._records:
                so_far.runs.append(self._records[run.run_id])
            elif run.run_id in self._failures:
                home = self._folder / RUNS / run.run_id
                so_far.failed.append(FailedRun(run.run_id, home, self._failures[run.run_id]))
            else:
                so_far.pending.append(run.run_id)
        return so_far

    def write(self) -> None:
        """Write `summary.csv` and `failed.json`."""
        content = json.dumps(self._failures, indent=1, ensure_ascii=False) + "\n"
        write_atomically(self._folder / FAILED, content.encode())
        write_summary(self.comparison())


def carry_out(
    plan: ComparisonPlan,
    folder: Path,
    jobs: int,
    gpus: Sequence[str] = (),
    inherit: Sequence[int] = (),
    engine: Engine | None = None,
) -> Comparison:
    """Make every run of a plan that is not finished in the folder; failed ones stay failed and the rest goes on.

    Args:
        plan: already checked.
        folder: of the comparison; it holds what `write_plan` writes.
        jobs: runs at a time.
        gpus, inherit, engine: see `Runner`.

    Raises:
        KeyboardInterrupt: after the runs at work have saved their state; a second one kills them.
    """
    book = Book(plan, folder)
    runner = Runner(plan, folder, jobs, gpus, inherit, SameInputs(book.records), engine)
    waiting: dict[Future[Outcome], Chain] = {}
    finished = {record.run_id for record in book.records}
    progress = Progress(book.runs, jobs, lambda: min(jobs, len(waiting)), finished)
    chains = [Chain(plan, cell, folder) for cell in plan.cells()]
    with ThreadPoolExecutor(jobs) as pool, progress.shown():
        try:
            for chain in chains:
                waiting |= {pool.submit(runner, job): chain for job in chain.start()}
            while waiting:
                ended = wait(waiting, timeout=_POLL, return_when=FIRST_COMPLETED).done
                for future in ended:
                    chain, outcome = waiting.pop(future), future.result()
                    waiting |= {pool.submit(runner, job): chain for job in chain.after(outcome)}
                    _enter(book, progress, outcome)
                    _give_up(book, progress, chain)
                if ended:
                    book.write()
                progress.tick()
                progress.tell(runner.at_work())
        except KeyboardInterrupt:
            _wind_up(runner, book, list(waiting))
            raise
        except BaseException:
            runner.interrupt()
            raise
    book.write()
    return book.comparison()


def _enter(book: Book, progress: Progress, outcome: Outcome) -> None:
    if outcome.status != INTERRUPTED:
        book.enter(outcome)
        progress.ended_with(outcome)


def _give_up(book: Book, progress: Progress, chain: Chain) -> None:
    """Name the runs of a cell that cannot be made any more, and forget those that need not be, once."""
    while chain.lost:
        run, reason = chain.lost.popitem()
        book.lose(run, reason)
        progress.lost(run, reason)
    while chain.needless:
        run = chain.needless.pop()
        book.drop(run)
        progress.dropped(run)


def _wind_up(runner: Runner, book: Book, waiting: list[Future[Outcome]]) -> None:
    """Have the runs at work save their state, and keep what some of them still finish."""
    logger.warning("Interrupted. State is being saved (%s). Once more to end at once.", counted(runner.running, "run"))
    runner.interrupt()
    for future in waiting:
        future.cancel()
    try:
        while wait(waiting, timeout=_POLL).not_done:
            pass
    except KeyboardInterrupt:
        runner.interrupt(signal.SIGKILL)
        wait(waiting)
    for future in waiting:
        if not future.cancelled():
            book.enter(future.result())
    book.write()
