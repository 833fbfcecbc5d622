"""What the two trees are made from: the training split, a trained model, or a file."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from recbole_dtlns.data.histories import shortened_histories
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.files.origin import external_input
from recbole_dtlns.files.result_schema import External
from recbole_dtlns.trees.codes import CodeTable, read_codes
from recbole_dtlns.trees.eigen import solver_of
from recbole_dtlns.trees.item_graph import cooccurrence_bound, jaccard_graph
from recbole_dtlns.trees.spectral import spectral_embedding
from recbole_dtlns.trees.vectors import lacking_mark, read_vectors, svd_vectors

logger = logging.getLogger(__name__)

GRAPH_ENTRIES = 100_000_000  # a graph that may have more entries is built with at most MAX_NEIGHBORS an item
MAX_NEIGHBORS = 100
MIN_NEIGHBORS = 10


@dataclass(frozen=True)
class VectorSource:
    """Vectors that may not have been computed yet.

    Attributes:
        origin: where they come from, for the log and result.json.
        decides: what decides them beside the training split, JSON values; part of the cache key.
        vectors: computes them, float64 [I, d] without padding, in the numbering of the training view.
        external: description of the file that they are from; None if they were made here.
        lacking: bool [I], True for items without a vector of their own, which have the mean of the others; None where
            each has one.
    """

    origin: str
    decides: Mapping[str, Any]
    vectors: Callable[[], np.ndarray]
    external: External | None = None
    lacking: np.ndarray | None = None


@dataclass(frozen=True)
class CodeFile:
    """A ready tree from a file.

    Attributes:
        origin: `codes NAME`, for the log and result.json.
        table: rows in the numbering of the training view.
        external: description of the file.
    """

    origin: str
    table: CodeTable
    external: External


def graph_vectors(view: TrainSplit, max_history: int | None = None) -> VectorSource:
    """Spectral embedding of the item graph, which is capped where it would not fit into memory.

    Args:
        view: the training split.
        max_history: longer histories count with so many of their items (`shortened_histories`); None: with all.
    """
    train = view.matrix[1:, 1:]
    decides: dict[str, Any] = {"vectors": "item graph", **solver_of(view.n_items)}
    if max_history is not None and view.history.max(initial=0) > max_history:
        decides["max_history"] = max_history
    return VectorSource("item graph", decides, lambda: spectral_embedding(item_graph(train, max_history)))


def item_graph(train: sparse.csr_matrix, max_history: int | None = None) -> sparse.csr_matrix:
    """The item graph of a training matrix, CSR [U, I] without padding, in memory of some `GRAPH_ENTRIES` entries.

    A graph that may have more keeps `MAX_NEIGHBORS` an item, or fewer (at least `MIN_NEIGHBORS`) where there are more
    than a million items.
    """
    if max_history is not None:
        train = shortened_histories(train, max_history)
    share = min(MAX_NEIGHBORS, max(MIN_NEIGHBORS, GRAPH_ENTRIES // max(train.shape[1], 1)))
    return jaccard_graph(train, share if cooccurrence_bound(train) > GRAPH_ENTRIES else None)


def item_vectors(
    choice: str, view: TrainSplit, allow_foreign: bool, item_embeddings: tuple[str, np.ndarray] | None
) -> VectorSource:
    """Vectors of the semantic tree.

    Args:
        choice: `auto`, `svd` or a file.
        view: the training split.
        allow_foreign: take a file made from another split, and drop its items that this one lacks.
        item_embeddings: name and float [I + 1, d] with padding at row 0, taken by `auto`.

    Raises:
        UserError: the file is missing, bad, or made from another split.
        ValueError: `item_embeddings` is not in the numbering of `view`.
    """
    if choice not in ("auto", "svd"):
        path = Path(choice)
        external = external_input("item_vectors", path, view.train_hash, allow_foreign)
        vectors, missing = read_vectors(path, view.items, allow_foreign)
        marks = lacking_mark(int(missing.sum()), view.n_items)
        about = {**external, "marks": marks} if marks else external
        return replace(_given(f"file {path.name}", vectors, about), lacking=missing)
    if choice == "svd" or item_embeddings is None:
        decides = {"vectors": "svd", **solver_of(view.n_items)}
        return VectorSource("svd", decides, lambda: svd_vectors(view.matrix[1:, 1:]))
    name, embeddings = item_embeddings
    if len(embeddings) != len(view.items):
        raise ValueError(f"item_embeddings has {len(embeddings)} rows, expected {len(view.items)} with padding")
    return _given(name, np.asarray(embeddings)[1:])


def code_file(kind: str, file: str | None, view: TrainSplit, allow_foreign: bool, told: bool = True) -> CodeFile | None:
    """Codes from the file that the key `kind` names; None where it names none.

    Args:
        kind: the key.
        file: its value.
        view: the training split.
        allow_foreign: take a file from another training split.
        told: what was left out is a warning; else it is told at the level DEBUG.

    Raises:
        UserError: the file is missing, bad, or made from another split.
    """
    if file is None:
        return None
    external = external_input(kind, file, view.train_hash, allow_foreign)
    # A tree that has grown for this split keeps the codes of items that are no longer in it.
    of_this_split = external["train_hash"] == view.train_hash
    read = read_codes(Path(file), view.items, drop_unknown=allow_foreign or of_this_split)
    if read.dropped or read.missing:
        logger.log(
            logging.WARNING if told else logging.DEBUG,
            "%s: %d codes of items outside the training split are dropped; %d of its %d items have no code and are "
            "similar to none.",
            file,
            read.dropped,
            read.missing,
            view.n_items,
        )
    return CodeFile(f"codes {Path(file).name}", read.table, external)


def _given(origin: str, values: np.ndarray, external: External | None = None) -> VectorSource:
    values = np.ascontiguousarray(values, dtype=np.float64)
    digest = hashlib.sha256(repr(values.shape).encode() + values.tobytes()).hexdigest()
    return VectorSource(origin, {"vectors": digest}, lambda: values, external)
