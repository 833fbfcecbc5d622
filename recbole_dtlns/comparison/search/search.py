"""Which settings of a row are tried on valid: drawn at random, all of a grid, or proposed by optuna."""

from __future__ import annotations

import itertools
import random
from typing import Any

from recbole_dtlns.comparison.plan.plan import ComparisonPlan
from recbole_dtlns.comparison.plan.rows import Row
from recbole_dtlns.comparison.search.optuna_trials import OptunaTrials
from recbole_dtlns.comparison.search.ranges import Range, parse_range
from recbole_dtlns.comparison.search.space import Space, keys_of_lists, ranges_of
from recbole_dtlns.errors import UserError

__all__ = ["KINDS", "OptunaTrials", "Range", "number_of_trials", "parse_range", "ranges_of", "trial_keys"]

KINDS = ("random", "grid", "optuna")


def trial_keys(row: Row, plan: ComparisonPlan) -> list[dict[str, Any]]:
    """The keys of each trial of a row, on top of its start values; the first is `{}`, the start values themselves.

    `random`: distinct draws, `plan.trials` in all or as many as there are. They depend on the row's name and on
    `split_seed` alone, not on the other rows; a row on lists draws the keys of the list loss beside them.
    `grid`: combinations in order, at most `plan.trials`. `optuna`: `{}` alone, since `OptunaTrials` proposes the others
    one by one. A list of one means that there is nothing to choose.

    Raises:
        UserError: a range cannot be read, or a grid over a range without end.
    """
    space = Space(row, plan)
    if plan.search == "grid":
        _require_end(row, space)
        combinations = (keys for keys in space.all() if space.take(keys))
        return [{}, *itertools.islice(combinations, max(plan.trials - 1, 0))]
    if plan.search == "optuna":
        return [{}]
    return [{}, *_drawn(row, plan, number_of_trials(row, plan) - 1)]


def _drawn(row: Row, plan: ComparisonPlan, number: int) -> list[dict[str, Any]]:
    """So many distinct settings at random; the keys of the list loss are drawn apart.

    A row then tries the same values of its own keys whether it trains on lists or not. Where these are fewer, they come
    again with other values of the list loss.
    """
    lists, seed = keys_of_lists(row, plan), plan.split_seed
    own = Space(row, plan, without=lists)
    generator = random.Random(f"{row.drawn_as} {seed}")
    drawn = list(itertools.islice(iter(lambda: own.draw(generator), None), number))
    if not lists:
        return drawn
    space, generator = Space(row, plan), random.Random(f"lists {seed}")
    again = itertools.chain(drawn, itertools.cycle([own.start, *drawn]))
    settings = (space.draw(generator, keys) for keys in itertools.islice(again, number))
    return [keys for keys in settings if keys is not None]


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
