"""How hard the negatives were and how many of them were false, epoch by epoch."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from recbole_dtlns.comparison.report.mean_table import mean_table
from recbole_dtlns.comparison.report.measures import fields, means, of_several_seeds, why_marked
from recbole_dtlns.comparison.report.plots import hardness as plots
from recbole_dtlns.comparison.report.section import Picture, Section
from recbole_dtlns.comparison.report.source import Group, Row, Source
from recbole_dtlns.comparison.report.table import Column, Value
from recbole_dtlns.wording import counted

_COLUMNS = (
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
    section.warnings += [f"Left out of the figures of hardness: {problem}" for problem in source.unreadable("hardness")]
    for group in source.groups:
        title = "Hardness at the best epoch"
        note = of_several_seeds(group.rows, "Means over seeds; ") + "test after training only."
        note = note[0].upper() + note[1:]
        section.add(mean_table("hardness", title, group, _COLUMNS, _values, note=note, folded=True))
        section.pictures += _pictures(source, group)
    return section


def _values(row: Row) -> dict[str, Value]:
    """Means without their spread; nothing where no negatives of ours were measured."""
    if not fields(row, "hardness"):
        return {}
    spreads = means(row, "hardness", tuple(column.key for column in _COLUMNS))
    return {key: None if spread is None else spread.mean for key, spread in spreads.items()}


def _pictures(source: Source, group: Group) -> Iterator[Picture]:
    for name, title in plots.QUANTITIES.items():
        rows = plots.rows_with(group, name)
        if rows:
            dotted = name == "valid_share"
            first = of_several_seeds(group.rows, ", first seed")
            alt = (
                f"Line plot by epoch of {title.lower()}{first}, {counted(len(rows), 'row')} of {group.title}"
                f"{', beside what chance would give (dotted)' if dotted else ''}. Values of the best epoch are in the "
                f"table of hardness.{why_marked(rows)}"
            )
            draw = partial(plots.draw, source, group, name)
            key = "Dotted: what chance would give." if dotted else ""
            yield Picture(f"hardness-{name}-{group.slug}", f"{title}{first}: {group.title}", alt, draw, key)
