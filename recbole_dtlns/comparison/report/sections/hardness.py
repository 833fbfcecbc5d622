"""How hard the negatives were and how many of them were false, epoch by epoch."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from recbole_dtlns.comparison.report.measures import why_marked
from recbole_dtlns.comparison.report.plots import hardness as plots
from recbole_dtlns.comparison.report.section import Picture, Section
from recbole_dtlns.comparison.report.source import Group, Row, Source
from recbole_dtlns.comparison.report.table import Column, Line, Table, Value, filled, spread
from recbole_dtlns.wording import counted

_COLUMNS = (
    Column("row", "Row"),
    Column("score_gap", "Score gap", "number"),
    Column("hardest_share", "Hardest chosen", "percent"),
    Column("similarity_co", "Similarity, co tree", "metric"),
    Column("similarity_se", "Similarity, semantic tree", "metric"),
    Column("valid_share", "Valid positives among negatives", "percent"),
    Column("valid_chance", "... by chance", "percent"),
    Column("test_share", "Test positives among negatives", "percent"),
    Column("test_chance", "... by chance", "percent"),
)


def hardness(source: Source) -> Section:
    """The best epoch in a table, every epoch in figures."""
    section = Section("hardness", "Hardness of negatives and share of false ones", short="Hardness")
    section.text.append(
        "Score gap: score of the positive less that of the negative, as the loss sees it; smaller is harder. Hardest "
        "chosen: how often the negative is the candidate that the model scores highest. False negatives are counted as "
        "chosen negatives that are held-out positives, beside what chance would give: a hard sampler finds many."
        + ("" if source.single else " Tables are over all seeds; figures show the first seed.")
    )
    section.warnings += [f"Left out of the figures of hardness: {said}" for said in source.unreadable("hardness")]
    for group in source.groups:
        lines = [Line(values, row.marks) for row in group.rows if (values := _values(row)) is not None]
        if lines:
            title, note = f"Hardness at the best epoch: {group.title}", "Means over seeds; test after training only."
            columns = filled(_COLUMNS, lines)
            section.tables.append(Table(f"hardness-{group.slug}", title, columns, tuple(lines), note, folded=True))
        section.pictures += _pictures(source, group)
    return section


def _values(row: Row) -> dict[str, Value] | None:
    held = row.each(lambda run: run.result["hardness"])
    if not held:
        return None
    keys = [column.key for column in _COLUMNS[1:]]
    means = {key: spread(fields.get(key) for fields in held) for key in keys}
    return {"row": row.label, **{key: None if found is None else found.mean for key, found in means.items()}}


def _pictures(source: Source, group: Group) -> Iterator[Picture]:
    for name, title in plots.QUANTITIES.items():
        rows = plots.rows_with(group, name)
        if rows:
            dotted = name == "valid_share"
            alt = (
                f"Line plot by epoch of {title.lower()}, of the first seed of {counted(len(rows), 'row')} of "
                f"{group.title}"
                f"{', beside what chance would give (dotted)' if dotted else ''}. Values of the best epoch are in the "
                f"table of hardness.{why_marked(rows)}"
            )
            draw = partial(plots.draw, source, group, name)
            key = "Dotted: what chance would give." if dotted else ""
            yield Picture(f"hardness-{name}-{group.slug}", f"{title}, first seed: {group.title}", alt, draw, key)
