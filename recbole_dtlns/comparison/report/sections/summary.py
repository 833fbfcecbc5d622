"""What came out, in words: what failed and what is marked first, then who leads and which differences hold."""

from __future__ import annotations

from collections.abc import Iterator

from recbole_dtlns.comparison.plan.rows import METHOD_ROWS
from recbole_dtlns.comparison.report.formats import shown
from recbole_dtlns.comparison.report.measures import labels_by_mark
from recbole_dtlns.comparison.report.section import Point, Section
from recbole_dtlns.comparison.report.sections.checks import failed_checks
from recbole_dtlns.comparison.report.source import Group, Row, Source
from recbole_dtlns.comparison.statistics import Compared, over_seeds, over_users
from recbole_dtlns.comparison.statistics.words import metric_name, turned


def summary(source: Source) -> Section:
    """The first part of the page."""
    section = Section("summary", "Summary")
    section.warnings += _warnings(source)
    for group in source.groups:
        section.points += _leaders(source, group)
        section.points += _ingredients(source, group)
    return section


def _warnings(source: Source) -> Iterator[str]:
    failed, pending = source.comparison.failed, source.comparison.pending
    if failed:
        names = ", ".join(run.run_id for run in failed[:5]) + (" ..." if len(failed) > 5 else "")
        yield f"{len(failed)} failed run{'s' * (len(failed) != 1)}, not in any number here: {names}. See Failed runs."
    if pending:
        count = f"{len(pending)} run{'s' * (len(pending) != 1)}"
        yield f"{count} not finished yet: means are over the seeds that are there."
    for group in source.groups:
        if group.noise:
            yield f"{group.name} has no finished run without noise: all but the section on noise is {group.title}."
    for said in labels_by_mark((run.label, run.result.get("marks") or ()) for run in source.runs):
        yield f"Marked: {said}. Not to be compared with the other rows."
    yield from failed_checks(source)


def _leaders(source: Source, group: Group) -> Iterator[Point]:
    name = metric_name(source.metric)
    ranked = [row for row in group.ranked(source.metric) if not row.marks]
    parts = [f"{row.label} {shown(row.test(source.metric), 'metric')}" for row in ranked[:3]]
    if len(group.rows) == 1 and parts:
        yield Point(group.title, f"Test {name} of {parts[0]}.")
    elif parts:
        few, most = min(len(row.runs) for row in ranked), max(len(row.runs) for row in ranked)
        seeds = f"{few} seed{'s' * (few != 1)}" if few == most else f"{few} to {most} seeds"
        said = f"Highest mean test {name} of {len(ranked)} rows without marks, over {seeds}: {', '.join(parts)}."
        yield Point(group.title, said)


def _ingredients(source: Source, group: Group) -> Iterator[Point]:
    """Ours against the best other row, what the inferred positives give, and what the tree view gives."""
    ours = {found.second: found for found in source.against_ours(group)}
    pairs = {frozenset((found.first, found.second)): found for found in source.all_pairs(group)}
    others = [row.label for row in group.ranked(source.metric) if row.label in ours and not row.marks]
    if others:
        yield from _said(f"Ours against the best other row, {group.title}", ours[others[0]], ours[others[0]].first)
    labels = {row.label for row in group.rows}
    for row in group.rows:
        base, _, word = row.runs[0].sampler.rpartition("+")
        if word in {"pos", "list"} and base in labels and not _unlike(group, row, base):
            found = pairs.get(frozenset((row.label, base)))
            yield from _said(
                f"What the inferred positives give: {row.label} beside {base}, {group.title}", found, row.label
            )
    for row in group.rows:
        for beside in _without_view(group, row):
            both = frozenset((row.label, beside))
            found = ours[beside] if row.label == source.ours and beside in ours else pairs.get(both)
            yield from _said(f"What the tree view gives: {row.label} beside {beside}, {group.title}", found, row.label)


def _unlike(group: Group, row: Row, other: str) -> bool:
    """Whether marks stand at one of two rows only: a difference would then not be one of the method."""
    beside = group.row(other)
    return beside is None or beside.marks != row.marks


def _without_view(group: Group, row: Row) -> list[str]:
    """The row with the same positives and loss but no view: `mixgcf+pos`, `dns+pos` on models without layers."""
    run = row.runs[0]
    if run.sampler not in METHOD_ROWS:
        return []
    base = "dns" if str(run.result.get("neg_sampler_effective") or "").startswith("dns") else "mixgcf"
    base += "+list" if run.result.get("positives_loss") == "list" else "+pos"
    same = (other for other in group.rows if other.runs[0].judge == row.runs[0].judge)
    return [other.label for other in same if other.runs[0].sampler == base][:1]


def _said(lead: str, found: Compared | None, first: str) -> Iterator[Point]:
    """The comparison in words, told of the row that the lead names first."""
    if found is not None:
        found = found if found.first == first else turned(found)
        yield Point(lead, f"Over users: {over_users(found)} Over seeds: {over_seeds(found)}")
