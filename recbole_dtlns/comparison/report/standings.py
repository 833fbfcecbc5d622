"""What `compare` ends with on the console: the ranked table and the verdict of each group."""

from __future__ import annotations

from tabulate import tabulate

from recbole_dtlns.comparison.report.formats import shown
from recbole_dtlns.comparison.report.source import Group, Source
from recbole_dtlns.comparison.report.table import MISSING
from recbole_dtlns.comparison.report.verdict import difference, standing, verdict
from recbole_dtlns.comparison.run.records import Comparison
from recbole_dtlns.comparison.statistics.words import metric_name
from recbole_dtlns.config.eval_modes import sampled_name

_HEADS = ("#", "Row", "Test", "Beside", "Verdict", "Training (s)")


def standings_text(comparison: Comparison) -> str:
    """Rows from best to worst and what they come to, group by group; empty without a finished run that read test."""
    source = Source(comparison)
    tables = [_group_text(source, group) for group in source.groups if group.ranked(source.metric)]
    notes = [f"{what}. {problem}" for what, problem in source.problems.items()]
    return "\n\n".join([*tables, "\n".join(notes)] if tables and notes else tables)


def _group_text(source: Source, group: Group) -> str:
    """Rows with marks have no rank, and their marks stand below."""
    baseline, tested = source.baseline(group), source.against_baseline(group)
    lines, rank = [], 0
    marked: dict[str, None] = {}
    for row in group.ranked(source.metric):
        value = row.test(source.metric)
        rank += not row.marks
        compared = tested.get(row.label)
        apart = None if baseline is None or row is baseline else difference(source, row, baseline, compared)
        words = "the baseline" if row is baseline else standing(compared, source.metric)
        words = "not ranked" if row.marks else words
        number = MISSING if row.marks else str(rank)
        spent = shown(row.seconds("training"), "seconds")
        name = f"{row.label} (marked)" if row.marks else row.label
        lines.append([number, name, shown(value, "metric"), shown(apart, "signed"), words or MISSING, spent])
        marked |= {f"{row.label}: {mark}": None for mark in row.marks}
    heads = list(_HEADS)
    heads[2] += f" {metric_name(source.metric)}"
    heads[3] += f" {'the baseline' if baseline is None else baseline.label}"
    align = ("right", "left", "right", "right", "left", "right")
    table = tabulate(lines, heads, colalign=align, disable_numparse=True)
    notes = [f"Marked: {note}." for note in marked]
    sampled = sampled_name(group.rows[0].runs[0].result["config"].get("eval_args"))
    head = f"{group.title}, {sampled}:" if sampled else f"{group.title}:"
    return "\n".join([head, table, *notes, verdict(source, group)])
