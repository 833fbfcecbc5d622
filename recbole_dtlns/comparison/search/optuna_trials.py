"""Trials that optuna proposes one by one, from the scores of those before."""

from __future__ import annotations

import importlib.util
import math
import random
import zlib
from typing import Any

from recbole_dtlns.comparison.plan.plan import ComparisonPlan
from recbole_dtlns.comparison.plan.rows import Row
from recbole_dtlns.comparison.search.search import Range, Space
from recbole_dtlns.errors import UserError

_RANDOM_TRIALS = 5  # optuna's TPE draws this many at random before it looks at scores; its own 10 leave few to learn
_ASKS = 50  # proposals in a row that bring nothing new, after which one is drawn at random


def require_optuna() -> None:
    """Raise UserError unless optuna is installed."""
    if importlib.util.find_spec("optuna") is None:
        raise UserError("search=optuna needs optuna: pip install 'recbole-dtlns[tune]', or use search=random.")


class OptunaTrials:
    """`ask` for the keys of a trial, run it, `tell` its score on valid; then ask again.

    The seed depends on `row.drawn_as` and `split_seed`. Asking and telling finished trials again, in order, leads
    to the same next trial, so that an interrupted search goes on.

    Args:
        row: what is tuned.
        plan: gives the ranges and the number of trials.

    Raises:
        UserError: optuna is not installed.
    """

    def __init__(self, row: Row, plan: ComparisonPlan) -> None:
        require_optuna()
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        seed = zlib.crc32(f"{row.drawn_as} {plan.split_seed}".encode())
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=_RANDOM_TRIALS)
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._space = Space(row, plan)
        self._wanted = self._space.size(plan.trials) if plan.trials else 1
        self._generator = random.Random(seed)
        self._distributions = {key: _distribution(each) for key, each in self._space.ranges.items()}
        self._asked = 0
        self._open: Any = None
        self._worst: float | None = None

    def ask(self) -> dict[str, Any] | None:
        """Keys of the next trial on top of the start values, `{}` first; None after the last (`number_of_trials`)."""
        if self._asked == 0:
            self._asked = 1
            return {}
        if self._asked >= self._wanted:
            return None
        for _ in range(_ASKS):
            trial = self._study.ask(self._distributions)
            keys = {key: self._value(key, value) for key, value in trial.params.items()}
            if self._space.take(keys):
                self._asked, self._open = self._asked + 1, trial
                return keys
            self._refuse(trial)
        drawn = self._space.draw(self._generator)
        if drawn is not None:
            self._study.enqueue_trial({key: self._point(key, value) for key, value in drawn.items()})
            self._asked, self._open = self._asked + 1, self._study.ask(self._distributions)
        return drawn

    def tell(self, score: float | None) -> None:
        """The score on valid of the trial asked for last, the more the better; None where it failed.

        A failed one counts as the worst so far: from trials without a value optuna learns nothing, so it would ask for
        their like again.
        """
        if score is not None:
            self._worst = min(score, score if self._worst is None else self._worst)
        value = self._worst if score is None else score
        if self._open is None:
            self._tell_start(value)
        elif value is None:
            self._refuse(self._open)
        else:
            self._study.tell(self._open, value)
        self._open = None

    def _refuse(self, trial: Any) -> None:
        import optuna

        self._study.tell(trial, state=optuna.trial.TrialState.FAIL)

    def _tell_start(self, score: float | None) -> None:
        """Start values teach optuna something where they lie in the ranges."""
        import optuna

        start = {key: self._point(key, value) for key, value in self._space.start.items()}
        if score is None or len(start) < len(self._distributions) or None in start.values() or not start:
            return
        self._study.add_trial(
            optuna.trial.create_trial(params=start, distributions=self._distributions, value=float(score))
        )

    def _value(self, key: str, point: Any) -> Any:
        """The value of a key from optuna's point; a choice is its position, so that options may be lists."""
        each = self._space.ranges[key]
        return each.values[point] if each.kind == "choice" else each.rounded(point)

    def _point(self, key: str, value: Any) -> Any:
        """Optuna's point of a value; None where it is outside the range."""
        each = self._space.ranges[key]
        if each.kind == "choice":
            return each.values.index(value) if value in each.values else None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        if each.kind == "loguniform":
            if value <= 0:
                return None
            value = math.log(value)
        if each.kind == "quniform" and value not in (each.options() or []):
            return None
        low, high = float(each.values[0]), float(each.values[1])
        slack = 1e-5 * max(abs(low), abs(high))  # values have six digits
        return min(max(float(value), low), high) if low - slack <= value <= high + slack else None


def _distribution(each: Range) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if each.kind == "choice":
        return CategoricalDistribution(range(len(each.values)))
    if each.kind == "quniform":
        options = each.options() or []
        return FloatDistribution(float(options[0]), float(options[-1]), step=float(each.values[2]))
    return FloatDistribution(float(each.values[0]), float(each.values[1]))
