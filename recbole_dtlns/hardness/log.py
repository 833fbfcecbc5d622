"""Hardness as a user sees it: `hardness.csv`, a line in the log, and TensorBoard."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from recbole_dtlns.cache import write_atomically
from recbole_dtlns.hardness.meter import FIELDS

HARDNESS = "hardness.csv"
_NAMES = {"score_gap": "score gap", "hardest_share": "hardest chosen", "similarity_co": "similarity co"}
_NAMES |= {"similarity_se": "similarity se", "valid_share": "valid positives", "valid_chance": "by chance"}


def write_row(path: Path, epoch: int, means: Mapping[str, float | None]) -> None:
    """Write the row of an epoch behind those of earlier epochs.

    The file is written whole each time, so that a crash leaves no half of a row; rows of this epoch and of later ones,
    from before a run was cut off, are left out.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["epoch", *FIELDS])
    for number, row in sorted(read_rows(path).items()):
        if number < epoch:
            writer.writerow([number, *(_text(row[name]) for name in FIELDS)])
    writer.writerow([epoch, *(_text(means[name]) for name in FIELDS)])
    write_atomically(path, text.getvalue().encode())


def read_rows(path: Path) -> dict[int, dict[str, float | None]]:
    """Values by epoch, None where a field is empty; nothing where there is no file."""
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        return {
            int(row["epoch"]): {name: float(row[name]) if row[name] else None for name in FIELDS}
            for row in csv.DictReader(file)
        }


def line(epoch: int, means: Mapping[str, float | None], kept: float | None) -> str:
    """The line of an epoch; `kept` is the share of candidates above `tree_exclude` that nothing could replace."""
    parts = [f"{_NAMES[name]}: {value:.4g}" for name, value in means.items() if value is not None]
    if kept is not None:
        parts.append(f"kept above tree_exclude: {kept:.4g}")
    return f"epoch {epoch} hardness [{', '.join(parts)}]"


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
