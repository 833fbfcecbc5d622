"""Leak checks with their outcome, and runs that failed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recbole_dtlns.comparison.checks import OTHER_MASKS, comparison_checks, of_other_mask
from recbole_dtlns.comparison.records import RunRecord
from recbole_dtlns.comparison.report.section import Point, Section
from recbole_dtlns.comparison.report.source import Source
from recbole_dtlns.comparison.report.table import Column, Line, Table


def checks(source: Source) -> Section:
    """Checks of the comparison as a whole, each kind of check over all runs, and every single one."""
    section = Section("checks", "Leak checks")
    section.text.append(
        "Before a run: what it is about to read. After it: what it used. A pair that an honest mask must not hold "
        "stops a run; any other check that is not passed is told here. The reference protocol has another mask: its "
        "mask checks are expected not to pass, and its rows are marked."
    )
    whole = [] if source.single else comparison_checks(source.comparison)
    lines = [
        Line({"name": c["name"], "outcome": _outcome(c["passed"], c["name"] == OTHER_MASKS), "found": str(c["found"])})
        for c in whole
    ]
    columns = (Column("name", "Check"), Column("outcome", "Outcome"), Column("found", "Found"))
    if lines:
        section.tables.append(Table("checks-comparison", "Checks of the whole comparison", columns, tuple(lines)))
    section.tables += _of_runs(source)
    bad = [str(check["name"]) for check in whole if not check["passed"] and check["name"] != OTHER_MASKS]
    section.warnings += [f"Not passed: {name}" for name in bad]
    return section


def _outcome(passed: object, expected: bool = False) -> str:
    return "passed" if passed else "not passed, as expected" if expected else "NOT PASSED"


Held = list[tuple[RunRecord, Mapping[str, Any]]]


def _of_runs(source: Source) -> list[Table]:
    runs = source.comparison.runs
    held: Held = [(run, check) for run in runs for check in run.result.get("checks") or []]
    return [_kinds(held), _each(held)] if held else []


def _kinds(held: Held) -> Table:
    """Each kind of check over all runs; those of the reference protocol's masks apart."""
    counts: dict[tuple[str, str, bool], list[int]] = {}
    for run, check in held:
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
                "name": name + (" (reference protocol)" if other else ""),
                "runs": n,
                "passed": passed,
                "outcome": _outcome(n == passed, other),
            }
        )
        for (when, name, other), (n, passed) in counts.items()
    ]
    return Table("checks", "Checks over all runs, trials too", columns, tuple(lines))


def _each(held: Held) -> Table:
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
                "name": str(check["name"]),
                "outcome": _outcome(check["passed"], of_other_mask(run, check)),
                "found": str(check.get("found", "")),
            },
            tuple(run.result.get("marks") or ()),
        )
        for run, check in held
    ]
    return Table("checks-runs", "Every check of every run", columns, tuple(lines), folded=True)


def failures(source: Source) -> Section:
    """Runs that ended without a result, and those still to come."""
    section = Section("failed", "Failed runs")
    columns = (Column("run", "Run"), Column("reason", "Reason"))
    lines = [Line({"run": run.run_id, "reason": run.reason}) for run in source.comparison.failed]
    if lines:
        section.tables.append(Table("failed", "Failed runs, left out of every number", columns, tuple(lines)))
    pending = source.comparison.pending
    if pending:
        more = f" and {len(pending) - 20} more" if len(pending) > 20 else ""
        section.points.append(Point("Not finished", f"{', '.join(pending[:20])}{more}."))
    return section
