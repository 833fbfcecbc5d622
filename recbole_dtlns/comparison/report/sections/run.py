"""What the page of a single run has of its own: its result, its checks a line each, its inferred positives, its use."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from recbole_dtlns.comparison.report.formats import shown
from recbole_dtlns.comparison.report.section import Commands, Point, Section, Verdict
from recbole_dtlns.comparison.report.sections.examples import examples_table, in_words
from recbole_dtlns.comparison.report.source import Row, Source, best_of
from recbole_dtlns.comparison.report.table import Column, Line, Table, filled
from recbole_dtlns.comparison.run.checks import of_other_mask
from recbole_dtlns.comparison.run.records import RunRecord
from recbole_dtlns.comparison.statistics.words import metric_name
from recbole_dtlns.config.permissions import permissions_for
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.run_folder import CHECKPOINT


def result(source: Source) -> Section:
    """The result in a sentence, every metric in a table, what the positives are and how to use the run."""
    section = Section("summary", "Result")
    section.warnings += source.sampled
    for group in source.groups:
        for row in group.rows:
            section.verdicts.append(Verdict(f"{group.title}, {_sentence(source, row)}"))
            section.warnings += [f"Marked: {mark}." for mark in row.marks]
            section.points += in_words(row.runs[0])
            _add_examples(section, row.runs[0], group.slug)
            section.tables.append(_metrics(source, row, group.slug))
            section.commands += _use(row)
    return section


def _sentence(source: Source, row: Row) -> str:
    run, metric = row.runs[0].result, source.metric
    part, value = ("test", row.test(metric)) if row.test(metric) else ("valid", row.valid(metric))
    words = [f"{row.label}: {part} {metric_name(metric)} {shown(value, 'metric')}"]
    if run["best_epoch"] is not None:
        epochs = max((len(log) for log in row.logs("epochs")), default=0)
        words.append(f"best epoch {run['best_epoch']}" + (f" of {epochs}, counted from 0" if epochs else ""))
    if (seconds := row.seconds("training")) is not None:
        words.append(f"trained in {shown(seconds, 'seconds')} s")
    return ", ".join(words) + "."


def _add_examples(section: Section, run: RunRecord, slug: str) -> None:
    try:
        table = examples_table(run, slug)
    except UserError as error:
        section.warnings.append(f"No examples: {error}")
        return
    section.tables += [] if table is None else [table]


def _metrics(source: Source, row: Row, slug: str) -> Table:
    columns = (Column("metric", "Metric"), Column("test", "Test", "metric"), Column("valid", "Valid", "metric"))
    lines = [
        Line({"metric": metric_name(name), "test": row.test(name), "valid": row.valid(name)}, row.marks)
        for name in source.metrics
        if best_of(name) or row.test(name)
    ]
    return Table(f"result-{slug}", "Every metric", filled(columns, lines), tuple(lines))


def _use(row: Row) -> Iterator[Commands]:
    folder, permissions = row.runs[0].folder, permissions_for(row.runs[0].result["config"])
    if (folder / CHECKPOINT).is_file():
        words = ["python", "-m", "recbole_dtlns", "recommend", str(folder), "--topk=20", "--output=lists.tsv"]
        yield Commands("Recommend 20 items to every user", (shlex.join(words + permissions),))
        allowed = ", allow_plugins=True" if permissions else ""
        lines = ("from recbole_dtlns.evaluation.loading import load_run", f"run = load_run({str(folder)!r}{allowed})")
        yield Commands("Load the model in Python", lines)


def checks_of_run(source: Source) -> Section:
    """Each leak check in a line."""
    section = Section("checks", "Leak checks", short="Checks")
    for run in source.runs:
        for check in run.result["checks"] or []:
            expected = of_other_mask(run, check)
            bad = "not passed, as expected under the reference protocol" if expected else "NOT PASSED"
            outcome = "passed" if check["passed"] else bad
            section.points.append(Point(f"{check['name']}: {outcome}", str(check.get("found", ""))))
    return section
