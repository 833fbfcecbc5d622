"""What the learned judge reads and what that is worth, and whether a judge's probabilities mean what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from recbole_dtlns.comparison.report.mean_table import group_table
from recbole_dtlns.comparison.report.measures import fields, number, of_several_seeds
from recbole_dtlns.comparison.report.source import Group, Row
from recbole_dtlns.comparison.report.table import Column, Interval, Line, Table, Value

_MEASURES = {"ndcg@20": ("ndcg", "NDCG@20"), "auc": ("auc", "AUC"), "log_loss": ("log_loss", "Log loss")}
_GROUPS_NOTE = (
    "Lost: how much worse the judge is on training pairs that were held in when it may not read the group, with the 95 "
    "% interval over users; an interval above 0 means that the group earned its place, one that holds 0 that it may be "
    "left out. AUC alone: that of a judge which reads nothing else; .5 = the group knows nothing. Groups that say the "
    "same cover for each other, so that neither is missed."
)
_QUESTIONS_NOTE = (
    "A language model was asked about the pairs that the learned judge left undecided. Gained: how much better the "
    "judge is on held-in pairs with the answers than without, with the 95 % interval over users. A thousand questions: "
    "that gain for each thousand questions about held-in pairs. Answers are used where an interval is above 0."
)
_RELIABILITY_NOTE = (
    "Predicted: mean probability of the candidates in a line; found: share of them that are in valid, or among the "
    "training pairs that were held in, each judged by a model that had not seen its user. On held-in pairs the two "
    "should be equal. Valid holds another share of a user's pairs, so there found need not equal predicted, but should "
    "rise with it."
)


def learned(group: Group, rows: list[Row]) -> Iterator[Table | None]:
    """Tables of the rows of a group: what groups of features and questions are worth, and reliability."""
    yield _groups(group, rows)
    yield _questions(group, rows)
    yield _reliability(group, rows)


def _groups(group: Group, rows: list[Row]) -> Table | None:
    columns = (
        Column("row", "Row"),
        Column("group", "Read by the judge"),
        Column("features", "Features", "count"),
        *(Column(f"{key}_lost", f"{title} lost without it", "signed") for key, title in _MEASURES.values()),
        Column("auc_alone", "AUC alone", "metric"),
    )
    lines = _lines(rows, lambda report: [_worth(entry) for entry in report.get("groups") or [] if "lost" in entry])
    return group_table(
        "judge-groups",
        "What each kind of evidence is worth to the learned judge",
        group,
        columns,
        lines,
        _GROUPS_NOTE + of_several_seeds(rows, " From the first seed: the judge reads train alone."),
        shared=True,
    )


def _questions(group: Group, rows: list[Row]) -> Table | None:
    columns = (
        Column("row", "Row"),
        Column("judges", "Asked"),
        Column("pairs", "Pairs of train", "count"),
        Column("held_in_pairs", "Held-in pairs", "count"),
        Column("ndcg_gained", "NDCG@20 gained", "signed"),
        Column("log_loss_gained", "Log loss gained", "signed"),
        Column("bought", "NDCG@20, a thousand questions", "signed"),
        Column("used", "Answers used"),
    )
    lines = _lines(rows, lambda report: [_bought(report["asked"])] if report.get("asked") else [])
    title = "What the questions to a language model were worth"
    return group_table("questions", title, group, columns, lines, _QUESTIONS_NOTE, shared=True)


def _bought(asked: Mapping[str, Any]) -> dict[str, Value]:
    gained = (asked.get("added") or {}).get("all users") or {}
    return {
        "judges": ", ".join(asked["judges"]),
        "pairs": number(asked.get("pairs")),
        "held_in_pairs": number(asked.get("held_in_pairs")),
        "ndcg_gained": _interval(gained.get("ndcg@20")),
        "log_loss_gained": _interval(gained.get("log_loss")),
        "bought": number((asked.get("per_thousand") or {}).get("ndcg@20")),
        "used": "yes" if asked.get("kept") else "no",
    }


def _lines(rows: list[Row], values_of: Callable[[Mapping[str, Any]], list[dict[str, Value]]]) -> list[Line]:
    """A line for each of the values that are made of what is known of the learned judge of a row."""
    return [
        Line({"row": row.label, **values}, row.marks)
        for row in rows
        for report in _of_first_seed(row)
        for values in values_of(report)
    ]


def _of_first_seed(row: Row) -> list[Mapping[str, Any]]:
    """What is known of the learned judge: nothing, or that of the first run."""
    return [judging["learned"] for judging in fields(row, "judging") if judging["learned"]][:1]


def _worth(entry: Mapping[str, Any]) -> dict[str, Value]:
    lost = {f"{key}_lost": _interval(entry["lost"].get(name)) for name, (key, _) in _MEASURES.items()}
    alone = _interval((entry.get("alone") or {}).get("auc"))
    return {"group": entry["group"], "features": number(entry.get("features")), **lost, "auc_alone": alone}


def _interval(measured: Mapping[str, Any] | None) -> Interval | None:
    ends = measured or {}
    value = number(ends.get("value"))
    return None if value is None else Interval(value, number(ends.get("low")), number(ends.get("high")))


def _reliability(group: Group, rows: list[Row]) -> Table | None:
    columns = (
        Column("row", "Row"),
        Column("on", "On"),
        Column("probability", "Judge probability"),
        Column("pairs", "Pairs", "count"),
        Column("predicted", "Predicted", "percent"),
        Column("found", "Found", "percent"),
    )
    lines = []
    for row in rows:
        held_in = [bins for report in _of_first_seed(row) if (bins := report.get("reliability"))]
        valid = [reliability["valid"] for reliability in fields(row, "reliability")]
        for on, tables in (("held-in pairs", held_in), ("valid", valid)):
            lines += [
                Line({"row": row.label, "on": on, **_bin(entry)}, row.marks) for bins in tables[:1] for entry in bins
            ]
    title = "Whether a judge's probabilities mean what they say"
    note = _RELIABILITY_NOTE + of_several_seeds(rows, " Pairs of the first seed.")
    return group_table("reliability", title, group, columns, lines, note, folded=True, shared=True)


def _bin(entry: Mapping[str, Any]) -> dict[str, Value]:
    numbers = {key: number(entry.get(key)) for key in ("pairs", "predicted", "found")}
    return {"probability": f"{entry['low']:.2g} to {entry['high']:.2g}", **numbers}
