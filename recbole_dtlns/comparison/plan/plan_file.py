"""The plan of a comparison from flags and a YAML file, with everything checked that needs no data."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from recbole_dtlns.comparison.plan.plan import ComparisonPlan
from recbole_dtlns.comparison.plan.plan_keys import (
    METRICS,
    check_files,
    check_ranges,
    deal_out,
    judge_keys_of,
    shared_keys,
)
from recbole_dtlns.comparison.plan.plan_values import LARGEST_SEED, is_list, mapping, numbers, one_value, seeds, words
from recbole_dtlns.comparison.plan.rows import REFERENCES, make_row, require_judge
from recbole_dtlns.comparison.search.search import KINDS, number_of_trials
from recbole_dtlns.config.choices import DEFAULT_JUDGE
from recbole_dtlns.config.config_files import raw_value, read_yaml
from recbole_dtlns.config.models import require_model
from recbole_dtlns.config.nearest import nearest
from recbole_dtlns.config.parsers import number, one_of, whole
from recbole_dtlns.config.permissions import PERMISSIONS, is_allowed, refuse_in_files
from recbole_dtlns.config.plugins import load_allowed, plugin_names
from recbole_dtlns.errors import UserError

__all__ = ["DEFAULT_ROWS", "make_plan", "read_plan"]

# Entries of a plan that are flags too; the rest of them; other names.
_FLAGS = ("datasets", "models", "samplers", "judges", "seeds", "seed", "split_seed", "trials", "search", "noise")
_FILE_ONLY = ("ranges", "fixed", "judge_keys", "config_files")
_OTHER_NAMES = {"rows": "samplers"}
DEFAULT_ROWS = ["recbole:uniform", "uniform", "dns", "mixgcf", "dtl_ns"]


def read_plan(path: Path | str) -> ComparisonPlan:
    """The plan of a YAML file that `compare` has written, to be read and not to be carried out.

    No plugin that it names is loaded. Its values have their types and were checked when it was written: looking at them
    again would take the tables of samplers, and so torch.

    Raises:
        UserError: the file cannot be read, or holds no plan.
    """
    return make_plan({"plan": str(path)}, to_read=True)


def make_plan(flags: Mapping[str, str], config_files: Sequence[str] = (), to_read: bool = False) -> ComparisonPlan:
    """The plan of a command line.

    Args:
        flags: raw text by key: `plan` (a YAML file, whose entries the other flags override), `datasets`, `models`,
            `samplers` (or `rows`), `judges`, `seeds`, `seed`, `split_seed`, `trials`, `search`, `noise`; every other
            key goes to all runs.
        config_files: YAML files for all runs; without any, those of the plan file.
        to_read: see `read_plan`; names of samplers and judges that are not known are taken for those of plugins.

    Raises:
        UserError: a name, type, range or key that cannot be used, or plugins in a file that the user does not allow; no
            work has been done then.
    """
    given = _renamed(flags)
    entries = _entries(Path(given.pop("plan"))) if "plan" in given else {}
    fixed = mapping("fixed", entries.pop("fixed", None))
    refuse_in_files(fixed)
    given, permissions = _without_permissions(given)
    if "seed" in fixed:
        entries.setdefault("seed", fixed.pop("seed"))
    if "seed" not in given and is_list(given.get("seeds")):
        entries.pop("seed", None)  # the file's first seed belongs to its own number of seeds
    if "seeds" in given and not is_list(given["seeds"]) and is_list(entries.get("seeds")):
        entries.setdefault("seed", seeds(entries["seeds"], None)[0])  # a number of seeds counts from the file's first
    for key, value in given.items():
        if key in _FILE_ONLY:
            raise UserError(f"--{key} is no flag: {key} stands in a plan file (--plan=FILE).")
        (entries if key in _FLAGS else fixed)[key] = value
    files = list(config_files)
    if not files and entries.get("config_files"):
        files = words("config_files", entries["config_files"])
    files = _absolute(files)
    names = _absolute(plugin_names(raw_value("plugins", fixed, files)))
    if names:
        fixed["plugins"] = " ".join(names)
    if not to_read:
        own = " ".join(names) if "plugins" in given else None
        load_allowed(" ".join(names), own, "allow_plugins" in permissions, flags.get("plan") or ", ".join(files))
    if names:
        permissions = {*permissions, "allow_plugins"}
    plan = _checked(entries, fixed, files, set(given), to_read, known_only=not (to_read and names))
    return replace(plan, allowed=tuple(sorted(permissions)))


def _without_permissions(given: Mapping[str, str]) -> tuple[dict[str, str], set[str]]:
    """The other flags, and what the user allows."""
    others = {key: value for key, value in given.items() if key not in PERMISSIONS}
    return others, {key for key in PERMISSIONS if is_allowed(key, given)}


def _absolute(names: Sequence[str]) -> list[str]:
    """Paths of files that are here, so that the plan can be read from elsewhere too; shipped ones stay names.

    So does one whose full path has a space: such names stand in lists that spaces separate.
    """
    paths = [(name, Path(name).absolute()) for name in names]
    return [str(path) if path.is_file() and len(str(path).split()) == 1 else name for name, path in paths]


def _renamed(entries: Mapping[str, Any]) -> dict[str, Any]:
    renamed = {_OTHER_NAMES.get(key, key): value for key, value in entries.items()}
    if len(renamed) < len(entries):
        raise UserError("rows and samplers are two names of one entry. Give one of them.")
    return renamed


def _entries(path: Path) -> dict[str, Any]:
    """The entries of a plan file by their first names; what is left empty is not there."""
    if not path.is_file():
        raise UserError(f"There is no plan file {path}. Give the path of a YAML file: --plan=FILE.")
    entries = _renamed(read_yaml(path))
    names = (*_FLAGS, *_FILE_ONLY)
    for key in entries:
        if key not in names:
            near = nearest(str(key), names) or "."
            raise UserError(
                f"{path}: a plan has no entry {key!r}{near} Entries are {', '.join(names)}; keys of RecBole and of "
                "recbole_dtlns that all runs share stand under fixed."
            )
    return {key: value for key, value in entries.items() if value is not None}


def _checked(
    entries: Mapping[str, Any],
    fixed: Mapping[str, Any],
    files: Sequence[str],
    flags: Collection[str],
    to_read: bool,
    known_only: bool,
) -> ComparisonPlan:
    if "datasets" not in entries:
        raise UserError("No data set was named. Give --datasets=A,B, or datasets: [A, B] in a plan file.")
    if not to_read:
        check_files(files)
    shared = dict(fixed) if to_read else shared_keys(fixed)
    if raw_value("metrics", shared, files) is None:
        shared["metrics"] = list(METRICS)
    run_seeds, split_seed = _seeds(entries, files)
    named_rows, named_judges = entries.get("samplers", DEFAULT_ROWS), entries.get("judges", [DEFAULT_JUDGE])
    rows = tuple(dict.fromkeys(make_row(name, known_only) for name in words("samplers", named_rows)))
    judges = tuple(_judge(name, known_only) for name in words("judges", named_judges))
    named = [*judges, *(row.judge for row in rows if row.judge is not None)]
    of_judges = mapping("judge_keys", entries.get("judge_keys"))
    written = {judge: mapping(f"judge_keys of {judge}", keys) for judge, keys in of_judges.items()}
    judge_keys = written if to_read else judge_keys_of(written)
    plan = ComparisonPlan(
        datasets=tuple(map(_data_set, words("datasets", entries["datasets"]))),
        models=tuple(map(_model, words("models", entries.get("models", ["LightGCN"])))),
        rows=rows,
        judges=judges,
        seeds=run_seeds,
        split_seed=split_seed,
        trials=one_value("trials", entries.get("trials", 0), whole(0)),
        search=one_value("search", entries.get("search", "random"), one_of(*KINDS)),
        noise=tuple(numbers("noise", entries.get("noise", [0.0]), number(0, 1))),
        fixed=shared,
        shared_search=mapping("ranges", entries.get("ranges")),
        judge_keys=deal_out(shared, judge_keys, named, flags),
        config_files=tuple(files),
    )
    if not to_read:
        check_ranges(plan)
        if plan.shared_search and "trials" not in entries:
            raise UserError(
                f"ranges ({', '.join(plan.shared_search)}) need trials, the settings that are tried in a row: trials: "
                "10 in the plan file, or --trials=10. Without a search say trials: 0, or leave ranges out."
            )
        _check_grid(plan)
    return plan


def _seeds(entries: Mapping[str, Any], files: Sequence[str]) -> tuple[tuple[int, ...], int]:
    """The seeds of the runs, and that of the split: the first of them where none is given."""
    first = entries.get("seed")
    if first is None and not is_list(entries.get("seeds")):
        first = raw_value("seed", files)
    of_runs = seeds(entries.get("seeds", 1), first)
    of_split = entries.get("split_seed", raw_value("split_seed", files))
    return of_runs, of_runs[0] if of_split is None else one_value("split_seed", of_split, whole(0, LARGEST_SEED))


def _check_grid(plan: ComparisonPlan) -> None:
    if plan.search == "grid" and plan.trials == 0:
        raise UserError(
            "search=grid needs trials, the most settings that are tried in a row: --trials=20. It is the same for all "
            "rows, as rows with a larger grid would be tuned longer otherwise. Leave search out for no search."
        )
    if plan.search == "grid" and plan.trials > 1 and all(number_of_trials(row, plan) == 1 for row in plan.rows):
        raise UserError(
            "search=grid: the grid is empty, since none of the rows has a range to search. Add ranges to the plan "
            "file, name other samplers, or leave search out."
        )


def _data_set(name: str) -> str:
    if "/" in name or "\\" in name or name.startswith("."):
        raise UserError(f"datasets: {name!r} is a path; give the name of a data set, and its folder as --data_path.")
    return name


def _model(name: str) -> str:
    if name in REFERENCES and make_row(name).keys["neg_sampler"] is None:
        raise UserError(f"models: {name} draws no negatives. It is a reference row: name it in samplers.")
    require_model(name)
    return name


def _judge(name: str, known_only: bool) -> str:
    if known_only:
        require_judge(name)
    return name
