"""How training went: curves by epoch and by second, and accuracy against what it cost."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from recbole_dtlns.comparison.report.measures import why_marked
from recbole_dtlns.comparison.report.plots import curves, scatter
from recbole_dtlns.comparison.report.row import problem_of
from recbole_dtlns.comparison.report.section import Picture, Section
from recbole_dtlns.comparison.report.source import Group, Source
from recbole_dtlns.comparison.report.table import Column, Line, Table, Value
from recbole_dtlns.comparison.run.records import RunRecord
from recbole_dtlns.comparison.statistics.words import metric_name


def learning_curves(source: Source) -> Section:
    """The valid metric and the training loss by epoch."""
    section = Section("curves", "Learning curves")
    section.text.append(
        "The mean over seeds, as far as all of them trained, with a band from the lowest to the highest seed. Losses "
        "of different samplers are not comparable with each other: a harder negative costs more."
    )
    section.warnings += [f"Left out of every curve: {said}" for said in source.unreadable("epochs")]
    for group in source.groups:
        pictures = _curves(source, group)
        section.pictures += pictures
        if pictures:
            section.text.append(f"{_without(source, group)}{where_epochs_are(group)}")
    return section


def _without(source: Source, group: Group, by_second: bool = False) -> str:
    """The rows that have no curve, in a sentence; nothing where all have one."""
    held = curves.curves_of(group, source.metric, by_second)
    rows = ", ".join(label for label, curve in held.items() if curve is None)
    what, why = f"valid {metric_name(source.metric)}", "it was not recorded"
    if by_second:
        what, why = f"{what} by second", "it or the seconds were not recorded"
    return f"Without a curve of {what}, {group.title}, as {why} in two epochs of all seeds: {rows}. " if rows else ""


def where_epochs_are(group: Group) -> str:
    """A sentence on the file of `epoch_tables`."""
    return f"Every epoch of every seed of {group.name} that could be read, as numbers: report/{_file_of(group)}.csv."


def _file_of(group: Group) -> str:
    return f"epochs-{group.slug}"


def epoch_tables(source: Source) -> Iterator[Table]:
    """A table a group, for CSV alone: what was recorded in each epoch of each seed, at every noise rate.

    Files that cannot be read are left out; the sections on curves and hardness name them.
    """
    for group in source.groups:
        rows = [row for noise in source.noise_levels(group) for row in source.at_noise(group, noise).rows]
        lines = [Line(values, row.marks) for row in rows for run in row.runs for values in _epochs(row.label, run)]
        names = list(dict.fromkeys(name for line in lines for name in line.values))
        if lines:
            columns = tuple(Column(name, name, "number") for name in names)
            yield Table(_file_of(group), f"Epochs: {group.name}", columns, tuple(lines))


_NO_METRICS = ("train_loss", "list_loss", "seconds", "elapsed")


def _epochs(label: str, run: RunRecord) -> Iterator[dict[str, Value]]:
    """Training and hardness side by side; valid metrics are called as in the other tables, `valid_ndcg@20`."""
    trained = {} if problem_of(run, "epochs") else run.epochs()
    hard = {} if problem_of(run, "hardness") else run.hardness()
    for epoch in sorted(trained.keys() | hard.keys()):
        values: dict[str, Value] = {"row": label, "noise": run.noise, "seed": run.seed, "epoch": epoch}
        for name, value in trained.get(epoch, {}).items():
            values[name if name in _NO_METRICS else f"valid_{name}"] = value
        yield values | hard.get(epoch, {})


def _curves(source: Source, group: Group) -> list[Picture]:
    metric, found = metric_name(source.metric), []
    for column, title in ((source.metric, f"Valid {metric} by epoch"), ("train_loss", "Training loss by epoch")):
        held = curves.curves_of(group, column)
        if any(held.values()):
            alt = (
                f"Line plot of {title[0].lower()}{title[1:]} for {sum(map(bool, held.values()))} rows of {group.title}."
                f"{why_marked(row for row in group.rows if held[row.label])}"
            )
            name = f"curve-{'loss' if column == 'train_loss' else 'valid'}-{group.slug}"
            found.append(
                Picture(name, f"{title}: {group.title}", alt, partial(curves.draw, source, group, column, title))
            )
    return found


def accuracy_against_seconds(source: Source) -> Section:
    """What accuracy costs in training time."""
    section = Section("seconds", "Accuracy against training seconds")
    section.text.append(
        "Seconds of training without evaluation, up to where early stopping ended it; as measured, with whatever else "
        "ran on the machine."
    )
    metric = metric_name(source.metric)
    for group in source.groups:
        rows = [row for row in group.ranked(source.metric) if row.seconds("training")]
        if len(rows) > 1 or (rows and source.single):
            alt = (
                f"Scatter plot of test {metric} against mean training seconds for {len(rows)} rows of {group.title}; "
                "up and to the left is better. The numbers are in the tables of accuracy and training."
                f"{why_marked(rows)}"
            )
            title = f"Test {metric} against training seconds: {group.title}"
            section.pictures.append(
                Picture(f"seconds-{group.slug}", title, alt, partial(scatter.against_seconds, source, group))
            )
        held = curves.curves_of(group, source.metric, by_second=True)
        if any(curves.curves_of(group, source.metric).values()):
            section.text += [said.strip()] if (said := _without(source, group, by_second=True)) else []
        if any(held.values()):
            title = f"Valid {metric} by training second"
            alt = (
                f"Line plot of valid {metric} by second of training for {sum(map(bool, held.values()))} rows of "
                f"{group.title}.{why_marked(row for row in group.rows if held[row.label])}"
            )
            section.pictures.append(
                Picture(
                    f"curve-seconds-{group.slug}",
                    f"{title}: {group.title}",
                    alt,
                    partial(curves.draw, source, group, source.metric, title, by_second=True),
                )
            )
    return section
