"""Whether the runs of a comparison may be compared: the same data, seeds and budget, and no test in tuning."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any

from recbole_dtlns.comparison.run.records import Comparison, RunRecord
from recbole_dtlns.comparison.run.runs import seeds_of, trials_of
from recbole_dtlns.comparison.search.search import ranges_of
from recbole_dtlns.files.result_schema import MASK_CHECKS

Check = dict[str, Any]
# Keys of the budget and of evaluation that must not differ between the rows of a comparison.
_SHARED = ("epochs", "stopping_step", "eval_step", "train_batch_size", "valid_metric", "topk", "eval_mask")
# The same, in rows that do not choose them by trials.
_OF_SAMPLING = ("neg_candidates", "num_negatives")
OTHER_MASKS = "masks under the reference protocol (not passed is expected; such runs are marked)"
_NAMED = 5  # runs or cells that a finding names


def comparison_checks(comparison: Comparison) -> list[Check]:
    """Checks over all finished runs, each `{"name", "passed", "found"}` as in the `checks` of a run.

    That some rows have fewer settings to choose from than there are trials is shown and fails nothing.
    """
    same = [*_split(comparison), *_train(comparison), *_seeds(comparison), *_trials(comparison)]
    return [*same, *_budget(comparison), *_test_unread(comparison), *_own_checks(comparison), *_marks(comparison)]


def _check(name: str, passed: bool, counted: str) -> Check:
    return {"name": name, "passed": passed, "found": counted}


def _same(name: str, values: Iterable[tuple[RunRecord, Hashable]]) -> Check:
    """Passed where all runs have the same value; otherwise the runs of the rarer values are named."""
    pairs = list(values)
    counts = Counter(value for _, value in pairs)
    if len(counts) <= 1:
        return _check(name, True, f"{next(iter(counts), 'no runs')} in {len(pairs)} runs")
    usual = counts.most_common(1)[0][0]
    others = [f"{record.run_id} has {value}" for record, value in pairs if value != usual]
    return _check(name, False, f"{usual} in {counts[usual]} of {len(pairs)} runs; {_some(others)}")


def _some(texts: list[str]) -> str:
    more = f"; and {len(texts) - _NAMED} more" if len(texts) > _NAMED else ""
    return "; ".join(texts[:_NAMED]) + more


def _split(comparison: Comparison) -> Iterator[Check]:
    for dataset in dict.fromkeys(run.dataset for run in comparison.runs):
        runs = [run for run in comparison.runs if run.dataset == dataset]
        yield _same(f"same split of {dataset}", ((run, run.result["data"]["split_hash"]) for run in runs))


def _train(comparison: Comparison) -> Iterator[Check]:
    parts = defaultdict(list)
    for run in comparison.runs:
        parts[run.dataset, run.noise].append(run)
    for (dataset, noise), runs in parts.items():
        at = f" at noise {noise:g}" if noise else ""
        yield _same(f"same training pairs of {dataset}{at}", ((run, run.result["data"]["train_hash"]) for run in runs))


def _cells(comparison: Comparison) -> dict[tuple[str, str, str, float], list[RunRecord]]:
    cells = defaultdict(list)
    for run in comparison.runs:
        cells[run.dataset, run.model, run.label, run.noise].append(run)
    return cells


def _cell_name(cell: tuple[str, str, str, float]) -> str:
    dataset, model, label, noise = cell
    return f"{dataset}/{model}/{label}" + (f" at noise {noise:g}" if noise else "")


def _seeds(comparison: Comparison) -> Iterator[Check]:
    """Every cell of the plan has the seeds of the plan; without a plan the most frequent list counts."""
    by_cell = {
        cell: tuple(sorted(run.seed for run in runs if run.trial is None)) for cell, runs in _cells(comparison).items()
    }
    if comparison.plan is None:
        return
    wanted = tuple(sorted(comparison.plan.seeds))
    for cell in comparison.plan.cells():
        by_cell.setdefault((cell.dataset, cell.model, cell.label, cell.noise), ())
    wrong = [f"{_cell_name(cell)} has {_listed(seeds)}" for cell, seeds in by_cell.items() if seeds != wanted]
    counted = f"seeds {_listed(wanted)} in {len(by_cell)} cells" + ("; but " if wrong else "")
    yield _check("same seeds for every row", not wrong, f"{counted}{_some(wrong)}")


def _listed(seeds: tuple[int, ...]) -> str:
    return ", ".join(str(seed) for seed in seeds) or "none"


def _trials(comparison: Comparison) -> Iterator[Check]:
    """No cell has gone on to its seeds before its trials. Failed ones count, as they were tried, and are named."""
    if comparison.plan is None:
        return
    done, failed = {run.run_id for run in comparison.runs}, {run.run_id for run in comparison.failed}
    trials = {cell: [run.run_id for run in trials_of(comparison.plan, cell)] for cell in comparison.plan.cells()}
    names = {cell: cell.folder.as_posix() for cell in trials}
    usual = max(map(len, trials.values()), default=0)
    fewer = [f"{names[cell]} {len(ids) or 'none'}" for cell, ids in trials.items() if len(ids) != usual]
    lost = [f"{names[cell]} {len(failed & set(ids))}" for cell, ids in trials.items() if failed & set(ids)]
    missing = [
        f"{names[cell]} has {len((done | failed) & set(ids))} of {len(ids)}"
        for cell, ids in trials.items()
        if set(ids) - done - failed and any(run.run_id in done for run in seeds_of(comparison.plan, cell))
    ]
    texts = [f"{usual} each" if usual else "no search; start values for all"]
    texts += [f"fewer settings to choose from: {_some(fewer)}"] if fewer else []
    texts += [f"failed trials: {_some(lost)}"] if lost else []
    texts += [f"seeds without all trials: {_some(missing)}"] if missing else []
    yield _check("trials of every row", not missing, "; ".join(texts))


def _budget(comparison: Comparison) -> Iterator[Check]:
    plan = comparison.plan
    searched = {} if plan is None else plan.shared_search
    for key in [key for key in _SHARED if key not in searched]:
        yield _same(f"same {key}", ((run, str(run.result["config"].get(key))) for run in comparison.runs))
    choose = {} if plan is None or not plan.trials else {cell.label: ranges_of(cell.row, plan) for cell in plan.cells()}
    for key in _OF_SAMPLING:
        fixed = [run for run in comparison.runs if key not in choose.get(run.label, {})]
        where = f"same {key}" + (" where it is not searched" if len(fixed) < len(comparison.runs) else "")
        yield _same(where, ((run, str(run.result["config"].get(key))) for run in fixed))


def _test_unread(comparison: Comparison) -> Iterator[Check]:
    trials = [run for run in comparison.runs if run.trial is not None]
    if trials:
        read = [run.run_id for run in trials if run.result["test_result"] is not None]
        text = f"test was read in {_some(read)}" if read else f"test_result is null in {len(trials)} trials"
        yield _check("no trial has read test", not read, text)


def _own_checks(comparison: Comparison) -> Iterator[Check]:
    """The leak checks that each run has made of itself; mask checks under the reference protocol stand apart."""
    own: list[tuple[str, bool]] = []
    other: list[tuple[str, bool]] = []
    for run in comparison.runs:
        for check in run.result["checks"] or []:
            outcomes = other if of_other_mask(run, check) else own
            outcomes.append((f"{run.run_id}: {check['name']}: {check['found']}", check["passed"]))
    failed, expected = ([text for text, passed in outcomes if not passed] for outcomes in (own, other))
    without = [run.run_id for run in comparison.runs if not run.result["checks"]]
    text = _some(failed) if failed else f"{len(own)} checks in {len(comparison.runs) - len(without)} runs passed"
    if without:
        text += f"; no checks in {_some(without)}"
    yield _check("checks of every run", not failed and not without, text)
    if other:
        yield _check(OTHER_MASKS, not expected, _some(expected) or f"{len(other)} checks passed")


def of_other_mask(run: RunRecord, check: Mapping[str, Any]) -> bool:
    """Whether it is a mask check of a run under the reference protocol, whose mask is another one by definition."""
    return run.result["protocol"] == "reference" and check.get("name") in MASK_CHECKS.values()


def _marks(comparison: Comparison) -> Iterator[Check]:
    """Marks stand beside the numbers in every table; here they are listed."""
    marks = Counter(mark for run in comparison.runs for mark in run.result["marks"])
    text = "; ".join(f"{mark} ({count} runs)" for mark, count in marks.items()) or "no run is marked"
    yield _check("marks", True, text)
