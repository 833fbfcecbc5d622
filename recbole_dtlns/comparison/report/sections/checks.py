"""Leak checks with their outcome, and runs that failed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from recbole_dtlns.comparison.report.section import Point, Section
from recbole_dtlns.comparison.report.source import Source
from recbole_dtlns.comparison.report.table import Column, Line, Table
from recbole_dtlns.comparison.run.checks import OTHER_MASKS, comparison_checks, of_other_mask
from recbole_dtlns.comparison.run.records import RunRecord

LOOKS_FILTERED = "looks filtered by held-out labels"
_FILTER = "inferred positives were not filtered by "  # as `leaks` names it; "not passed" would negate it twice
_NAMED = 5


def checks(source: Source) -> Section:
    """Checks of the comparison as a whole, each kind of check over all runs, and every single one."""
    section = Section("checks", "Leak checks", short="Checks")
    section.text.append(
        "Before a run: what it is about to read. After it: what it used. A pair that an honest mask must not hold "
        "stops a run; any other check that is not passed is told here. The reference protocol has another mask: its "
        "mask checks are expected not to pass, and its rows are marked."
    )
    whole = [] if source.single else comparison_checks(source.comparison)
    lines = [
        Line(
            {
                "name": c["name"],
                "outcome": _outcome(c["passed"], c["name"] == OTHER_MASKS),
                "found": _in_words(str(c["found"])),
            }
        )
        for c in whole
    ]
    columns = (Column("name", "Check"), Column("outcome", "Outcome"), Column("found", "Found"))
    if lines:
        section.tables.append(Table("checks-comparison", "Checks of the whole comparison", columns, tuple(lines)))
    section.tables += _of_runs(source)
    bad = [str(check["name"]) for check in whole if not check["passed"] and check["name"] != OTHER_MASKS]
    section.warnings += [f"Not passed: {name}." for name in bad]
    return section


def failed_checks(source: Source) -> list[str]:
    """A sentence for each check that some run has not passed, with the rows it holds for and the number of runs."""
    by_name: dict[str, Outcomes] = {}
    for run in source.runs:
        for check in run.result["checks"] or []:
            if not check.get("passed") and not of_other_mask(run, check):
                by_name.setdefault(str(check["name"]), []).append((run, check))
    return [_failed(source, name, failed) for name, failed in by_name.items()]


def _failed(source: Source, name: str, failed: Outcomes) -> str:
    several = len(source.groups) > 1
    rows = _some((f"{run.label} ({run.model} on {run.dataset})" if several else run.label for run, _ in failed), ", ")
    counts = _some((str(check.get("found", "")) for _, check in failed), "; ")
    if name.startswith(_FILTER):
        what = f"The inferred positives' overlap with {name.removeprefix(_FILTER)} {LOOKS_FILTERED}"
    else:
        what = f"Leak check not passed: {name}"
    return f"{what} ({counts}): {rows}; {len(failed)} run{'s' * (len(failed) != 1)}."


def _some(texts: Iterable[str], between: str) -> str:
    """Each text once, a few of many."""
    named = list(dict.fromkeys(texts))
    more = f"{between}and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return between.join(named[:_NAMED]) + more


def _in_words(text: str) -> str:
    """What the check of all runs' own checks has found; it names those alone that are not passed."""
    return re.sub(re.escape(_FILTER) + r"\w+", LOOKS_FILTERED, text)


def _name(name: str, passed: bool) -> str:
    """The name of a check of a run as the page has it."""
    if not name.startswith(_FILTER):
        return name
    text = f"overlap of inferred positives with {name.removeprefix(_FILTER)}"
    return text if passed else f"{text}: {LOOKS_FILTERED}"


def _outcome(passed: object, expected: bool = False) -> str:
    return "passed" if passed else "not passed, as expected" if expected else "NOT PASSED"


Outcomes = list[tuple[RunRecord, Mapping[str, Any]]]


def _of_runs(source: Source) -> list[Table]:
    runs = source.comparison.runs
    outcomes: Outcomes = [(run, check) for run in runs for check in run.result["checks"] or []]
    return [_kinds(outcomes), _each(outcomes)] if outcomes else []


def _kinds(outcomes: Outcomes) -> Table:
    """Each kind of check over all runs; those of the reference protocol's masks apart."""
    counts: dict[tuple[str, str, bool], list[int]] = {}
    for run, check in outcomes:
        kind = str(check["when"]), str(check["name"]), of_other_mask(run, check)
        count = counts.setdefault(kind, [0, 0])
        count[0] += 1
        count[1] += bool(check["passed"])
    columns = (
        Column("when", "When"),
        Column("name", "Check"),
        Column("runs", "Runs", "count"),
        Column("passed", "Passed", "count"),
        Column("outcome", "Outcome"),
    )
    lines = [
        Line(
            {
                "when": when,
                "name": _name(name, n == passed) + (" (reference protocol)" if other else ""),
                "runs": n,
                "passed": passed,
                "outcome": _outcome(n == passed, other),
            }
        )
        for (when, name, other), (n, passed) in counts.items()
    ]
    return Table("checks", "Checks over all runs, trials too", columns, tuple(lines))


def _each(outcomes: Outcomes) -> Table:
    columns = (
        Column("run", "Run"),
        Column("when", "When"),
        Column("name", "Check"),
        Column("outcome", "Outcome"),
        Column("found", "Found"),
    )
    lines = [
        Line(
            {
                "run": run.run_id,
                "when": str(check["when"]),
                "name": _name(str(check["name"]), bool(check["passed"])),
                "outcome": _outcome(check["passed"], of_other_mask(run, check)),
                "found": str(check.get("found", "")),
            },
            tuple(run.result["marks"]),
        )
        for run, check in outcomes
    ]
    return Table("checks-runs", "Every check of every run", columns, tuple(lines), in_file=True)


def failures(source: Source) -> Section:
    """Runs that ended without a result, and those still to come."""
    section = Section("failed", "Failed runs" if source.comparison.failed else "Runs not finished")
    columns = (Column("run", "Run"), Column("reason", "Reason"))
    lines = [Line({"run": run.run_id, "reason": run.reason}) for run in source.comparison.failed]
    if lines:
        section.tables.append(Table("failed", "Failed runs, left out of every number", columns, tuple(lines)))
    pending = source.comparison.pending
    if pending:
        more = f" and {len(pending) - 20} more" if len(pending) > 20 else ""
        section.points.append(Point("Not finished", f"{', '.join(pending[:20])}{more}."))
    return section
