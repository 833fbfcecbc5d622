"""Candidate pairs from a file made elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from recbole_dtlns.config.budget import Budget
from recbole_dtlns.config.parsers import Key, or_none, text
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.candidates.ranking import Candidates, ranked_by_order
from recbole_dtlns.false_negatives.judges.foreign import TokenNumbers, first_unseen
from recbole_dtlns.false_negatives.textfile import Lines, read_lines
from recbole_dtlns.files.origin import external_input
from recbole_dtlns.files.result_schema import External

logger = logging.getLogger(__name__)
KIND = "candidate_file"


@dataclass(frozen=True)
class CandidateFile:
    """What a candidate file held.

    Attributes:
        candidates: its pairs, ranked by order of appearance.
        dropped: pairs left out for being in train, or (with allow_foreign) for unknown tokens.
        external: the file, as `external` in result.json lists it.
        keys: configuration keys of `candidate_source=file` alone.
    """

    keys: ClassVar[Mapping[str, Key]] = {
        "candidate_file": Key(None, or_none(text), "candidates made elsewhere, with candidate_source=file"),
    }
    candidates: Candidates
    dropped: int
    external: External


def read_candidates(
    path: str | Path, view: TrainSplit, budget: Budget | None = None, allow_foreign: bool = False
) -> CandidateFile:
    """Read `user item item ...` (best first) or `user item` lines (a user's best line first), tokens, UTF-8.

    Pairs in train are dropped and counted, repeated pairs count once, and `budget` keeps the first ones of each user.
    The authors' `candidate_items.txt` has the first form. O(n log n).

    Raises:
        UserError: the file is missing, empty or malformed (with the line), was made from another training split, or
            names tokens that train does not have (without allow_foreign).
    """
    external = external_input(KIND, path, view.train_hash, allow_foreign)
    numbers = TokenNumbers(view)
    parts = [_pairs(lines, numbers) for lines in read_lines(KIND, Path(path), numbers.tabs)]
    if not parts:
        raise UserError(f"{KIND}: {path} is empty; expected lines `user item item ...` or `user item`.")
    if not allow_foreign:
        numbers.refuse_unknown(f"{KIND}: {path}")
    users, items = (np.concatenate(column) for column in zip(*parts, strict=True))
    unknown = int(((users == 0) | (items == 0)).sum())
    kept, in_train = first_unseen(view, users, items)
    candidates, _ = ranked_by_order(users[kept], items[kept], "file")
    logger.info("%s: %d pairs; dropped %d in train, %d with unknown tokens.", path, len(candidates), in_train, unknown)
    external["foreign"] = external["foreign"] or numbers.any_unknown
    return CandidateFile(_within(candidates, budget, view), in_train + unknown, external)


def _pairs(lines: Lines, numbers: TokenNumbers) -> tuple[np.ndarray, np.ndarray]:
    if lines.numbers[0] == 1 and lines.fields[: lines.counts[0]].tolist() == [b"user", b"item"]:
        lines = lines.without_first()
    short = np.flatnonzero(lines.counts < 2)
    if len(short):
        raise lines.error(int(short[0]), "a user and at least one item")
    is_item = np.ones(len(lines.fields), dtype=bool)
    is_item[lines.starts] = False
    is_item[: lines.starts[0] if len(lines.starts) else len(is_item)] = False  # a header
    users = numbers.users(lines.column(0))  # [L]
    return np.repeat(users, lines.counts - 1), numbers.items(lines.fields[is_item])


def _within(candidates: Candidates, budget: Budget | None, view: TrainSplit) -> Candidates:
    if budget is None:
        return candidates
    kept = candidates.ranks < budget.of(view.history)[candidates.users]
    if not kept.all():
        logger.info("candidate_topk=%s keeps %d of %d pairs of the file.", budget, kept.sum(), len(kept))
    return candidates.take(kept)
