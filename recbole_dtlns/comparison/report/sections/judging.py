"""How pairs were judged: how many, what asking cost, what the judge knows, and which language model it was."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from recbole_dtlns.comparison.report.mean_table import group_table, mean_table
from recbole_dtlns.comparison.report.measures import fields, means, number, of_several_seeds
from recbole_dtlns.comparison.report.source import Group, Row, Source
from recbole_dtlns.comparison.report.table import Column, Line, Table, Value, plain_number
from recbole_dtlns.comparison.run.records import RunRecord
from recbole_dtlns.files.result_schema import Result, empty_judging

LANGUAGE_MODELS = ("llm", "server", "student")
_ASKED = {"llm_calls": "LLM calls", "prompt_tokens": "Prompt tokens", "unreadable": "Unreadable"}


def judging(group: Group, rows: list[Row]) -> Iterator[Table | None]:
    """Tables of the rows of a group: judged pairs, the judge's report, the language model's card."""
    yield _judged(group, rows)
    yield from _reports(group, rows)
    yield _card(group, rows)


def _judged(group: Group, rows: list[Row]) -> Table | None:
    columns = (
        Column("pairs", "Pairs judged", "count"),
        Column("accepted", "Accepted", "count"),
        Column("unjudged", "Not judged", "count"),
        Column("label_mass", "Label mass", "metric"),
    )

    def values_of(row: Row) -> dict[str, Value]:
        counts = means(row, "identification", ("pairs", "accepted", "unjudged"))
        if not plain_number(counts["unjudged"]):
            del counts["unjudged"]  # the usual case is not worth a column
        return {**counts, **means(row, "judging", ("label_mass",))}

    asked = any(means(row, "judging", ("label_mass",))["label_mass"] for row in rows)
    note = "Label mass: probability that the language model gave to the answers it was asked for." if asked else ""
    return mean_table("judged", "Judged pairs", group, columns, values_of, rows, note, shared=True)


def judged_runs(source: Source) -> list[RunRecord]:
    """Finished runs, trials too, that tell what their judge was asked."""
    return [run for run in source.comparison.runs if run.judge != "none" and run.result["identification"]]


def cost_of_judging(source: Source) -> Table | None:
    """What each judge has asked in all finished runs, trials too; None without a judge.

    Whichever run comes first pays for the verdicts that all later ones find ready, so that neither a row nor a mean
    over seeds says what judging cost.
    """
    asked: dict[tuple[str, str, str], list[RunRecord]] = {}
    for run in judged_runs(source):
        about = json.dumps((run.result["judging"] or empty_judging())["judge"], sort_keys=True)
        asked.setdefault((run.judge, run.dataset, about), []).append(run)
    columns = (
        Column("judge", "Judge"),
        Column("dataset", "Data set"),
        Column("rows", "Rows"),
        Column("runs", "Runs, trials too", "count"),
        Column("asking", "Runs that asked", "count"),
        *(Column(key, title, "count") for key, title in _ASKED.items()),
        Column("seconds", "Judging seconds", "seconds"),
    )
    lines = tuple(_paid(judge, dataset, runs) for (judge, dataset, _), runs in asked.items())
    unasked = not any(line.values[key] for line in lines for key in _ASKED)  # no language model was asked
    if source.single:
        if unasked:  # all that is left are the seconds, which the table of cost has
            return None
        columns = tuple(column for column in columns if column.key not in {"dataset", "rows", "runs", "asking"})
        note = "Verdicts that an earlier command had left ready cost nothing."
        return Table("judging", "Cost of judging", columns, lines, note)
    if unasked:
        columns = tuple(column for column in columns if column.key not in {*_ASKED, "asking"})
    note = (
        "Sums over all finished runs that share a judge and its settings, trials too. Verdicts found ready cost "
        "nothing, whichever run, judge or earlier command left them: the first run that needs them pays for all. The "
        "seconds of such a run are those of reading them. An unreadable answer is not kept: each run asks again."
    )
    return Table("judging", "Cost of judging, all runs together", columns, lines, note) if lines else None


def _paid(judge: str, dataset: str, runs: list[RunRecord]) -> Line:
    counts: list[Mapping[str, Any]] = [count for run in runs if (count := run.result["identification"])]
    values: dict[str, Value] = {"judge": judge, "dataset": dataset, "runs": len(runs)}
    values["rows"] = ", ".join(dict.fromkeys(run.label for run in runs))
    values["asking"] = sum(bool(count.get("llm_calls")) for count in counts)
    values |= {key: sum(number(count.get(key)) or 0.0 for count in counts) for key in _ASKED}
    values["seconds"] = sum(run.result["seconds"]["judging"] or 0.0 for run in runs)
    marks = dict.fromkeys(f"{run.label}: {mark}" for run in runs for mark in run.result["marks"])
    return Line(values, tuple(marks))


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
        for report in [judging["report"] for judging in fields(row, "judging")][:1]:
            for entry in (report or {}).get("rows", []):
                values = {key: entry.get(key) for key in ("auc", "error", "within_users", "pairs", "note")}
                lines.append(Line({"row": row.label, "scorer": entry.get("name"), **values}, row.marks))
    note = (
        "How well each scorer tells training pairs that were held in from equally popular unseen items; .5 = it knows "
        "nothing."
    ) + of_several_seeds(rows, " From the first seed: the report reads train alone.")
    yield group_table("judge-report", "What the judge knows", group, columns, lines, note, shared=True)


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
    return group_table("llm-card", "The language model", group, columns, lines, shared=True)


def card(result: Result) -> dict[str, Value]:
    """What identifies the language model of a run, as judging noted it."""
    config, judge = result["config"], (result["judging"] or empty_judging())["judge"] or {}
    asked = judge.get("settings") or {}
    prompt = asked.get("prompt") or {}
    facts = {
        "model": asked.get("model"),
        "revision": judge.get("revision"),
        "quantization": asked.get("quantization"),
        "answers": asked.get("answers"),
        "prompt": prompt.get("name"),
        "prompt_hash": prompt.get("digest"),
        "decision": config.get("judge_decision"),
    }
    shown: dict[str, Value] = {key: None if value is None else str(value) for key, value in facts.items()}
    return shown | {"threshold": number(config.get("judge_threshold"))}
