"""A CSV file with one row an epoch: `epochs.csv` and `hardness.csv`.

`epochs.csv` has `train_loss`, `seconds` (of training alone), `elapsed` (wall-clock seconds since
the run began: data, identification, training and evaluation) and the metrics of valid.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from recbole_dtlns.errors import UserError
from recbole_dtlns.files.cache import write_atomically

EPOCHS, HARDNESS = "epochs.csv", "hardness.csv"


def write_row(path: Path, epoch: int, values: Mapping[str, float | None]) -> None:
    """Write the row of an epoch behind those of earlier epochs.

    The file is written whole each time, so that a crash leaves no half of a row; rows of this epoch and of later ones,
    from before a run was cut off, are left out. Columns are all names that some row has, in the order of appearance.
    """
    rows = {number: row for number, row in sorted(read_epochs(path).items()) if number < epoch}
    rows[epoch] = dict(values)
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["epoch", *names])
    for number, row in rows.items():
        writer.writerow([number, *(_text(row.get(name)) for name in names)])
    write_atomically(path, text.getvalue().encode())


def read_epochs(path: Path) -> dict[int, dict[str, float | None]]:
    """Values by epoch, None where a field is empty; nothing where there is no file.

    Raises:
        UserError: the file is damaged.
    """
    if not path.is_file():
        return {}
    try:
        text = path.read_bytes().decode()
        if not text.endswith("\n"):
            raise ValueError("its end is missing")
        return dict(map(_values, csv.DictReader(io.StringIO(text, newline=""))))
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise UserError(
            f"{path} is damaged ({type(error).__name__}: {error}). Remove it to go on without it, or repeat the run."
        ) from error


def _values(row: dict[str, str]) -> tuple[int, dict[str, float | None]]:
    if None in row or None in row.values():  # what DictReader makes of them
        raise ValueError("a line has more or fewer fields than there are names")
    return int(row.pop("epoch")), {name: float(value) if value else None for name, value in row.items()}


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
