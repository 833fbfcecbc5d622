"""Verdicts from a file made elsewhere: judge=file, and the way back for our own exports."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.candidates.ranking import Candidates, ranked_by_order
from recbole_dtlns.false_negatives.judges.foreign import TokenNumbers, first_unseen
from recbole_dtlns.false_negatives.textfile import Lines, floats, read_lines
from recbole_dtlns.files.origin import external_input
from recbole_dtlns.files.result_schema import External

logger = logging.getLogger(__name__)
KIND = "judge_file"
_PROBABILITY = "a probability from 0 to 1"
_NUMBERS = ("probability", "raw", "label_mass", "rank")


@dataclass(frozen=True)
class VerdictFile:
    """What a verdict file held.

    Attributes:
        candidates: its pairs, ranked by its rank column (of whole numbers), else by order of appearance.
        probability: what is decided upon, float64 [n] for `candidates`: its column, else the raw score, else 1.
        raw: the judge's own score, float64 [n]: its column, else the probability.
        mass: its label mass, float64 [n], NaN where there is none.
        dropped: pairs left out for being in train, or (with allow_foreign) for unknown tokens.
        external: the file, as `external` in result.json lists it.
    """

    candidates: Candidates
    probability: np.ndarray
    raw: np.ndarray
    mass: np.ndarray
    dropped: int
    external: External


@dataclass(frozen=True)
class _Rows:
    """Rows of any format: tokens as object arrays [n] of bytes, numbers as float64 [n], and the error for a row."""

    users: np.ndarray
    items: np.ndarray
    numbers: dict[str, np.ndarray]
    error: Callable[[int, str], UserError]


def read_verdicts(path: str | Path, view: TrainSplit, allow_foreign: bool = False) -> VerdictFile:
    """Read `user item [probability ...]` lines separated by tabs or blanks, or a Parquet file (`.parquet`).

    A header is optional; with one (it begins with `user item`) columns are found by name and may hold `raw`,
    `label_mass` and `rank`. Two columns mean probability 1. Pairs in train are dropped and counted; of repeated pairs
    the first counts. The authors' `train_enhance_dtl_fni.txt` is such a file. O(n log n).

    Raises:
        UserError: the file is missing, empty or malformed (with the line), was made from another training split, or
            names tokens that train does not have (without allow_foreign).
    """
    path = Path(path)
    external = external_input(KIND, path, view.train_hash, allow_foreign)
    numbers = TokenNumbers(view)
    parts = []
    for rows in _parquet_rows(path) if path.suffix == ".parquet" else _text_rows(path, numbers.tabs):
        columns = _checked(rows)
        parts.append((numbers.users(rows.users), numbers.items(rows.items), *columns))
    if not parts:
        raise UserError(f"{KIND}: {path} is empty; expected lines `user item [probability]`.")
    if not allow_foreign:
        numbers.refuse_unknown(f"{KIND}: {path}")
    external["foreign"] = external["foreign"] or numbers.any_unknown
    return _assemble(path, view, [np.concatenate(column) for column in zip(*parts, strict=True)], external)


def _assemble(path: Path, view: TrainSplit, columns: list[np.ndarray], external: External) -> VerdictFile:
    users, items, probability, raw, mass, rank = columns
    unknown = int(((users == 0) | (items == 0)).sum())
    kept, in_train = first_unseen(view, users, items)
    kept = kept[np.argsort(rank[kept], kind="stable")]
    candidates, order = ranked_by_order(users[kept], items[kept], "file")
    kept = kept[order]
    if rank.any() and (rank[kept] % 1 == 0).all():  # as written, gaps included: `rate` compares them across users
        candidates = replace(candidates, ranks=rank[kept].astype(np.int64))
    logger.info("%s: %d verdicts; dropped %d in train, %d with unknown tokens.", path, len(kept), in_train, unknown)
    return VerdictFile(candidates, probability[kept], raw[kept], mass[kept], in_train + unknown, external)


def _checked(rows: _Rows) -> tuple[np.ndarray, ...]:
    """(probability, raw, label mass, rank) of rows whose numbers make sense."""
    count = len(rows.users)
    raw = rows.numbers.get("raw")
    probability = rows.numbers.get("probability", np.ones(count) if raw is None else np.clip(raw, 0.0, 1.0))
    raw = probability if raw is None else raw
    rank = rows.numbers.get("rank", np.zeros(count))
    for wrong, expected in (
        (np.isnan(raw) & ("raw" in rows.numbers), "a raw score that is a number"),
        (~((probability >= 0) & (probability <= 1)), _PROBABILITY),
        (np.isnan(rank), "a rank that is a number"),
    ):
        if wrong.any():
            raise rows.error(int(np.argmax(wrong)), expected)
    return probability, raw, rows.numbers.get("label_mass", np.full(count, np.nan)), rank


def _text_rows(path: Path, tabs: bool) -> Iterator[_Rows]:
    names: list[str] | None = None
    for lines in read_lines(KIND, path, tabs):
        if names is None:
            first = [field.decode() for field in lines.fields[: lines.counts[0]]]
            header = first[:2] == ["user", "item"]
            names = first if header else ["user", "item", "probability"][: max(2, len(first))]
            lines = lines.without_first() if header else lines
        yield _text_columns(lines, names)


def _text_columns(lines: Lines, names: list[str]) -> _Rows:
    pairs_only = len(names) == 2  # then a third column is no "anything", it is a mistake
    wrong = np.flatnonzero((lines.counts != 2) if pairs_only else (lines.counts < len(names)))
    if len(wrong):
        raise lines.error(int(wrong[0]), f"{len(names)} columns ({', '.join(names)}) as at the head of the file")
    columns = {name: names.index(name) for name in _NUMBERS if name in names}
    numbers = {
        name: floats(lines, column, _PROBABILITY if name == "probability" else f"a number as {name}")
        for name, column in columns.items()
    }
    return _Rows(lines.column(0), lines.column(1), numbers, lines.error)


def _parquet_rows(path: Path) -> Iterator[_Rows]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise UserError(f"{KIND}: reading {path} needs pyarrow. Run `pip install pyarrow`.") from error
    try:
        table = parquet.read_table(path)
    except (ArrowException, OSError) as error:
        raise UserError(f"{KIND}: {path} cannot be read as Parquet: {error}. Write it again, or as .tsv.") from error
    frame = table.to_pandas()
    if not {"user", "item"} <= set(frame.columns):
        raise UserError(f"{KIND}: {path} has columns {', '.join(map(str, frame.columns))}; expected user and item.")

    def error_at(row: int, expected: str) -> UserError:
        return UserError(f"{KIND}: {path}, row {row + 1}: found {frame.iloc[row].to_dict()}; expected {expected}.")

    missing = frame["user"].isna() | frame["item"].isna()
    if missing.any():
        raise error_at(int(missing.to_numpy().argmax()), "a user and an item")
    tokens = [np.array([str(token).encode() for token in frame[name]], dtype=object) for name in ("user", "item")]
    numbers = {name: _parquet_floats(frame[name], path) for name in _NUMBERS if name in frame.columns}
    yield _Rows(tokens[0], tokens[1], numbers, error_at)


def _parquet_floats(column: Any, path: Path) -> np.ndarray:
    try:
        values: np.ndarray = column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (ValueError, TypeError) as error:
        raise UserError(f"{KIND}: {path}, column {column.name}: expected numbers ({error}).") from error
    return values
