"""The verdict: a sentence, a ranked table and the interval plot of each group, then what to know beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from recbole_dtlns.comparison.report.measures import labels_by_mark, why_marked
from recbole_dtlns.comparison.report.plots import accuracy as plots
from recbole_dtlns.comparison.report.section import Picture, Section, Verdict
from recbole_dtlns.comparison.report.sections.checks import failed_checks
from recbole_dtlns.comparison.report.source import Group, Row, Source, best_of
from recbole_dtlns.comparison.report.table import Column, Interval, Line, Table, Value, filled
from recbole_dtlns.comparison.report.verdict import difference, standing, verdict
from recbole_dtlns.comparison.statistics import Compared
from recbole_dtlns.comparison.statistics.words import metric_name

_WORDS = "Better, worse: certain over users and over seeds, each with p below .05 after Holm's correction."
_KEY = "Bar: 95 % interval over users. Whiskers: standard deviation over seeds. Small dots: seeds."


def summary(source: Source) -> Section:
    """The first part of the page."""
    section = Section("summary", "Verdict")
    section.warnings += _warnings(source)
    for group in source.groups:
        sentence = verdict(source, group)
        if sentence and len(source.groups) > 1:
            sentence = f"{group.title}: {sentence}"
        several = len(group.ranked(source.metric)) > 1
        table, picture = (_ranked(source, group), _dots(source, group)) if several else (None, None)
        if sentence:
            section.verdicts.append(Verdict(sentence, table, picture))
    return section


def _ranked(source: Source, group: Group) -> Table:
    """Rows from best to worst; those with marks have no rank."""
    name, baseline = metric_name(source.metric), source.baseline(group)
    tested = source.against_baseline(group)
    columns = (
        Column("rank", "#", "count"),
        Column("row", "Row"),
        Column("test", f"Test {name}", "metric"),
        Column("difference", f"Beside {baseline.label}" if baseline else "Difference", "signed"),
        Column("verdict", "Verdict"),
        Column("training", "Training (s)", "seconds"),
    )
    lines, rank = [], 0
    for row in group.ranked(source.metric):
        rank += not row.marks
        words = "the baseline" if row is baseline else standing(tested.get(row.label), source.metric)
        words = "not ranked" if row.marks else words
        values: dict[str, Value] = {"rank": None if row.marks else rank, "row": row.label, "verdict": words}
        values |= {"test": _with_interval(source, group, row), "training": row.seconds("training")}
        values["difference"] = None if row is baseline else _difference(source, row, baseline, tested)
        lines.append(Line(values, row.marks, row.folder))
    caption = f"Rows by test {name}: {group.title}"
    return Table(
        f"verdict-{group.slug}", caption, filled(columns, lines, keep=3), tuple(lines), _note(source, group), names=2
    )


def _note(source: Source, group: Group) -> str:
    """What the brackets of the ranked table are, whatever values by user there are, and which rows have no test."""
    intervals, tested = source.intervals(group), source.against_baseline(group)
    ranked = group.ranked(source.metric)
    over_seeds = [row.label for row in ranked if (one := tested.get(row.label)) and not one.users and one.seeds]
    over_users = any(one.users for one in tested.values()) or any(intervals[row.label] for row in ranked)
    sentences = []
    if over_users:
        apart = f"; those of the differences of {', '.join(over_seeds)} over seeds" if over_seeds else ""
        sentences.append(f"Brackets: 95 % intervals over users{apart}.")
    elif over_seeds:
        sentences.append("Brackets: 95 % intervals over seeds.")
    if any(not intervals[row.label] and len(row.runs) > 1 for row in ranked):
        sentences.append("±: standard deviation over seeds, where there is no interval over users.")
    if left_out := source.left_out(group):
        names = ", ".join(row.label for row in left_out)
        sentences.append(f"Not tested: {names}, whose files are damaged or missing (see Statistics).")
    return " ".join([*sentences, _WORDS])


def _with_interval(source: Source, group: Group, row: Row) -> Value:
    """The mean with its interval over users, or with its spread over seeds where there is none."""
    value, ends = row.test(source.metric), source.intervals(group)[row.label]
    return value if value is None or ends is None else Interval(value.mean, *ends)


def _difference(source: Source, row: Row, baseline: Row | None, tested: Mapping[str, Compared]) -> Value:
    """To the baseline, with the interval over users where there is one, else with that over seeds."""
    if baseline is None:
        return None
    compared = tested.get(row.label)
    test = None if compared is None else compared.users or compared.seeds
    return Interval(difference(source, row, baseline, compared), *((test and test.interval) or (None, None)))


def _dots(source: Source, group: Group) -> Picture:
    name, intervals = metric_name(source.metric), source.intervals(group)
    over_users = "the 95 % bootstrap interval over users, " if any(intervals.values()) else ""
    return Picture(
        f"accuracy-{group.slug}",
        f"Test {name}: {group.title}",
        f"Dot plot of test {name} for {len(group.ranked(source.metric))} rows, with {over_users}the standard deviation "
        f"over seeds and every seed as a small dot.{_highest(source, group)} The numbers are in the "
        f"table of the verdict.{why_marked(group.rows)}",
        lambda: plots.dots(source, group, intervals),
        _KEY if over_users else _KEY.partition(". ")[2],
    )


def _highest(source: Source, group: Group) -> str:
    """The best row without marks; where all are marked, the best of those with its marks."""
    ranked = group.ranked(source.metric)
    best = next((row for row in ranked if not row.marks), ranked[0])
    value = best.test(source.metric)
    if value is None:
        return ""
    among = " of rows without marks" if not best.marks and any(row.marks for row in ranked) else ""
    marks = f" [{'; '.join(best.marks)}]" if best.marks else ""
    which = "lowest" if best_of(source.metric) == "min" else "highest"
    return f" The {which} mean{among} has {best.label}{marks} with {value.mean:.4f}."


def _warnings(source: Source) -> Iterator[str]:
    failed, pending = source.comparison.failed, source.comparison.pending
    if failed:
        names = ", ".join(run.run_id for run in failed[:5]) + (" ..." if len(failed) > 5 else "")
        yield f"{len(failed)} failed run{'s' * (len(failed) != 1)}, not in any number here: {names}. See Failed runs."
    if pending:
        count = f"{len(pending)} run{'s' * (len(pending) != 1)}"
        yield f"{count} not finished yet: means are over the seeds that are there."
    yield from source.sampled
    for group in source.groups:
        if group.noise:
            yield f"{group.name} has no finished run without noise: all but the section on noise is {group.title}."
    for labels in labels_by_mark((run.label, run.result["marks"]) for run in source.runs):
        yield f"Marked: {labels}. Not to be compared with the other rows."
    yield from failed_checks(source)
