"""Candidate pairs: the best unseen items of every training user."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from tqdm import tqdm

from recbole_dtlns.config.budget import Budget
from recbole_dtlns.data.blocks import AT_ONCE, CELLS, each_block
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.false_negatives.candidates.topk import best_of_rows, dense_entries, position_in_run, sparse_entries

ScoreBlock = Callable[[np.ndarray], "np.ndarray | sparse.csr_matrix"]
"""User numbers int64 [n] -> scores [n, I + 1] of any float type, compared as float32.

What is not finite as float32, or left out of a sparse block, is no candidate.
"""


@dataclass(frozen=True)
class Candidates:
    """Pairs that are not in train, sorted by user and then rank, in the numbering of the TrainSplit; 0 never occurs.

    Attributes:
        users: int64 [n].
        items: int64 [n].
        ranks: int64 [n], 0 = best of its user.
        scores: float32 [n], larger = better; minus the rank where the source gives none.
        source: what ranked them.
    """

    users: np.ndarray
    items: np.ndarray
    ranks: np.ndarray
    scores: np.ndarray
    source: str

    def __len__(self) -> int:
        return len(self.users)

    def take(self, rows: np.ndarray) -> Candidates:
        """Some of the pairs: bool [n], or positions in rising order."""
        return Candidates(self.users[rows], self.items[rows], self.ranks[rows], self.scores[rows], self.source)


def top_unseen(
    view: TrainSplit,
    budget: Budget,
    score_block: ScoreBlock,
    source: str,
    row_cells: np.ndarray | None = None,
    block_cells: int = CELLS,
    by_threads: bool = False,
) -> Candidates:
    """Rank the unseen items of all training users; ties go to the smaller item number.

    Train pairs, padding and non-finite scores are left out; a user with fewer items than the budget gets what exists.
    Users are scored in blocks, so memory is O(block_cells + result), by threads O(block_cells) for each of them. Time
    O(U I) for dense scores, and proportional to the entries given for sparse ones.

    Args:
        view: the training split.
        budget: how many each user gets.
        score_block: scores of a block of users; its array is not modified.
        source: a name for the result.
        row_cells: scored items of each user, int64 [U + 1], where that is not all items (sparse scores).
        block_cells: cells of a block; it changes memory, never the result.
        by_threads: several threads may call score_block at once.

    Raises:
        ValueError: score_block gave an array of another shape.
    """
    wanted = budget.of(view.history)
    users = np.flatnonzero(wanted[1:] > 0) + 1
    cells = np.full(len(users), view.n_items + 1) if row_cells is None else row_cells[users]

    def top(start: int, stop: int) -> tuple[np.ndarray, ...]:
        block = users[start:stop]
        return _top_of_block(view, block, wanted[block], score_block(block))

    with tqdm(total=len(users), desc=f"candidates ({source})", unit="user", disable=None) as progress:
        parts = each_block(
            top,
            np.maximum(cells, 1),
            block_cells,
            at_once=AT_ONCE if by_threads else 1,
            done=lambda start, stop: progress.update(stop - start),
        )
    return _joined(parts, source)


def ranked_by_order(users: np.ndarray, items: np.ndarray, source: str) -> tuple[Candidates, np.ndarray]:
    """Candidates from pairs, int64 [n] each, whose order is their rank; the second result is where each came from."""
    order = np.argsort(users, kind="stable")
    ranks = position_in_run(users[order])
    return Candidates(users[order], items[order], ranks, -ranks.astype(np.float32), source), order


def _top_of_block(
    view: TrainSplit, users: np.ndarray, wanted: np.ndarray, scores: np.ndarray | sparse.csr_matrix
) -> tuple[np.ndarray, ...]:
    expected = (len(users), view.n_items + 1)
    if scores.shape != expected:
        raise ValueError(f"The scores of {len(users)} users have shape {scores.shape}; expected {expected}.")
    seen = view.matrix[users]
    if not isinstance(scores, np.ndarray):
        unseen = sparse.csr_matrix(scores - scores.multiply(seen), dtype=np.float32)
        rows, columns, values = sparse_entries(unseen)
        rows, columns, values = rows[columns > 0], columns[columns > 0], values[columns > 0]
    else:
        values = scores.astype(np.float32)  # a copy: score_block keeps its array
        values[~np.isfinite(values)] = -np.inf
        values[:, 0] = -np.inf
        values[np.repeat(np.arange(len(users)), np.diff(seen.indptr)), seen.indices] = -np.inf
        rows, columns, values = dense_entries(values, wanted)
    picked, ranks = best_of_rows(rows, values, wanted, columns)
    return users[rows[picked]], columns[picked], ranks, values[picked]


def _joined(parts: list[tuple[np.ndarray, ...]], source: str) -> Candidates:
    nothing = (np.zeros(0),) * 4
    users, items, ranks, scores = (np.concatenate(column) for column in zip(nothing, *parts, strict=True))
    kind = np.int64
    return Candidates(users.astype(kind), items.astype(kind), ranks.astype(kind), scores.astype(np.float32), source)
