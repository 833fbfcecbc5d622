"""The inferred positives: whether they are true, where they come from, what judging them cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from recbole_dtlns.comparison.report.measures import fields, means, number, precision_of
from recbole_dtlns.comparison.report.plots import precision as plots
from recbole_dtlns.comparison.report.section import Picture, Point, Section
from recbole_dtlns.comparison.report.source import Group, Row, Source
from recbole_dtlns.comparison.report.table import Column, Line, Table, Value, filled

LANGUAGE_MODELS = ("llm", "server", "student")
MEMORISATION = (
    "Language models may have read public data such as MovieLens or Amazon reviews in training, and gains reported "
    "with them may follow what they remember. Here the model sees paths in trees made from this split, neither "
    "titles nor ids; that is an argument, not a measurement. The row shuffled_codes is the control that measures it."
)


def positives(source: Source) -> Section:
    """Overlap with held-out pairs, precision by probability, trees, cost, the judge's report and the model's card."""
    section = Section("positives", "Inferred positives")
    section.text.append(
        "Under the honest protocol no inferred positive is dropped for being held out, and none is chosen by looking "
        "there: the overlap is counted after the run, beside what as many random unseen items would give."
    )
    for group in source.groups:
        rows = [row for row in group.rows if row.runs[0].judge != "none"]
        made = [_overlap(group, rows), *_precisions(group, rows), _trees(group, rows), _cost(group, rows)]
        made += [*_reports(group, rows), _card(group, rows)]
        section.tables += [table for table in made if table is not None]
        if any(precision_of(row) for row in rows):
            section.pictures.append(_picture(source, group))
        if any(row.runs[0].judge in LANGUAGE_MODELS for row in rows) and not section.points:
            section.points.append(Point("Memorisation", MEMORISATION))
    return section


def _table(
    name: str,
    title: str,
    group: Group,
    columns: tuple[Column, ...],
    lines: list[Line],
    note: str = "",
    fold: bool = False,
) -> Table | None:
    """The table without empty columns; None where no line has anything but its name."""
    shown = filled(columns, lines)
    caption = f"{title}: {group.title}"
    return Table(f"{name}-{group.slug}", caption, shown, tuple(lines), note, fold) if shown[1:] else None


def _overlap(group: Group, rows: list[Row]) -> Table | None:
    keys = ("valid", "valid_chance", "test", "test_chance")
    columns = (
        Column("row", "Row"),
        Column("source", "Candidates from"),
        Column("positives", "Inferred positives", "count"),
        Column("valid", "In valid", "count"),
        Column("valid_chance", "by chance", "count"),
        Column("test", "In test", "count"),
        Column("test_chance", "by chance", "count"),
    )
    lines = []
    for row in rows:
        sources = dict.fromkeys(row.each(lambda run: run.result.get("candidate_source")))
        values: dict[str, Value] = {"row": row.label, "source": ", ".join(map(str, sources))}
        values["positives"] = row.mean(lambda run: run.result["data"].get("inferred_positives"))
        lines.append(Line(values | means(row, "overlap", keys), row.marks))
    return _table("overlap", "Inferred positives that are held out", group, columns, lines)


def _precisions(group: Group, rows: list[Row]) -> Iterator[Table | None]:
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
    note = (
        "Added up over seeds. Held out: share of the pairs in valid or test, a lower bound of precision, as most true "
        "positives are in neither. A judge that knows something has more of them at higher probabilities."
    )
    yield _table("precision", "Inferred positives by judge probability", group, columns, lines, note, fold=True)


def _trees(group: Group, rows: list[Row]) -> Table | None:
    keys = ("items", "leaves_co", "depth_co", "leaves_se", "depth_se", "agreement")
    kinds = {"agreement": "metric"}
    titles = ("Items", "Leaves, co tree", "Depth", "Leaves, semantic tree", "Depth", "Agreement of leaves")
    columns = (
        Column("row", "Row"),
        *(Column(key, title, kinds.get(key, "count")) for key, title in zip(keys, titles, strict=True)),
        Column("item_vectors", "Semantic tree from"),
    )
    lines = []
    for row in group.rows:
        held = fields(row, "trees")
        origin = ", ".join(dict.fromkeys(str(tree.get("item_vectors")) for tree in held))
        if held:
            lines.append(Line({"row": row.label, **means(row, "trees", keys), "item_vectors": origin}, row.marks))
    note = "Agreement: adjusted Rand index of the two trees' leaves; 0 = as by chance, 1 = the same tree twice."
    return _table("trees", "Index trees", group, columns, lines, note) if lines else None


def _cost(group: Group, rows: list[Row]) -> Table | None:
    keys = ("pairs", "accepted", "llm_calls", "prompt_tokens", "unreadable", "unjudged")
    titles = ("Pairs judged", "Accepted", "LLM calls", "Prompt tokens", "Unreadable", "Not judged")
    columns = (
        Column("row", "Row"),
        *(Column(key, title, "count") for key, title in zip(keys, titles, strict=True)),
        Column("label_mass", "Label mass", "metric"),
        Column("seconds", "Judging seconds", "seconds"),
    )
    lines = []
    for row in rows:
        values: dict[str, Value] = {
            "row": row.label,
            **means(row, "identification", keys),
            "seconds": row.seconds("judging"),
        }
        lines.append(Line(values | means(row, "judging", ("label_mass",)), row.marks))
    note = "A run that finds verdicts of an earlier one ready asks nothing again, so the first seed pays for all."
    return _table("judging", "Cost of judging", group, columns, lines, note)


def _reports(group: Group, rows: list[Row]) -> Iterator[Table | None]:
    columns = (
        Column("row", "Row"),
        Column("scorer", "Scorer"),
        Column("auc", "AUC", "metric"),
        Column("error", "Standard error", "metric"),
        Column("within_users", "Within users", "metric"),
        Column("pairs", "Pairs", "count"),
        Column("note", "Note"),
    )
    lines = []
    for row in rows:
        for report in [held.get("report") for held in fields(row, "judging")][:1]:
            for entry in (report or {}).get("rows", []):
                values = {key: entry.get(key) for key in ("auc", "error", "within_users", "pairs", "note")}
                lines.append(Line({"row": row.label, "scorer": entry.get("name"), **values}, row.marks))
    note = (
        "How well each scorer tells training pairs that were held in from equally popular unseen items; .5 = it knows "
        "nothing. From the first seed: the report reads train alone."
    )
    yield _table("judge-report", "What the judge knows", group, columns, lines, note)


def _card(group: Group, rows: list[Row]) -> Table | None:
    columns = (
        Column("row", "Row"),
        Column("model", "Model"),
        Column("revision", "Revision"),
        Column("quantization", "Quantisation"),
        Column("answers", "Answers"),
        Column("prompt", "Prompt"),
        Column("prompt_hash", "Prompt hash"),
        Column("decision", "Decision"),
        Column("threshold", "Threshold", "number"),
    )
    lines = []
    for row in rows:
        run = row.runs[0]
        if run.judge in LANGUAGE_MODELS:
            lines.append(Line({"row": row.label, **card(run.result)}, row.marks))
    return _table("llm-card", "The language model", group, columns, lines) if lines else None


def card(result: Mapping[str, Any]) -> dict[str, Value]:
    """What identifies the language model of a run, as judging noted it."""
    config, judge = result["config"], (result.get("judging") or {}).get("judge") or {}
    asked = judge.get("settings") or {}
    prompt = asked.get("prompt") or {}
    found = {
        "model": asked.get("model"),
        "revision": judge.get("revision"),
        "quantization": asked.get("quantization"),
        "answers": asked.get("answers"),
        "prompt": prompt.get("name"),
        "prompt_hash": prompt.get("digest"),
        "decision": config.get("judge_decision"),
    }
    shown: dict[str, Value] = {key: None if value is None else str(value) for key, value in found.items()}
    return shown | {"threshold": number(config.get("judge_threshold"))}


def _picture(source: Source, group: Group) -> Picture:
    return Picture(
        f"precision-{group.slug}",
        f"Inferred positives that are held out, by judge probability: {group.title}",
        "Line plot of the share of inferred positives that are valid or test pairs, by the probability that the "
        "judge gave them; a line that rises means that the judge knows something. The numbers are in the table by "
        "judge probability.",
        lambda: plots.draw(source, group),
    )
