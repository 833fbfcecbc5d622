"""What the parts of our method give, in words: the best other row, the inferred positives, the tree view."""

from __future__ import annotations

from collections.abc import Iterator

from recbole_dtlns.comparison.plan.rows import METHOD_ROWS
from recbole_dtlns.comparison.report.section import Point
from recbole_dtlns.comparison.report.source import Group, Row, Source
from recbole_dtlns.comparison.statistics import Compared, over_seeds, over_users, turned


def ingredients(source: Source, group: Group) -> Iterator[Point]:
    """Ours against the best other row, what the inferred positives give, and what the tree view gives."""
    ours = {compared.second: compared for compared in source.against_ours(group)}
    pairs = {frozenset((compared.first, compared.second)): compared for compared in source.all_pairs(group)}
    others = [row.label for row in group.ranked(source.metric) if row.label in ours and not row.marks]
    if others:
        yield from _points(f"Ours against the best other row, {group.title}", ours[others[0]], ours[others[0]].first)
    labels = {row.label for row in group.rows}
    for row in group.rows:
        base, _, word = row.runs[0].sampler.rpartition("+")
        if word in {"pos", "list"} and base in labels and not _unlike(group, row, base):
            compared = pairs.get(frozenset((row.label, base)))
            yield from _points(
                f"What the inferred positives give: {row.label} beside {base}, {group.title}", compared, row.label
            )
    for row in group.rows:
        for beside in _without_view(group, row):
            both = frozenset((row.label, beside))
            compared = ours[beside] if row.label == source.ours and beside in ours else pairs.get(both)
            yield from _points(
                f"What the tree view gives: {row.label} beside {beside}, {group.title}", compared, row.label
            )


def _unlike(group: Group, row: Row, other: str) -> bool:
    """Whether marks stand at one of two rows only: a difference would then not be one of the method."""
    beside = group.row(other)
    return beside is None or beside.marks != row.marks


def _without_view(group: Group, row: Row) -> list[str]:
    """The row with the same positives and loss but no view: `mixgcf+pos`, `dns+pos` on models without layers."""
    run = row.runs[0]
    if run.sampler not in METHOD_ROWS:
        return []
    base = "dns" if str(run.result["neg_sampler_effective"] or "").startswith("dns") else "mixgcf"
    base += "+list" if run.result["positives_loss"] == "list" else "+pos"
    same = (other for other in group.rows if other.runs[0].judge == row.runs[0].judge)
    return [other.label for other in same if other.runs[0].sampler == base][:1]


def _points(lead: str, compared: Compared | None, first: str) -> Iterator[Point]:
    """The comparison in words, told of the row that the lead names first."""
    if compared is not None:
        compared = compared if compared.first == first else turned(compared)
        yield Point(lead, f"Over users: {over_users(compared)} Over seeds: {over_seeds(compared)}")
