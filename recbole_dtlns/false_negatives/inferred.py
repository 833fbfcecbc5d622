"""Inferred positives: what identification hands to training, as tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.candidates.ranking import Candidates
from recbole_dtlns.false_negatives.decide import Decision
from recbole_dtlns.false_negatives.textfile import Lines, floats, read_lines, write_described

KIND = "inferred_positives"
_HEADER = ["user", "item", "probability", "weight"]


@dataclass(frozen=True)
class InferredPositives:
    """Accepted pairs, sorted as strings by user then item.

    Attributes:
        users: tokens, str [n].
        items: tokens, str [n].
        probability: float64 [n].
        weight: weight of each as a training positive (a real one has 1), float64 [n].
    """

    users: np.ndarray
    items: np.ndarray
    probability: np.ndarray
    weight: np.ndarray

    def __len__(self) -> int:
        return len(self.users)

    @classmethod
    def from_decision(
        cls, view: TrainSplit, candidates: Candidates, decision: Decision, positive_weight: float
    ) -> InferredPositives:
        """The accepted ones of n candidate pairs; weight = positive_weight x probability. O(n log n)."""
        rows = np.flatnonzero(decision.accepted)
        rows = rows[np.lexsort((candidates.items[rows], candidates.users[rows]))]  # numbers sort as tokens do
        probability = decision.probability[rows]
        users, items = view.users[candidates.users[rows]], view.items[candidates.items[rows]]
        return cls(users, items, probability, positive_weight * probability)


def write_inferred(path: str | Path, inferred: InferredPositives, about: Mapping[str, Any]) -> None:
    """Write a header and `user<TAB>item<TAB>probability<TAB>weight` lines, UTF-8; `about` goes into a `.json` beside.

    Numbers have six significant digits: what `read_inferred` reads is written again byte by byte. Rows are sorted here
    too. `about` must hold `train_hash`.

    Raises:
        UserError: a token holds a tab or a line end.
    """
    order = np.lexsort((inferred.items, inferred.users))
    columns = (inferred.users, inferred.items, inferred.probability, inferred.weight)
    rows = zip(*(np.asarray(column)[order].tolist() for column in columns), strict=True)
    text = "\n".join(["\t".join(_HEADER), *(f"{u}\t{i}\t{p:.6g}\t{w:.6g}" for u, i, p, w in rows), ""])
    if text.count("\t") != 3 * (len(order) + 1) or text.count("\n") != len(order) + 1 or "\r" in text:
        raise UserError(f"{path}: a token holds a tab or a line end, which separate columns and lines. Rename it.")
    write_described(Path(path), text.encode(), about)


def read_inferred(path: str | Path) -> InferredPositives:
    """Read what `write_inferred` wrote.

    Raises:
        UserError: the file is missing or malformed, with the line.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{KIND}: there is no file {path}. Give the path of an existing file.")
    blocks = list(read_lines(KIND, path, tabs=True))
    if not blocks or blocks[0].fields[: blocks[0].counts[0]].tolist() != [name.encode() for name in _HEADER]:
        raise UserError(f"{KIND}: {path} does not begin with the header {' '.join(_HEADER)}. Make it with `identify`.")
    blocks[0] = blocks[0].without_first()
    columns = [np.concatenate(parts) for parts in zip(*map(_columns, blocks), strict=True)]
    return InferredPositives(*columns)


def _columns(lines: Lines) -> tuple[np.ndarray, ...]:
    wrong = np.flatnonzero(lines.counts != len(_HEADER))
    if len(wrong):
        raise lines.error(int(wrong[0]), f"{len(_HEADER)} columns ({', '.join(_HEADER)})")
    users, items = (np.char.decode(lines.column(number).astype(bytes), "utf-8") for number in (0, 1))
    probability, weight = (floats(lines, number, f"a number as {_HEADER[number]}") for number in (2, 3))
    for values, name in ((probability, "probability"), (weight, "weight")):
        bad = np.flatnonzero(~(values >= 0) | np.isinf(values))
        if len(bad):
            raise lines.error(int(bad[0]), f"a {name} of at least 0")
    return users, items, probability, weight
