"""Accuracy by data set and model: means and spread over seeds, what was chosen, intervals in a plot."""

from __future__ import annotations

from functools import partial
from typing import Any

from recbole_dtlns.comparison.report.mean_table import mean_table
from recbole_dtlns.comparison.report.section import Section
from recbole_dtlns.comparison.report.source import SPREAD_OF_LISTS, Group, Row, Source, best_of, is_accuracy
from recbole_dtlns.comparison.report.table import Column, Line, Table, Value, filled
from recbole_dtlns.comparison.run.records import RunRecord
from recbole_dtlns.comparison.statistics.words import metric_name

_BOLD = "Mean ± standard deviation over seeds. Bold: the best mean of a column among rows without marks."
_VALID_IN_FILE = "The same on valid: in its files."
_SPREAD = (
    "A row that wins with a higher average popularity and a lower item coverage than the row it beats may do no more "
    "than recommend popular items to everybody."
)
_INTERVAL = (
    "Low and high: ends of the 95 % bootstrap interval of the mean test {} over users, whose values are averaged over "
    "seeds. Whether two rows differ is told by the tests, not by overlapping intervals: all rows share their users."
)


def accuracy(source: Source) -> Section:
    """Test and valid metrics of every row."""
    section = Section("accuracy", "Accuracy by every metric", short="Accuracy")
    chosen = "early stopping and every choice by the valid part, test read once a run."
    told = f"{source.ranking}; {chosen}" if source.ranking else chosen
    section.text.append(
        f"{told[0].upper()}{told[1:]} "
        f"{metric_name(source.metric)} is the metric that validation went by, unless the report was asked for another."
    )
    for group in source.groups:
        section.add(_main(source, group), _all(source, group), _training(group))
    return section


def _main(source: Source, group: Group) -> Table:
    k = source.metric.partition("@")[2]
    spread = [
        f"{name}@{k}" for name in SPREAD_OF_LISTS if f"{name}@{k}" in source.metrics and is_accuracy(source.metric)
    ]
    # Beside popularity and coverage there is no room for these on paper; the table of all metrics has them.
    left = {f"hit@{k}", f"precision@{k}"} if spread else set()
    tests = [
        name
        for name in source.metrics
        if name == source.metric or (is_accuracy(name) and name.partition("@")[2] == k and name not in left)
    ]
    columns = [
        Column("row", "Row"),
        Column("judge", "Judge"),
        *(column for name in tests for column in _test_columns(name, name == source.metric)),
        *(Column(f"test_{name}", f"Test {metric_name(name)}", "metric") for name in spread),
        Column(f"valid_{source.metric}", f"Valid {metric_name(source.metric)}", "metric", best_of(source.metric)),
        Column("seeds", "Seeds", "count"),
    ]
    lines = []
    for row in group.rows:
        values = _values([*tests, *spread], [source.metric], row)
        low, high = source.intervals(group)[row.label] or (None, None)
        ends = {f"test_{source.metric}_low": low, f"test_{source.metric}_high": high}
        lines.append(Line({"row": row.label, **values, **ends}, row.marks))
    shown = filled(columns, lines)
    name = metric_name(source.metric)
    keys = {column.key for column in shown}
    notes = [
        _BOLD,
        *([_INTERVAL.format(name)] if f"test_{source.metric}_low" in keys else []),
        *([_SPREAD] if len(keys & {f"test_{each}" for each in spread}) == 2 else []),
    ]
    return Table(f"accuracy-{group.slug}", f"Accuracy: {group.title}", shown, tuple(lines), " ".join(notes))


def _test_columns(name: str, ends: bool) -> list[Column]:
    """A test metric, and the ends of its interval where they are wanted: one metric alone leaves the table narrow."""
    title = metric_name(name)
    columns = [Column(f"test_{name}", f"Test {title}", "metric", best_of(name))]
    if ends:
        columns += [Column(f"test_{name}_{end}", f"{title}, {end}", "metric") for end in ("low", "high")]
    return columns


def _all(source: Source, group: Group) -> Table | None:
    names, tested = source.metrics, any(row.test(source.metric) for row in group.rows)
    columns = [Column("judge", "Judge")]
    for part in ("test", "valid"):
        for name in names:
            title = f"{part.title()} {metric_name(name)}"
            in_file = part == "valid" and tested
            columns.append(Column(f"{part}_{name}", title, "metric", best_of(name), in_file))
    note = f"{_BOLD} {_VALID_IN_FILE}" if tested else _BOLD
    return mean_table("metrics", "All metrics", group, columns, partial(_values, names, names), note=note, folded=True)


def _values(tests: list[str], valids: list[str], row: Row) -> dict[str, Value]:
    values: dict[str, Value] = {"judge": judge_of(row), "seeds": len(row.runs)}
    values |= {f"test_{name}": row.test(name) for name in tests}
    return values | {f"valid_{name}": row.valid(name) for name in valids}


def judge_of(row: Row) -> str:
    """The judge of a row; empty for `none`."""
    judge = row.runs[0].judge
    return "" if judge == "none" else judge


def _training(group: Group) -> Table | None:
    tuned = any(row.trials for row in group.rows)
    columns = (
        *((Column("chosen", "Chosen on valid"), Column("trials", "Trials", "count")) if tuned else ()),
        Column("seeds", "Seeds", "count"),
        Column("best_epoch", "Best epoch", "count"),
    )
    title = "Tuning and training" if tuned else "Training"
    note = "Epochs count from 0." + (" A row with nothing to search has no trials." if tuned else "")
    return mean_table("training", title, group, columns, _training_values, note=note, folded=True)


def _training_values(row: Row) -> dict[str, Value]:
    return {
        "chosen": chosen_keys(row),
        "trials": len(row.trials),
        "seeds": len(row.runs),
        "best_epoch": row.mean(lambda run: run.result["best_epoch"]),
    }


def chosen_keys(row: Row) -> str:
    """The keys that the search chose, `start values` if it kept those, or nothing without a search."""
    if not row.trials:
        return ""
    keys = chosen_of(row.runs[0])
    return ", ".join(f"{key} {value}" for key, value in keys.items()) or "start values"


def chosen_of(run: RunRecord) -> dict[str, Any]:
    """The keys that the search chose for a run; empty for start values and without a search."""
    keys = (run.chosen() or {}).get("keys")
    return keys if isinstance(keys, dict) else {}
