"""Runs under the authors' protocol: the same model under both evaluation masks."""

from __future__ import annotations

from recbole_dtlns.comparison.number_text import percent_text
from recbole_dtlns.comparison.report.formats import shown
from recbole_dtlns.comparison.report.measures import mask_gain, mask_value, why_marked
from recbole_dtlns.comparison.report.plots import masks as plots
from recbole_dtlns.comparison.report.section import Picture, Point, Section
from recbole_dtlns.comparison.report.source import Group, Row, Source, best_of, is_accuracy
from recbole_dtlns.comparison.report.table import Column, Line, Table
from recbole_dtlns.comparison.statistics.words import metric_name


def masks(source: Source) -> Section:
    """How much of a gain is the mask."""
    section = Section("masks", "The evaluation mask", short="Mask")
    section.text.append(
        "Under the reference protocol the inferred positives that are no held-out pairs are left out of the ranking at "
        "test. Only test labels can tell which those are, so they sharpen the evaluation itself. Here each such "
        "model is tested under both masks, from the same checkpoint: train, and train with its inferred positives. The "
        "difference is the mask alone."
    )
    for group in source.groups:
        rows = [row for row in group.rows if mask_value(row, "reference", source.metric)]
        if rows:
            section.tables.append(_table(source, group, rows))
            section.points += [_sentence(source, group, row) for row in rows]
            section.pictures.append(_picture(source, group))
    return section


def _table(source: Source, group: Group, rows: list[Row]) -> Table:
    columns = (
        Column("row", "Row"),
        Column("metric", "Test metric"),
        Column("honest", "Honest mask", "metric"),
        Column("reference", "Reference mask (uses test labels)", "metric"),
        Column("difference", "Difference: the mask", "signed"),
        Column("relative", "Relative", "percent"),
    )
    lines = []
    for row in rows:
        for name in filter(is_accuracy, source.metrics):
            honest, reference = mask_value(row, "honest", name), mask_value(row, "reference", name)
            if best_of(name) is None or honest is None or reference is None:
                continue
            values = {"honest": honest, "reference": reference, "difference": mask_gain(row, name)}
            relative = reference.mean / honest.mean - 1 if honest.mean else None
            lines.append(
                Line({"row": row.label, "metric": metric_name(name), "relative": relative, **values}, row.marks)
            )
    return Table(f"masks-{group.slug}", f"The same models under both masks: {group.title}", columns, tuple(lines))


def _sentence(source: Source, group: Group, row: Row) -> Point:
    lead = f"{row.label}, {group.title}"
    honest, reference = (mask_value(row, mask, source.metric) for mask in ("honest", "reference"))
    if honest is None or reference is None or not honest.mean:
        return Point(lead, "Only one mask was evaluated.")
    name = metric_name(source.metric)
    first, second = (shown(value.mean, "metric") for value in (honest, reference))
    change = percent_text(reference.mean / honest.mean - 1, sign=True)
    text = f"Test {name} is {first} under the honest mask and {second} under the reference mask."
    return Point(lead, f"{text} The mask alone changes it by {change}.")


def _picture(source: Source, group: Group) -> Picture:
    name = metric_name(source.metric)
    return Picture(
        f"masks-{group.slug}",
        f"Test {name} under both masks: {group.title}",
        f"Dot plot of test {name} for each row whose test leaves out train alone (the honest mask here) and, where the "
        "run has one, under the reference mask, joined by a line. The numbers under both masks are in the table of "
        "masks, those of the other rows in the accuracy table."
        f"{why_marked(row for row, _, _ in plots.shown(source, group))}",
        lambda: plots.draw(source, group),
    )
