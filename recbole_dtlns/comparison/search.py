"""Which settings of a row are tried on valid: drawn at random, all of a grid, or proposed by optuna."""

from __future__ import annotations

import itertools
import random
from typing import Any

from recbole_dtlns.comparison.optuna_trials import OptunaTrials
from recbole_dtlns.comparison.plan import ComparisonPlan
from recbole_dtlns.comparison.ranges import Range, parse_range
from recbole_dtlns.comparison.rows import Row
from recbole_dtlns.comparison.space import Space, ranges_of
from recbole_dtlns.errors import UserError

__all__ = ["KINDS", "OptunaTrials", "Range", "number_of_trials", "parse_range", "ranges_of", "trial_keys"]

KINDS = ("random", "grid", "optuna")


def trial_keys(row: Row, plan: ComparisonPlan) -> list[dict[str, Any]]:
    """The keys of each trial of a row, on top of its start values; the first is `{}`, the start values themselves.

    `random`: distinct draws, `plan.trials` in all or as many as there are. They depend on the row's name and on
    `split_seed` alone, not on the other rows. `grid`: combinations in order, at most `plan.trials`. `optuna`: `{}`
    alone, since `OptunaTrials` proposes the others one by one. A list of one means that there is nothing to choose.

    Raises:
        UserError: a range cannot be read, or a grid over a range without end.
    """
    space = Space(row, plan)
    if plan.search == "grid":
        _require_end(row, space)
        found = (keys for keys in space.all() if space.take(keys))
        return [{}, *itertools.islice(found, max(plan.trials - 1, 0))]
    if plan.search == "optuna":
        return [{}]
    generator = random.Random(f"{row.drawn_as} {plan.split_seed}")
    drawn = [space.draw(generator) for _ in range(number_of_trials(row, plan) - 1)]
    return [{}, *(keys for keys in drawn if keys is not None)]


def number_of_trials(row: Row, plan: ComparisonPlan) -> int:
    """How many trials a row gets, the start values among them; 1 means that there is nothing to choose."""
    if plan.search == "grid":
        return len(trial_keys(row, plan))
    return Space(row, plan).size(plan.trials) if plan.trials else 1


def _require_end(row: Row, space: Space) -> None:
    endless = [key for key, each in space.ranges.items() if each.options() is None]
    if endless:
        raise UserError(
            f"search=grid: {', '.join(endless)} of row {row.name} has a uniform range, which has no end of values. "
            "Give it as a choice, or use search=random."
        )
