"""The inferred positives: whether they are true, where they come from, how they were judged."""

from __future__ import annotations

from recbole_dtlns.comparison.report.mean_table import group_table, mean_table
from recbole_dtlns.comparison.report.measures import (
    FEWEST_PAIRS,
    fields,
    means,
    of_several_seeds,
    precision_of,
    precision_varies,
    why_marked,
)
from recbole_dtlns.comparison.report.plots import precision as plots
from recbole_dtlns.comparison.report.section import Picture, Point, Section
from recbole_dtlns.comparison.report.sections.judging import LANGUAGE_MODELS, cost_of_judging, judging
from recbole_dtlns.comparison.report.sections.learned import learned
from recbole_dtlns.comparison.report.source import Group, Row, Source
from recbole_dtlns.comparison.report.table import Column, Line, Table, Value

MEMORISATION = (
    "Language models may have read public data such as MovieLens or Amazon reviews in training, and gains reported "
    "with them may follow what they remember. Here the model sees paths in trees made from this split, neither "
    "titles nor ids; that is an argument, not a measurement. The row shuffled_codes is the control that measures it."
)


def positives(source: Source) -> Section:
    """Overlap with held-out pairs, precision by probability, trees, what the judge knows and costs."""
    section = Section("positives", "Inferred positives")
    section.text.append(
        "Under the honest protocol no inferred positive is dropped for being held out, and none is chosen by looking "
        "there: the overlap is counted after the run, beside what as many random unseen items would give."
    )
    for group in source.groups:
        rows = [row for row in group.rows if row.runs[0].judge != "none"]
        section.add(_overlap(group, rows), _precisions(group, rows), _trees(group))
        section.add(*judging(group, rows), *learned(group, rows))
        if shown := [row for row in rows if any(entry["pairs"] >= FEWEST_PAIRS for entry in precision_of(row))]:
            section.pictures.append(_picture(source, group, shown))
        if any(row.runs[0].judge in LANGUAGE_MODELS for row in rows) and not section.points:
            section.points.append(Point("Memorisation", MEMORISATION))
    section.add(cost_of_judging(source))
    return section


def _overlap(group: Group, rows: list[Row]) -> Table | None:
    columns = (
        Column("source", "Candidates from"),
        Column("positives", "Inferred positives", "count"),
        Column("valid", "In valid", "count"),
        Column("valid_chance", "Valid by chance", "count"),
        Column("test", "In test", "count"),
        Column("test_chance", "Test by chance", "count"),
    )
    return mean_table(
        "overlap", "Inferred positives that are held out", group, columns, _overlap_values, rows, shared=True
    )


def _overlap_values(row: Row) -> dict[str, Value]:
    counts = means(row, "overlap", ("valid", "valid_chance", "test", "test_chance"))
    if all(value is None for value in counts.values()):  # JudgedOrder trains on none, so that none was looked up
        return {}
    return {
        "source": ", ".join(dict.fromkeys(fields(row, "candidate_source"))),
        "positives": row.mean(lambda run: run.result["data"]["inferred_positives"]),
        **counts,
    }


def _precisions(group: Group, rows: list[Row]) -> Table | None:
    columns = (
        Column("row", "Row"),
        Column("probability", "Judge probability"),
        Column("pairs", "Pairs", "count"),
        Column("valid", "In valid", "count"),
        Column("test", "In test", "count"),
        Column("precision", "Held out", "percent"),
    )
    lines = [
        Line(
            {
                "row": row.label,
                "probability": f"{entry['low']:.2g} to {entry['high']:.2g}",
                **{key: entry[key] for key in ("pairs", "valid", "test")},
                "precision": (entry["valid"] + entry["test"]) / entry["pairs"] if entry["pairs"] else None,
            },
            row.marks,
        )
        for row in rows
        for entry in precision_of(row)
    ]
    note = of_several_seeds(rows, f"Pairs of the first seed{_other_seeds(rows)}. ") + (
        "Held out: share of the pairs in valid or test, a lower bound of "
        "precision, as most true positives are in neither. A judge that knows something has more of them at higher "
        f"probabilities. The plot leaves out lines of fewer than {FEWEST_PAIRS} pairs, whose shares say little."
    )
    return group_table(
        "precision", "Inferred positives by judge probability", group, columns, lines, note, folded=True, shared=True
    )


def _other_seeds(rows: list[Row]) -> str:
    """Whether the pairs of other seeds differ from those of the first; empty where there is no other seed."""
    if varying := [row.label for row in rows if precision_varies(row)]:
        return f"; those of other seeds differ for {', '.join(varying)}"
    return ", as of every other" if any(len(row.runs) > 1 for row in rows) else ""


def _trees(group: Group) -> Table | None:
    columns = (
        Column("items", "Items", "count"),
        Column("leaves_co", "Leaves, co tree", "count"),
        Column("depth_co", "Depth, co tree", "count"),
        Column("leaves_se", "Leaves, semantic tree", "count"),
        Column("depth_se", "Depth, semantic tree", "count"),
        Column("agreement", "Agreement of leaves", "metric"),
        Column("item_vectors", "Semantic tree from"),
    )
    keys = tuple(column.key for column in columns[:-1])

    def values_of(row: Row) -> dict[str, Value]:
        origins = dict.fromkeys(trees["item_vectors"] for trees in fields(row, "trees"))
        return {**means(row, "trees", keys), "item_vectors": ", ".join(origins)} if origins else {}

    note = "Agreement: adjusted Rand index of the two trees' leaves; 0 = as by chance, 1 = the same tree twice."
    return mean_table("trees", "Index trees", group, columns, values_of, note=note, shared=True)


def _picture(source: Source, group: Group, rows: list[Row]) -> Picture:
    return Picture(
        f"precision-{group.slug}",
        f"Inferred positives that are held out, by judge probability: {group.title}",
        "Line plot of the share of inferred positives that are valid or test pairs, by the probability that the "
        f"judge gave them{of_several_seeds(rows, ', of the first seed')}; a line that rises means that the judge knows "
        f"something. Bins of fewer than {FEWEST_PAIRS} pairs are not drawn. The numbers are in the table by judge "
        "probability."
        f"{why_marked(rows)}",
        lambda: plots.draw(source, group),
    )
