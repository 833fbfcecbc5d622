"""`summary.csv`: a row a run, whatever has become of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from recbole_dtlns.comparison.run.records import Comparison, RunRecord
from recbole_dtlns.comparison.run.runs import Run, all_runs
from recbole_dtlns.config.config_files import raw_value
from recbole_dtlns.files.cache import write_atomically
from recbole_dtlns.files.csv_text import text_row

SUMMARY = "summary.csv"
_ABOUT = ("run_id", "model", "dataset", "sampler", "judge", "protocol", "seed", "status")
_BESIDE = ("noise", "marks")


def write_summary(comparison: Comparison) -> Path:
    """Write `summary.csv` into the folder of a comparison, whole or not at all.

    Rows are in the order of the plan, trials among them; `sampler` is the name of the row, `status` is done, failed
    or left. Columns of metrics and stages are those that some run has, in RecBole's order. The last columns are the
    level of noise, and what must be said beside the numbers.
    """
    path = comparison.folder / SUMMARY
    write_atomically(path, summary_text(comparison).encode())
    return path


def summary_text(comparison: Comparison) -> str:
    """The content of `summary.csv`."""
    if comparison.plan is None:
        raise ValueError("a single run has no summary")
    records = {record.run_id: record for record in comparison.runs}
    others = {run.run_id: "failed" for run in comparison.failed} | dict.fromkeys(comparison.pending, "left")
    columns = {
        part: list(dict.fromkeys(name for record in comparison.runs for name in _parts(record)[part]))
        for part in ("valid", "test", "seconds")
    }
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [f"{part}_{name}" for part, keys in columns.items() for name in keys]
    writer.writerow(text_row([*_ABOUT, *names, *_BESIDE]))
    shared = raw_value("protocol", comparison.plan.fixed, comparison.plan.config_files) or "honest"
    for run in all_runs(comparison.plan):
        record = records.get(run.run_id)
        if record is not None:
            about, marks = _about(run, record.result["protocol"], "done"), "; ".join(record.result["marks"])
            writer.writerow(text_row([*about, *_values(record, columns), run.cell.noise, marks]))
        elif run.run_id in others:
            protocol = str(run.cell.keys().get("protocol", shared))
            about = _about(run, protocol, others[run.run_id])
            writer.writerow(text_row([*about, *_values(None, columns), run.cell.noise, ""]))
    return text.getvalue()


def _about(run: Run, protocol: str, status: str) -> list[Any]:
    cell = run.cell
    return [run.run_id, cell.model, cell.dataset, cell.row.name, cell.judge, protocol, run.seed, status]


def _values(record: RunRecord | None, columns: Mapping[str, Iterable[str]]) -> list[Any]:
    """Metrics and seconds of a run; empty where it has none."""
    parts = {} if record is None else _parts(record)
    return [parts.get(part, {}).get(name) for part, names in columns.items() for name in names]


def _parts(record: RunRecord) -> dict[str, Mapping[str, Any]]:
    result = record.result
    return {
        "valid": result["best_valid_result"] or {},
        "test": result["test_result"] or {},
        "seconds": result["seconds"],
    }
