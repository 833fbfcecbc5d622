"""Robustness: accuracy against noise in the training data."""

from __future__ import annotations

from recbole_dtlns.comparison.report.measures import why_marked
from recbole_dtlns.comparison.report.plots import noise as plots
from recbole_dtlns.comparison.report.section import Picture, Section
from recbole_dtlns.comparison.report.source import Group, Source
from recbole_dtlns.comparison.report.table import Column, Line, Table, Value
from recbole_dtlns.comparison.statistics.words import metric_name

_KINDS = {
    "false_positives": "random pairs were added to train, as a share of it",
    "false_negatives": "a share of the training pairs was hidden",
}


def noise(source: Source) -> Section:
    """The main metric at each noise rate, and the relative drop."""
    section = Section("noise", "Noise")
    kinds = dict.fromkeys(str(noise["kind"]) for run in source.runs if (noise := run.result["noise"]))
    section.text += [f"Noise: {_KINDS.get(kind, kind)}. Valid and test are as they were." for kind in kinds]
    for group in source.groups:
        levels = source.noise_levels(group)
        if len(levels) > 1:
            section.tables.append(_table(source, group, levels))
            section.pictures.append(_picture(source, group, levels))
    return section


def _table(source: Source, group: Group, levels: list[float]) -> Table:
    name, columns = metric_name(source.metric), [Column("row", "Row")]
    for level in levels:
        columns.append(Column(f"noise_{level:g}", f"Test {name} at {100 * level:g} %", "metric", "max"))
    columns += [Column(f"drop_{level:g}", f"Change at {100 * level:g} %", "percent") for level in levels[1:]]
    lines = []
    groups = {level: source.at_noise(group, level) for level in levels}
    for row in group.rows:
        values: dict[str, Value] = {"row": row.label}
        lowest = row.test(source.metric)
        marks = dict.fromkeys(row.marks)
        for level in levels:
            noisy = groups[level].row(row.label)
            value = None if noisy is None else noisy.test(source.metric)
            values[f"noise_{level:g}"] = value
            marks |= dict.fromkeys(() if noisy is None else noisy.marks)
            if level != levels[0] and lowest is not None and value is not None and lowest.mean:
                values[f"drop_{level:g}"] = value.mean / lowest.mean - 1
        if any(values.get(f"noise_{level:g}") is not None for level in levels[1:]):
            lines.append(Line(values, tuple(marks)))
    base = f"at {100 * levels[0]:g} % noise" if levels[0] else "without noise"
    note = f"Change: of the mean, relative to the same row {base}."
    return Table(f"noise-{group.slug}", f"Accuracy under noise: {group.name}", tuple(columns), tuple(lines), note)


def _picture(source: Source, group: Group, levels: list[float]) -> Picture:
    name = metric_name(source.metric)
    return Picture(
        f"noise-{group.slug}",
        f"Test {name} against noise: {group.name}",
        f"Line plot of mean test {name} at noise rates {', '.join(f'{100 * level:g} %' for level in levels)} with the "
        f"standard deviation over seeds, a line a row of {group.name}. The numbers are in the table of noise."
        f"{why_marked(plots.rows_of(source, group, levels))}",
        lambda: plots.draw(source, group, levels),
    )
