"""How hard the negatives were and how many of them were false, epoch by epoch."""

from __future__ import annotations

from recbole_dtlns.comparison.report.measures import no_room, why_marked
from recbole_dtlns.comparison.report.plots import hardness as plots
from recbole_dtlns.comparison.report.section import Picture, Section
from recbole_dtlns.comparison.report.sections.learning import where_epochs_are
from recbole_dtlns.comparison.report.source import Group, Row, Source
from recbole_dtlns.comparison.report.table import Column, Line, Table, Value, filled, spread

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
    """The best epoch in a table, every epoch in a plot."""
    section = Section("hardness", "Hardness of negatives and share of false ones")
    section.text.append(
        "Score gap: score of the positive less that of the negative, as the loss sees it; smaller is harder. Hardest "
        "chosen: how often the negative is the candidate that the model scores highest. False negatives are counted as "
        "chosen negatives that are held-out positives, beside what chance would give: a hard sampler finds many. The "
        "table is over all seeds; the plot shows the first seed of each row that it draws."
    )
    section.warnings += [f"Left out of the plot of hardness: {said}" for said in source.unreadable("hardness")]
    for group in source.groups:
        lines = [Line(values, row.marks) for row in group.rows if (values := _values(row)) is not None]
        if lines:
            title, note = f"Hardness at the best epoch: {group.title}", "Means over seeds; test after training only."
            section.tables.append(Table(f"hardness-{group.slug}", title, filled(_COLUMNS, lines), tuple(lines), note))
        if any(plots.epochs_of(row) for row in group.rows):
            section.pictures.append(_picture(source, group))
            section.text.append(f"{_drawn(source, group)}{where_epochs_are(group)}")
    return section


def _drawn(source: Source, group: Group) -> str:
    """What the plot leaves out, in a sentence; nothing where it draws every row that has a record."""
    return no_room(group.title, plots.rows_of(source, group), plots.left_out(source, group))


def _values(row: Row) -> dict[str, Value] | None:
    held = row.each(lambda run: run.result.get("hardness"))
    if not held:
        return None
    keys = [column.key for column in _COLUMNS[1:]]
    means = {key: spread(fields.get(key) for fields in held) for key in keys}
    return {"row": row.label, **{key: None if found is None else found.mean for key, found in means.items()}}


def _picture(source: Source, group: Group) -> Picture:
    return Picture(
        f"hardness-{group.slug}",
        f"Hardness of the negatives by epoch, first seed: {group.title}",
        f"Line plots by epoch of the first seed of each row of {group.title}: score gap, share of hardest "
        "candidates chosen, similarity of positive and negative in both trees, and the share of chosen negatives that "
        f"are valid positives beside what chance would give (dotted). {_drawn(source, group)}"
        f"Values of the best epoch are in the table above.{why_marked(plots.rows_of(source, group))}",
        lambda: plots.draw(source, group),
    )
