"""The configuration that the runs of a cell will have, to be checked before there is any."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from recbole_dtlns.comparison.plan.plan import Cell, ComparisonPlan
from recbole_dtlns.comparison.plan.plan_keys import sample_values
from recbole_dtlns.comparison.search.search import parse_range
from recbole_dtlns.config.eval_modes import sampled_warning
from recbole_dtlns.config.nearest import nearest
from recbole_dtlns.config.run_config import Config
from recbole_dtlns.config.settings import our_keys
from recbole_dtlns.errors import UserError
from recbole_dtlns.training.preflight import check_before_work

_SHOWN = 5  # bad cells in an error message


class CellConfig(Config):
    """The configuration of a run: files, the keys that all runs share as one file more, and the cell's own on top.

    Args:
        plan: of the comparison.
        cell: one of its cells.
        keys: of the run: seed and those of the trial; they win over the cell's.

    Attributes:
        strangers: shared keys that nothing in this cell reads; those of another model of the plan may be among them.
        read_keys: every key that something reads.
        unread: a warning for each key of the files that nothing reads in this cell; `check_cells` tells it, once.

    Raises:
        UserError: as `Config`.
    """

    file_config_dict: dict[str, Any]  # RecBole's

    def __init__(self, plan: ComparisonPlan, cell: Cell, keys: Mapping[str, Any] | None = None) -> None:
        self._shared = dict(plan.fixed)
        self.unread: dict[str, str] = {}
        own = {**cell.keys(), "seed": plan.seeds[0], "split_seed": plan.split_seed, **(keys or {})}
        super().__init__(cell.model, cell.dataset, list(plan.config_files), None, own)

    def _load_config_files(self, file_list: Any) -> dict[str, Any]:
        return {**super()._load_config_files(file_list), **self._shared}

    def _check_keys(self) -> None:
        """Check the keys, but for shared keys that belong to another model: `check_cells` looks at these."""
        listed = {key for keys in self.parameters.values() for key in keys}
        self.read_keys = frozenset(our_keys() | listed | set(self.internal_config_dict))
        self.strangers = frozenset(self._shared) - self.read_keys
        all_keys = self.file_config_dict
        self.file_config_dict = {key: value for key, value in all_keys.items() if key not in self.strangers}
        super()._check_keys()
        self.file_config_dict = all_keys

    def _tell_unread(self, key: str, warning: str) -> None:
        self.unread[key] = warning


def check_cells(plan: ComparisonPlan) -> list[str]:
    """Build the configuration of every cell, so that what cannot work is found before anything runs.

    Returns:
        Warnings for the user: keys of files that no cell reads, odd ranges, and how the runs will be evaluated.

    Raises:
        UserError: names the cells and what is wrong with them, or a key that nothing in any cell reads.
    """
    configs: list[tuple[Cell, CellConfig]] = []
    problems: dict[str, list[str]] = {}
    seen: set[tuple[str, str, str, bool]] = set()
    for cell in plan.cells():
        identity = (cell.dataset, cell.model, cell.label, cell.noise > 0)  # one level of noise is like another
        if identity in seen:
            continue
        seen.add(identity)
        try:
            configs.append((cell, _checked_cell(plan, cell)))
        except UserError as error:
            problems.setdefault(str(error), []).append(cell.folder.as_posix())
    if problems:
        raise UserError(_cells_message(problems))
    _check_shared_keys(plan, configs)
    _check_shared_ranges(plan, configs)
    sampled = (sampled_warning(config["eval_args"]) for _, config in configs)
    first, *others = (config.unread for _, config in configs)
    unread = [warning for key, warning in first.items() if all(key in other for other in others)]
    return [*unread, *_odd_ranges(plan), *dict.fromkeys(text for text in sampled if text)]


def _odd_ranges(plan: ComparisonPlan) -> Iterator[str]:
    """A warning for each loguniform range whose bounds look like the values themselves: powers of e of 1.0 to 2.7."""
    for key, text in plan.shared_search.items() if plan.trials else ():
        each = parse_range(key, text)
        if each.kind == "loguniform" and 0 < each.values[0] < each.values[1] < 1:
            low, high = sample_values(each)
            meant = ",".join(f"{math.log(value):.3g}" for value in each.values)
            yield (
                f"Range of {key}: {text} holds powers of e and tries values from {low} to {high}. For values from "
                f"{each.values[0]} to {each.values[1]} write loguniform {meant}."
            )


def _checked_cell(plan: ComparisonPlan, cell: Cell) -> CellConfig:
    config = CellConfig(plan, cell)
    check_before_work(config)
    return config


def _cells_message(problems: Mapping[str, list[str]]) -> str:
    """One line a problem: the first cell that has it, and how many more."""
    lines = []
    for problem, names in list(problems.items())[:_SHOWN]:
        others = f" and {len(names) - 1} more" if len(names) > 1 else ""
        lines.append(f"  {names[0]}{others}: {problem}")
    left = sum(len(names) for names in list(problems.values())[_SHOWN:])
    more = f"\n  and {left} more, for other reasons" if left else ""
    count = sum(map(len, problems.values()))
    return f"{count} {'cell' if count == 1 else 'cells'} of the plan cannot run:\n" + "\n".join(lines) + more


def _check_shared_keys(plan: ComparisonPlan, configs: list[tuple[Cell, CellConfig]]) -> None:
    """Raise UserError for a shared key that no cell reads, or a shared range that a cell does not."""
    read_somewhere = frozenset[str]().union(*(config.read_keys for _, config in configs))
    for key in plan.fixed:
        if key not in read_somewhere:
            raise UserError(f"Unknown key {key!r}: nothing in any run reads it{nearest(key, read_somewhere) or '.'}")
    for cell, config in configs:
        for key in plan.shared_search if cell.row.model is None else ():
            if key not in config.read_keys:
                near = nearest(key, config.read_keys) or "."
                raise UserError(
                    f"Range of {key}: {cell.folder.as_posix()} has no such key{near} A range is tried in every row of "
                    "every model."
                )


def _check_shared_ranges(plan: ComparisonPlan, configs: list[tuple[Cell, CellConfig]]) -> None:
    """Raise UserError if a shared range holds a value that a model does not accept."""
    first = {cell.model: cell for cell, _ in reversed(configs) if cell.row.model is None}
    for cell in first.values():
        for key, text in plan.shared_search.items():
            for value in sample_values(parse_range(key, text)):
                try:
                    CellConfig(plan, cell, {key: value})
                except UserError as error:
                    raise UserError(f"Range of {key}, value {value!r}: {error}") from error
