"""How training went: curves by epoch and by second, and every epoch as numbers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from recbole_dtlns.comparison.report.measures import why_marked
from recbole_dtlns.comparison.report.plots import curves
from recbole_dtlns.comparison.report.row import problem_of
from recbole_dtlns.comparison.report.section import Picture, Section
from recbole_dtlns.comparison.report.source import Group, Source
from recbole_dtlns.comparison.report.table import Column, Line, Table, Value
from recbole_dtlns.comparison.run.records import RunRecord
from recbole_dtlns.comparison.statistics.words import metric_name

_OF_SEVERAL = (
    "The mean over seeds, as far as all of them trained, with a band from the lowest to the highest seed. Losses of "
    "different samplers are not comparable: a harder negative costs more. "
)


def learning_curves(source: Source) -> Section:
    """The valid metric by epoch and by second, and the training loss."""
    section = Section("curves", "Learning curves")
    section.text.append(f"{'' if source.single else _OF_SEVERAL}Seconds are those of training without evaluation.")
    section.warnings += [f"Left out of every curve: {reason}" for reason in source.unreadable("epochs")]
    for group in source.groups:
        pictures = list(_curves(source, group))
        section.pictures += pictures
        if pictures:
            section.text.append(f"{_without(source, group)}{_where_epochs_are(source, group)}")
    return section


def _without(source: Source, group: Group) -> str:
    """The rows that have no curve, by epoch or by second, in sentences; nothing where all have both."""
    metric = f"valid {metric_name(source.metric)}"
    by_epoch, by_second = (
        {label for label, curve in curves.curves_of(group, source.metric, second).items() if curve is None}
        for second in (False, True)
    )
    asked = ((metric, by_epoch, "it was"), (f"{metric} by second", by_second - by_epoch, "it or the seconds were"))
    sentences = ""
    for what, labels, was in asked:
        if rows := ", ".join(row.label for row in group.rows if row.label in labels):
            sentences += (
                f"Without a curve of {what}, {group.title}, as {was} not recorded in two epochs of all seeds: {rows}. "
            )
    return sentences


def _where_epochs_are(source: Source, group: Group) -> str:
    """A sentence on the file of `epoch_tables`."""
    if source.single:
        return f"Every epoch as numbers: report/{_file_of(group)}.csv."
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


def _curves(source: Source, group: Group) -> Iterator[Picture]:
    metric = metric_name(source.metric)
    asked = (
        ("valid", source.metric, f"Valid {metric} by epoch", False),
        ("seconds", source.metric, f"Valid {metric} by training second", True),
        ("loss", "train_loss", "Training loss by epoch", False),
    )
    for name, column, title, by_second in asked:
        by_row = curves.curves_of(group, column, by_second)
        if any(by_row.values()):
            alt = (
                f"Line plot of {title[0].lower()}{title[1:]} for {sum(map(bool, by_row.values()))} rows of "
                f"{group.title}."
                f"{why_marked(row for row in group.rows if by_row[row.label])}"
            )
            draw = partial(curves.draw, source, group, column, title, by_second=by_second)
            yield Picture(f"curve-{name}-{group.slug}", f"{title}: {group.title}", alt, draw)
