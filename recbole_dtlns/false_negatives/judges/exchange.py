"""Verdicts as a file for people and other programs: TSV or Parquet, tokens, one row a pair."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.candidates.ranking import Candidates
from recbole_dtlns.false_negatives.decide import Decision
from recbole_dtlns.false_negatives.judges.judging import Verdicts
from recbole_dtlns.false_negatives.textfile import write_described

logger = logging.getLogger(__name__)


def write_verdicts(
    path: str | Path,
    view: TrainSplit,
    candidates: Candidates,
    verdicts: Verdicts,
    decision: Decision,
    about: Mapping[str, Any],
) -> None:
    """Write user, item, probability, accepted (1 or 0), raw, label_mass, rank, sorted as strings by user then item.

    Numbers are written in full, so that a run on the file, by `verdict_file`, decides as this one did. Pairs without a
    verdict are left out. A `.json` beside the file holds `train_hash` and `about`.

    Args:
        path: ends in `.tsv` or `.parquet`.
        view: the training split, for tokens.
        candidates: n pairs.
        verdicts: their answers [n].
        decision: what was decided about them [n].
        about: judge, revision, settings.

    Raises:
        UserError: another ending, pyarrow missing, or a token that a TSV cannot hold.
    """
    path = Path(path)
    check_exchange_path(path)
    judged = np.flatnonzero(~np.isnan(verdicts.raw))
    if len(judged) < len(candidates):
        logger.warning("%s: %d pairs without a verdict are left out.", path, len(candidates) - len(judged))
    rows = judged[np.lexsort((candidates.items[judged], candidates.users[judged]))]  # numbers sort as tokens do
    frame = pd.DataFrame(
        {
            "user": view.users[candidates.users[rows]],
            "item": view.items[candidates.items[rows]],
            "probability": decision.probability[rows],
            "accepted": decision.accepted[rows],
            "raw": verdicts.raw[rows],
            "label_mass": verdicts.mass[rows],
            "rank": candidates.ranks[rows],
        }
    )
    content = _parquet(frame) if path.suffix == ".parquet" else _tsv(frame)
    write_described(path, content, {**about, "train_hash": view.train_hash, "pairs": len(frame)})


def check_exchange_path(path: str | Path) -> None:
    """Check before any work that verdicts can be written there.

    Raises:
        UserError: the ending is neither `.tsv` nor `.parquet`, or pyarrow is missing for the latter.
    """
    suffix = Path(path).suffix
    if suffix not in (".tsv", ".parquet"):
        raise UserError(
            f"Verdicts are written as .tsv or .parquet; found {path}. Give a name with one of these endings."
        )
    if suffix == ".parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError as error:
            raise UserError(f"Writing {path} needs pyarrow. Run `pip install pyarrow`.") from error


def _parquet(frame: pd.DataFrame) -> bytes:
    target = io.BytesIO()
    frame.to_parquet(target, engine="pyarrow", index=False)
    return target.getvalue()


def _tsv(frame: pd.DataFrame) -> bytes:
    frame = frame.assign(accepted=frame["accepted"].astype(np.int8))
    refusal = UserError("A token holds a tab or a line end, which a .tsv cannot. Write .parquet instead.")
    try:
        text = frame.to_csv(sep="\t", index=False, na_rep="nan", quoting=csv.QUOTE_NONE, lineterminator="\n")
    except csv.Error as error:
        raise refusal from error
    if "\r" in text:  # the writer lets it pass, and every reader takes it for the end of a line
        raise refusal
    return text.encode()
