"""The verdict: a sentence, a ranked table and the interval plot of each group, then what to know before relying on it."""

from __future__ import annotations

from collections.abc import Iterator

from recbole_dtlns.comparison.report.measures import labels_by_mark
from recbole_dtlns.comparison.report.section import Section
from recbole_dtlns.comparison.report.sections.checks import failed_checks
from recbole_dtlns.comparison.report.sections.intervals import interval_plot, user_intervals
from recbole_dtlns.comparison.report.source import Group, Row, Source
from recbole_dtlns.comparison.report.table import Column, Interval, Line, Table, Value, filled
from recbole_dtlns.comparison.report.verdict import standing, verdict
from recbole_dtlns.comparison.statistics.words import metric_name

_NOTE = (
    "Brackets: 95 % intervals over users. Better, worse: certain over users and over seeds, each with p below .05 after "
    "Holm's correction; the tests stand under Statistics."
)


def summary(source: Source) -> Section:
    """The first part of the page."""
    section = Section("summary", "Verdict", verdict=True)
    section.warnings += _warnings(source)
    for group in source.groups:
        if said := verdict(source, group):
            section.text.append(said if len(source.groups) == 1 else f"{group.title}: {said}")
        if len(group.ranked(source.metric)) > 1:
            section.tables.append(_ranked(source, group))
            section.pictures.append(interval_plot(source, group))
    return section


def _ranked(source: Source, group: Group) -> Table:
    """Rows from best to worst; those with marks have no rank."""
    name, baseline = metric_name(source.metric), source.baseline(group)
    tested, intervals = source.against_baseline(group), user_intervals(source, group)
    beside = "the baseline" if baseline is None else baseline.label
    columns = (
        Column("rank", "#", "count"),
        Column("row", "Row"),
        Column("test", f"Test {name}", "metric"),
        Column("difference", f"Beside {beside}", "signed"),
        Column("verdict", "Verdict"),
        Column("training", "Training (s)", "seconds"),
    )
    lines, rank = [], 0
    for row in group.ranked(source.metric):
        rank += not row.marks
        value, found = row.test(source.metric), tested.get(row.label)
        held: Value = value
        if value is not None and (ends := intervals[row.label]) is not None:
            held = Interval(value.mean, *ends)
        said = "the baseline" if row is baseline else standing(found, source.metric)
        values = {"rank": None if row.marks else rank, "row": row.label, "test": held, "verdict": said}
        values |= {"difference": _difference(source, row, baseline, tested), "training": row.seconds("training")}
        lines.append(Line(values, row.marks, href=source.folder_of(row)))
    shown = filled(columns, lines, keep=3)
    return Table(f"verdict-{group.slug}", f"Rows by test {name}: {group.title}", shown, tuple(lines), _NOTE, names=2)
