"""One finished tree, and the same tree with new items in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from recbole_dtlns.data.histories import shortened_histories
from recbole_dtlns.data.tokens import positions
from recbole_dtlns.data.train_split import PAD, TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.origin import recorded_origin, sidecar
from recbole_dtlns.trees.codes import CodeTable, read_all_codes
from recbole_dtlns.trees.export import CO_FILE, SE_FILE
from recbole_dtlns.trees.item_graph import strongest_links
from recbole_dtlns.trees.placement import Evidence, by_neighbours, near_centres, place
from recbole_dtlns.trees.sources import VectorSource

NEIGHBOURS = 10  # links by which an item finds its place in the structural tree


@dataclass(frozen=True)
class OldTree:
    """A tree as it stands in a file.

    Attributes:
        path: the file.
        table: all of its codes, in a numbering of its own.
        about: what the `.json` beside it says; empty without one.
    """

    path: Path
    table: CodeTable
    about: dict[str, Any]


@dataclass(frozen=True)
class Growth:
    """A tree with its new items.

    Attributes:
        table: items of the file and of the training split, sorted by token, padding at row 0.
        placed: how many items have a new code.
        left_out: items of the training split without a code, as nothing tells their place.
        absent: items of the file that the training split lacks; they keep their codes.
    """

    table: CodeTable
    placed: int
    left_out: int
    absent: int


def read_old_trees(folder: Path) -> tuple[OldTree, OldTree]:
    """The structural and the semantic tree of a folder that `export_codes` or an update has written.

    Raises:
        UserError: a file is missing or malformed.
    """
    paths = [Path(folder) / name for name in (CO_FILE, SE_FILE)]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise UserError(
            f"{folder} has no {' and no '.join(missing)}. Give the folder of both trees; `identify` writes it with "
            "--export_codes=FOLDER."
        )
    co, se = (OldTree(path, read_all_codes(path), recorded_origin("trees update", sidecar(path))) for path in paths)
    return co, se


def grow(
    old: OldTree,
    view: TrainSplit,
    leaf_size: int,
    evidence_of: Callable[[np.ndarray, np.ndarray], tuple[Evidence, np.ndarray]],
) -> Growth:
    """The tree with the items of a training split that it did not have.

    Args:
        old: the tree.
        view: the training split.
        leaf_size: see `placement.place`.
        evidence_of: from items of the split, int64 [n], and old ones, int64 [O] (numbers of the split, 0 = not in it),
            to what tells the places of those that have one, and bool [n], who has.

    Raises:
        UserError: none of the coded items is in the training split.
    """
    items = np.concatenate([[PAD], np.union1d(old.table.tokens[1:], view.items[1:])])
    table = old.table.for_tokens(items)
    number = positions(view.items, items)
    coded, fresh = np.flatnonzero(table.lengths), np.flatnonzero((table.lengths == 0) & (number > 0))
    if not number[coded].any():
        raise UserError(
            f"{old.path} holds no code of any of the {view.n_items} items of the training split. Give the trees of "
            "this data set."
        )
    codes = table.codes.copy()
    evidence, tells = evidence_of(number[fresh], number[coded])
    placed = fresh[tells]
    if len(placed):
        codes[placed] = place(table.codes[coded], evidence, len(placed), leaf_size)
    absent = int((number[coded] == 0).sum())
    return Growth(CodeTable(items, codes), len(placed), len(fresh) - len(placed), absent)


def linked(
    view: TrainSplit, max_history: int | None, fresh: np.ndarray, old: np.ndarray
) -> tuple[Evidence, np.ndarray]:
    """Places by the `NEIGHBOURS` strongest links to old items, and bool [n], who has one; see `grow` for the items."""
    train = view.matrix[1:, 1:]
    if max_history is not None:
        train = shortened_histories(train, max_history)
    here = np.flatnonzero(old)
    links = strongest_links(train, fresh - 1, old[here] - 1, NEIGHBOURS)
    links = sparse.csr_matrix((links.data, here[links.indices], links.indptr), shape=(len(fresh), len(old)))
    tells = np.diff(links.indptr) > 0
    return by_neighbours(links[tells]), tells


def with_vector(source: VectorSource, fresh: np.ndarray, old: np.ndarray) -> tuple[Evidence, np.ndarray]:
    """Places by vectors, and bool [n], who has one of its own that is not 0. See `grow` for the items."""
    vectors = source.vectors()
    has_vector = vectors.any(axis=1)  # rows of zeros: no vector
    if source.lacking is not None:
        has_vector &= ~source.lacking
    has_vector, vectors = np.concatenate([[False], has_vector]), np.pad(vectors, ((1, 0), (0, 0)))
    tells = has_vector[fresh] & has_vector[old].any()  # without old vectors nothing is near or far
    return near_centres(vectors[old], vectors[fresh[tells]], has_vector[old]), tells
