"""What the inferred positives of a single run are: in plain words, and for a few users."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recbole_dtlns.comparison.number_text import number_text
from recbole_dtlns.comparison.report.section import Point
from recbole_dtlns.comparison.report.table import Column, Line, Table
from recbole_dtlns.comparison.run.records import RunRecord
from recbole_dtlns.false_negatives.report.examples_file import Example, read_examples
from recbole_dtlns.wording import counted

_NOTE = (
    "Users at equal distances in the order of their tokens, not picked. Of a long history, the items nearest to the "
    "inferred ones in the trees. In brackets: the judge's probability."
)


def in_words(run: RunRecord) -> list[Point]:
    """How many pairs the judge took for positives, what that means, and how many of them are held out."""
    counts, users = run.result["identification"], run.result["data"]["users"]
    if not counts or not counts["accepted"]:
        return []
    each = f", {number_text(counts['accepted'] / users, 1)} for each user" if users else ""
    sentences = (
        f"Items that a user has not in train and probably would like: a sampler must not call them negatives. The "
        f"{run.judge} judge took {number_text(counts['accepted'], 0)} of {number_text(counts['pairs'], 0)} pairs of a "
        f"user and an unseen item for such{each}."
    )
    overlap: Mapping[str, Any] = run.result["overlap"] or {}
    for part in ("valid", "test") if overlap else ():
        chance = number_text(overlap[f"{part}_chance"], 1)
        sentences += f" {number_text(overlap[part], 0)} of them are in {part}, where chance would give {chance}."
    return [Point("Inferred positives", sentences)]


def examples_table(run: RunRecord, slug: str) -> Table | None:
    """A line a user; None where the run has kept no examples.

    Raises:
        UserError: the file of the examples is damaged.
    """
    examples = read_examples(run.folder)
    columns = (Column("user", "User"), Column("history", "Has in train"), Column("inferred", "Inferred"))
    lines = tuple(Line(_values(example)) for example in examples)
    title = "Inferred positives of a few users"
    return Table(f"examples-{slug}", title, columns, lines, _NOTE, stacked=True) if lines else None


def _values(example: Example) -> dict[str, str]:
    named = [
        f"{name} [{number_text(value, 2)}]" for name, value in zip(example.inferred, example.probability, strict=True)
    ]
    return {
        "user": example.user,
        "history": _listed(example.history, example.history_size, "item"),
        "inferred": _listed(named, example.inferred_size, "item"),
    }


def _listed(names: list[str], size: int, noun: str) -> str:
    more = f"; and {counted(size - len(names), f'more {noun}')}" if size > len(names) else ""
    return "; ".join(names) + more
