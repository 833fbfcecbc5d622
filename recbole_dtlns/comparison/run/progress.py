"""What a user sees of the runs: a line for each that ends, one now and then while it works, a bar on a terminal."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from recbole_dtlns.comparison.run.at_work import AtWork
from recbole_dtlns.comparison.run.estimate import Estimate, spoken
from recbole_dtlns.comparison.run.execute import FAILED_RUN, READY, Outcome
from recbole_dtlns.comparison.run.runs import Run
from recbole_dtlns.wording import counted

logger = logging.getLogger(__name__)

_TOLD_EVERY = 300  # seconds of a run, after which a line says how far it is


class Progress:
    """Counts runs that end.

    Args:
        runs: all runs of the comparison.
        jobs: runs at a time.
        running: gives the number of runs at work, those that are found finished among them.
        finished: ids of runs that have a result from before; they are not counted, unless that result is refused.
    """

    def __init__(self, runs: list[Run], jobs: int, running: Callable[[], int], finished: Collection[str] = ()) -> None:
        self._finished = {run.run_id for run in runs if run.run_id in finished}
        self.total, self.ended, self.failed = len(runs) - len(self._finished), 0, 0
        self._running, self._bar = running, None
        self._told: dict[str, int] = {}  # lines about a run at work so far
        self._estimate = Estimate(((run.cell.dataset, run.cell.model) for run in runs), jobs)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Say what there is to do, and show a bar while the block runs where stderr is a terminal."""
        before = f"; {counted(len(self._finished), 'run')} finished before" if self._finished else ""
        logger.info("%s to make%s.", counted(self.total, "run"), before)
        if not sys.stderr.isatty():
            yield
            return
        with tqdm(total=self.total, unit="run", bar_format="{desc} |{bar}| {elapsed}") as bar, logging_redirect_tqdm():
            self._bar = bar
            self.tick()
            yield

    def tick(self) -> None:
        """Bring the bar up to date; called while runs are at work."""
        if self._bar is not None:
            self._bar.set_description_str(f"{self.ended}/{self.total} runs, {self._rest()}")

    def tell(self, at_work: Iterable[AtWork]) -> None:
        """Say how far each run is that has been at work for another five minutes."""
        for run in at_work:
            due = int(run.seconds / _TOLD_EVERY)
            if due > self._told.get(run.run_id, 0):
                logger.info("%s", run.line())
            self._told[run.run_id] = due

    def ended_with(self, outcome: Outcome) -> None:
        """A run was done, found ready, or failed; one found ready is no progress."""
        run = outcome.job.run
        if outcome.status == READY:
            if run.run_id not in self._finished:  # it was noted as failed, and its result can be used after all
                self._resize(-1)
            self._estimate.finished((run.cell.dataset, run.cell.model), outcome.seconds)
            self.tick()
            return
        self._recount(run)
        failed = outcome.status == FAILED_RUN
        self._count(run, failed, None if failed else outcome.seconds)
        place = f"[{self.ended}/{self.total}]"
        if failed:
            logger.warning("%s failed: %s: %s; %s", place, run.run_id, outcome.reason, self._rest())
            return
        logger.info("%s done in %s: %s; %s", place, spoken(outcome.seconds), run.run_id, self._rest())

    def lost(self, run: Run, reason: str) -> None:
        """A run cannot be made any more."""
        self._recount(run)
        self._count(run, True, None)
        logger.warning("[%d/%d] not run: %s: %s", self.ended, self.total, run.run_id, reason)

    def dropped(self, run: Run) -> None:
        """A run will not be made: the search has ended without it."""
        self._recount(run)
        self._resize(-1)
        self._estimate.finished((run.cell.dataset, run.cell.model), None)

    def _recount(self, run: Run) -> None:
        """Count a run that was taken to be finished and is not."""
        if run.run_id in self._finished:
            self._finished.remove(run.run_id)
            self._resize(1)

    def _resize(self, change: int) -> None:
        self.total += change
        if self._bar is not None:
            self._bar.total = self.total

    def _count(self, run: Run, failed: bool, seconds: float | None) -> None:
        self.ended += 1
        self.failed += failed
        self._estimate.finished((run.cell.dataset, run.cell.model), seconds)
        if self._bar is not None:
            self._bar.update()
            self.tick()

    def _rest(self) -> str:
        left, seconds = self.total - self.ended, self._estimate.seconds_left()
        running = min(self._running(), left)  # of those that are looked at, some were finished before
        to_go = "" if seconds is None or not left else f", about {spoken(seconds)} to go"
        return f"{left} left, {running} running, {self.failed} failed{to_go}"
