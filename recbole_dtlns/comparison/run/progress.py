"""What a user sees of the runs: a line for each that ends, and a bar on a terminal."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from recbole_dtlns.comparison.run.estimate import Estimate, spoken
from recbole_dtlns.comparison.run.execute import DONE, FAILED_RUN, Outcome
from recbole_dtlns.comparison.run.runs import Run

logger = logging.getLogger(__name__)


class Progress:
    """Counts runs that end.

    Args:
        runs: all runs of the comparison.
        jobs: runs at a time.
        running: gives the number of runs at work.
    """

    def __init__(self, runs: list[Run], jobs: int, running: Callable[[], int]) -> None:
        self.total, self.ended, self.failed = len(runs), 0, 0
        self._running, self._bar = running, None
        self._estimate = Estimate(((run.cell.dataset, run.cell.model) for run in runs), jobs)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show a bar while the block runs where stderr is a terminal; log lines go above it."""
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

    def ended_with(self, outcome: Outcome) -> None:
        """A run was done, found ready, or failed."""
        run = outcome.job.run
        failed = outcome.status == FAILED_RUN
        self._count(run, failed, None if failed else outcome.seconds)
        place = f"[{self.ended}/{self.total}]"
        if failed:
            logger.warning("%s failed: %s: %s; %s", place, run.run_id, outcome.reason, self._rest())
            return
        how = f"done in {spoken(outcome.seconds)}" if outcome.status == DONE else "found ready"
        logger.info("%s %s: %s; %s", place, how, run.run_id, self._rest())

    def lost(self, run: Run, reason: str) -> None:
        """A run cannot be made any more."""
        self._count(run, True, None)
        logger.warning("[%d/%d] not run: %s: %s", self.ended, self.total, run.run_id, reason)

    def dropped(self, run: Run) -> None:
        """A run will not be made: the search has ended without it."""
        self.total -= 1
        self._estimate.finished((run.cell.dataset, run.cell.model), None)
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
        to_go = "" if seconds is None or not left else f", about {spoken(seconds)} to go"
        return f"{left} left, {self._running()} running, {self.failed} failed{to_go}"
