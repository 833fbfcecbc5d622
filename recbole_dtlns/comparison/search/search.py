"""What a row may try: ranges of values, the space of its settings, and which of them are tried on valid.

Ranges have the syntax of RecBole's hyper files. Settings are drawn at random, are all of a grid, or come from optuna.
"""

from __future__ import annotations

import ast
import itertools
import math
import random
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recbole_dtlns.comparison.plan.plan import ComparisonPlan
from recbole_dtlns.comparison.plan.rows import METHOD, Row
from recbole_dtlns.config.config_files import raw_value, read_yaml
from recbole_dtlns.config.recbole_files import recbole_folder
from recbole_dtlns.config.settings import Settings
from recbole_dtlns.config.stock_kinds import is_number
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.shipped import PROPERTIES

KINDS = ("random", "grid", "optuna")
_SYNTAX = "choice [5,10], uniform 0.1,0.9, loguniform -9,-3 (powers of e) or quniform 2,10,2 (low, high, step)"
_BOUNDS = {"uniform": 2, "loguniform": 2, "quniform": 3}
_SLACK = 1e-9  # of a step: 0.3 / 0.1 is below 3
_LISTS = "loss/list"
_DRAWS = 1000  # in a row that bring nothing new, as in RecBole; then the first untried settings are taken


@dataclass(frozen=True)
class Range:
    """Values worth trying for one key.

    Attributes:
        kind: `choice`, `uniform`, `loguniform` (bounds are powers of e, as in hyperopt) or `quniform`.
        values: the options of a choice, or low and high and, for quniform, the step, of which multiples are tried.
    """

    kind: str
    values: tuple[Any, ...]

    def draw(self, generator: random.Random) -> Any:
        """One value at random."""
        if self.kind == "choice":
            return generator.choice(self.values)
        return self.rounded(generator.uniform(self.values[0], self.values[1]))

    def rounded(self, value: float) -> Any:
        """A point between low and high as the value of the key, with six digits that go through a command line."""
        if self.kind == "loguniform":
            return float(f"{math.exp(value):.6g}")
        if self.kind == "uniform":
            return float(f"{value:.6g}")
        step, (first, last) = self.values[2], self._multiples()
        point = float(f"{min(max(round(value / step), first), last) * step:.10g}")
        return int(point) if float(step).is_integer() else point

    def options(self) -> list[Any] | None:
        """Every value, in order; None where there is no end of them."""
        if self.kind == "choice":
            return list(self.values)
        if self.kind != "quniform":
            return None
        first, last = self._multiples()
        return [self.rounded(number * self.values[2]) for number in range(first, last + 1)]

    def _multiples(self) -> tuple[int, int]:
        """The first and the last multiple of the step between low and high, as multiples."""
        low, high, step = self.values
        return math.ceil(low / step - _SLACK), math.floor(high / step + _SLACK)


def parse_range(key: str, text: Any) -> Range:
    """A range such as `choice [5,10]`.

    Raises:
        UserError: it cannot be read, is empty, or its bounds are the wrong way round.
    """
    kind, _, rest = str(text).strip().replace("[", " [", 1).partition(" ")
    if not isinstance(text, str) or kind not in {"choice", *_BOUNDS}:
        raise UserError(f"Range of {key}: {text!r} cannot be read; expected {_SYNTAX}.")
    try:
        values = ast.literal_eval(rest.strip() if kind == "choice" else f"({rest.strip()},)")
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise UserError(f"Range of {key}: {text!r} cannot be read; expected {_SYNTAX}, words in quotes.") from None
    if kind == "choice":
        if not isinstance(values, (list, tuple)):
            raise UserError(f"Range of {key}: {text!r}: expected a list, as in choice [5,10].")
        if not values:
            raise UserError(f"Range of {key}: the choice is empty. Name its values, or remove the range.")
        return Range(kind, tuple(values))
    if len(values) != _BOUNDS[kind] or not all(is_number(value) for value in values):
        raise UserError(f"Range of {key}: {text!r}: expected {_BOUNDS[kind]} numbers. Ranges are {_SYNTAX}.")
    if not values[0] < values[1] or (kind == "quniform" and not values[2] > 0):
        raise UserError(f"Range of {key}: {text!r}: expected low < high, and a step above 0.")
    parsed = Range(kind, tuple(values))
    if not parsed.options() and kind == "quniform":
        raise UserError(f"Range of {key}: {text!r}: there is no multiple of {values[2]} between the bounds.")
    return parsed


def ranges_of(row: Row, plan: ComparisonPlan) -> dict[str, Range]:
    """What a row tries: the `search` of its YAML files, then the plan's shared ranges, which win.

    A row `NAME+tree` takes the weights of the trees from dtl_ns and the rest from its own file; one that trains on
    judged lists takes those of the list loss beside its own. Keys that the plan fixes are not tried, but for those of
    which a reference row has its own value anyhow. Reference rows do not take part in the shared ranges: those are of
    the models compared. The sampler of a plugin may bring `sampler/NAME.yaml`, looked up in the working directory.

    Raises:
        UserError: a range cannot be read.
    """
    texts: dict[str, Any] = {}
    for name in (*row.search, _LISTS) if _trains_on_lists(row, plan) else row.search:
        file_ranges = _search_file(name)
        added = name == f"sampler/{METHOD}" and row.search != (name,)
        texts.update({key: text for key, text in file_ranges.items() if not added or key.startswith("alpha_")})
    texts = {key: text for key, text in texts.items() if key not in plan.fixed or key in row.keys}
    if row.model is None:
        texts.update(plan.shared_search)
    return {key: parse_range(key, text) for key, text in texts.items()}


def keys_of_lists(row: Row, plan: ComparisonPlan) -> set[str]:
    """What a row tries only because it trains on lists."""
    if not _trains_on_lists(row, plan):
        return set()
    return set(_search_file(_LISTS)) & set(ranges_of(row, plan)) - set(plan.shared_search)


def _trains_on_lists(row: Row, plan: ComparisonPlan) -> bool:
    if not row.judged or row.model is not None:
        return False
    return any(plan.trains_on_lists(row, judge, model) for judge in plan.judges_of(row) for model in plan.models)


def _search_file(name: str) -> dict[str, Any]:
    for path in (Path(f"{name}.yaml"), PROPERTIES / f"{name}.yaml"):
        if path.is_file():
            return dict(read_yaml(path).get("search") or {})
    return {}


def start_values(row: Row, plan: ComparisonPlan) -> dict[str, Any]:
    """The values of trial 0, as far as they do not depend on the model: of our keys, RecBole's own, and the row's."""
    stock = read_yaml(recbole_folder() / "properties" / "overall.yaml")
    defaults = {**stock, **Settings().as_dict()}
    named = {key: raw_value(key, plan.fixed, plan.config_files) for key in ranges_of(row, plan)}
    return {**defaults, **{key: value for key, value in named.items() if value is not None}, **plan.fixed, **row.keys}


class Space:
    """All settings of a row; its start values count as tried.

    Args:
        row: what is tuned.
        plan: gives the ranges and the keys of all runs.
        without: keys that are left at their start values.

    Attributes:
        ranges: by key.
        start: the start value of each of these keys, where it does not depend on the model.
    """

    def __init__(self, row: Row, plan: ComparisonPlan, without: Collection[str] = ()) -> None:
        self.ranges = {key: each for key, each in ranges_of(row, plan).items() if key not in without}
        self._values = start_values(row, plan)
        self.start = {key: self._values[key] for key in self.ranges if key in self._values}
        self._tried: list[dict[str, Any]] = [self.start]

    def take(self, keys: dict[str, Any]) -> bool:
        """Whether these settings are new and make sense; they then count as tried."""
        fits = keys not in self._tried and self._sensible(keys)
        if fits:
            self._tried.append(keys)
        return fits

    def draw(self, generator: random.Random, given: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        """New settings at random, with the given values where they bring any; None where there are none left."""
        for number in range(2 * _DRAWS):
            kept = (given or {}) if number < _DRAWS else {}
            keys = {key: kept[key] if key in kept else each.draw(generator) for key, each in self.ranges.items()}
            if self.take(keys):
                return keys
        return next(filter(self.take, self.all()), None)

    def all(self) -> Iterator[dict[str, Any]]:
        """Every combination in order, the senseless ones too; nothing where a range has no end of values."""
        options = [each.options() for each in self.ranges.values()]
        if options and None not in options:
            for values in itertools.product(*(values or [] for values in options)):
                yield dict(zip(self.ranges, values, strict=True))

    def size(self, cap: int) -> int:
        """How many settings there are, the start values among them, or `cap` if that is less."""
        if any(each.options() is None for each in self.ranges.values()):
            return cap
        fitting = (keys for keys in self.all() if keys != self.start and self._sensible(keys))
        return 1 + sum(1 for _ in itertools.islice(fitting, max(cap - 1, 0)))

    def _sensible(self, keys: Mapping[str, Any]) -> bool:
        """Whether the settings can matter: a tree view has a weight, and no more candidates are picked than drawn."""
        values = {**self._values, **keys}
        if {"alpha_co", "alpha_se"} & set(keys) and values["alpha_co"] == values["alpha_se"] == 0:
            return False
        return not ("dns_mn_m" in keys and int(values["dns_mn_m"]) > int(values["neg_candidates"]))


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
