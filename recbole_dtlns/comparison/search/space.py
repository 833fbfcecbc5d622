"""The settings of a row that can be tried, and which of them have been."""

from __future__ import annotations

import itertools
import random
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from recbole_dtlns.comparison.plan.plan import ComparisonPlan
from recbole_dtlns.comparison.plan.rows import METHOD, Row
from recbole_dtlns.comparison.search.ranges import Range, parse_range
from recbole_dtlns.config.config_files import raw_value, read_yaml
from recbole_dtlns.config.recbole_files import recbole_folder
from recbole_dtlns.config.settings import Settings
from recbole_dtlns.files.shipped import PROPERTIES

_LISTS = "loss/list"
_DRAWS = 1000  # in a row that bring nothing new, as in RecBole; then the first untried settings are taken


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
