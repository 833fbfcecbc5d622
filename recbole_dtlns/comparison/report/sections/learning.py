"""How training went: curves by epoch and by second, and accuracy against what it cost."""

from __future__ import annotations

from functools import partial

from recbole_dtlns.comparison.report.plots import curves, scatter
from recbole_dtlns.comparison.report.section import Picture, Section
from recbole_dtlns.comparison.report.source import Group, Source
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
        section.pictures += _curves(source, group)
    return section


def _curves(source: Source, group: Group) -> list[Picture]:
    metric, found = metric_name(source.metric), []
    for column, title in ((source.metric, f"Valid {metric} by epoch"), ("train_loss", "Training loss by epoch")):
        held = curves.curves_of(group, column)
        if any(held.values()):
            alt = (
                f"Line plot of {title[0].lower()}{title[1:]} for {sum(map(bool, held.values()))} rows of {group.title}."
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
            )
            title = f"Test {metric} against training seconds: {group.title}"
            section.pictures.append(
                Picture(f"seconds-{group.slug}", title, alt, partial(scatter.against_seconds, source, group))
            )
        if any(curves.curves_of(group, source.metric, by_second=True).values()):
            title = f"Valid {metric} by training second"
            alt = f"Line plot of valid {metric} by second of training for the rows of {group.title}."
            section.pictures.append(
                Picture(
                    f"curve-seconds-{group.slug}",
                    f"{title}: {group.title}",
                    alt,
                    partial(curves.draw, source, group, source.metric, title, by_second=True),
                )
            )
    return section
