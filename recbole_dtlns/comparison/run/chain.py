"""What a cell does one after the other: trials, the best of them on valid, all seeds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recbole_dtlns.comparison.plan.plan import Cell, ComparisonPlan
from recbole_dtlns.comparison.run.execute import FAILED_RUN, INTERRUPTED, Job, Outcome
from recbole_dtlns.comparison.run.records import CHOSEN, RUNS
from recbole_dtlns.comparison.run.runs import Run, seeds_of, trials_of
from recbole_dtlns.comparison.search.optuna_trials import OptunaTrials
from recbole_dtlns.comparison.search.search import trial_keys
from recbole_dtlns.files.cache import write_atomically
from recbole_dtlns.files.run_folder import plain


class Chain:
    """The jobs of one cell: `start` gives the first ones, `after` those that an outcome makes possible.

    Attributes:
        lost: runs that cannot be made any more, with the reason.
        needless: trials that will not be made, as the search has run out of settings to try.
    """

    def __init__(self, plan: ComparisonPlan, cell: Cell, folder: Path) -> None:
        self._plan, self._cell = plan, cell
        self._home = folder / RUNS / cell.folder
        self._trials, self._outcomes = trials_of(plan, cell), list[Outcome]()
        self._optuna: OptunaTrials | None = None
        self.lost: dict[Run, str] = {}
        self.needless: list[Run] = []

    def start(self) -> list[Job]:
        """All trials, the first one where each depends on those before it, or all seeds where nothing is tried."""
        if not self._trials:
            return self._seeds({})
        if self._plan.search == "optuna":
            self._optuna = OptunaTrials(self._cell.row, self._plan)
            return self._ask()
        tried = trial_keys(self._cell.row, self._plan)
        return [Job(run, keys) for run, keys in zip(self._trials, tried, strict=True)]

    def after(self, outcome: Outcome) -> list[Job]:
        """Jobs that can be done now that this one has ended."""
        if outcome.job.run.trial is None or outcome.status == INTERRUPTED:
            return []
        self._outcomes.append(outcome)
        if self._optuna is not None:
            self._optuna.tell(outcome.score)
            return self._ask() or self._choose()
        return self._choose() if len(self._outcomes) == len(self._trials) else []

    def _ask(self) -> list[Job]:
        """The next trial that optuna proposes; nothing where there are enough, or no more to be had."""
        left = self._trials[len(self._outcomes) :]
        keys = self._optuna.ask() if self._optuna is not None and left else None
        if keys is None:
            self.needless = left
            return []
        return [Job(left[0], keys)]

    def _choose(self) -> list[Job]:
        """The best trial on valid goes on to all seeds; the earlier one of equals."""
        order = sorted(self._outcomes, key=lambda outcome: outcome.job.run.trial or 0)
        scored = [(outcome.score, outcome.job) for outcome in order if outcome.score is not None]
        if not scored:
            reasons = [outcome.reason for outcome in order if outcome.status == FAILED_RUN]
            why = reasons[0] if reasons else "they have no value of the valid metric"
            reason = f"None of the {len(order)} trials of this cell can be chosen, so it has no seeds to run: {why}"
            self.lost = dict.fromkeys(seeds_of(self._plan, self._cell), reason)
            return []
        best = max(scored, key=lambda pair: pair[0])[1]
        scores = [{"trial": job.run.trial, "score": score, "keys": plain(job.keys)} for score, job in scored]
        content = {"trial": best.run.trial, "keys": plain(best.keys), "scores": scores}
        write_atomically(self._home / CHOSEN, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())
        return self._seeds(best.keys)

    def _seeds(self, keys: Mapping[str, Any]) -> list[Job]:
        return [Job(run, keys) for run in seeds_of(self._plan, self._cell)]
