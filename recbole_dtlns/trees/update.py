"""Trees that grow: new items enter two finished trees, and a figure says when to build them again."""

from __future__ import annotations

import functools
import json
import logging
import os
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.cache import StageCache, file_hash, write_atomically
from recbole_dtlns.files.origin import GROWN_FROM, earlier_files
from recbole_dtlns.files.partial import partial_path
from recbole_dtlns.trees.agreement import elsewhere
from recbole_dtlns.trees.codes import CodeTable
from recbole_dtlns.trees.export import check_folder, write_tree
from recbole_dtlns.trees.growth import Growth, OldTree, grow, linked, with_vector
from recbole_dtlns.trees.index_tree import SEED, build_codes
from recbole_dtlns.trees.sources import VectorSource, graph_vectors
from recbole_dtlns.trees.stage import SEMANTIC, STRUCTURAL, TreeSettings, semantic_vectors, tree_of
from recbole_dtlns.trees.text_vectors import TextVectors

logger = logging.getLogger(__name__)

REPORT = "drift.json"
_NAMES = ("structural", "semantic")  # of the trees, as everywhere the structural one first
MARGIN, DEPTHS = 0.1, 2
RULE = (
    f"rebuild a tree whose drift at one of the first {DEPTHS} depths is more than {MARGIN} above that between two "
    "rebuilds with other seeds of k-means"
)


def update_trees(
    old: tuple[OldTree, OldTree],
    output: str,
    view: TrainSplit,
    settings: TreeSettings,
    cache: StageCache,
    text_vectors: TextVectors | None = None,
    drift: bool = True,
) -> dict[str, Any]:
    """Place the new items of a training split into both trees and write them into a folder of their own.

    The structural tree sends an item to where its `NEIGHBOURS` strongest links lead, the semantic one to the nearest
    mean of vectors (`placement.place`). Links, means and counts are those of the training split as it is now. An item
    without a link to a coded item, or without a vector, gets no code in that tree.

    Args:
        old: see `read_old_trees`.
        output: folder for both files, their `.json` and `drift.json`; it appears when all of it is written.
        view: the training split as it is now.
        settings: of the trees; `branching`, `leaf_size` and `item_vectors` should be those of the old ones.
        cache: keeps the rebuilt trees, which a run without ready codes would take up.
        text_vectors: for `item_vectors=text`.
        drift: build both trees anew and say what would lie elsewhere.

    Returns:
        What `drift.json` holds: `structural` and `semantic` with `items`, `placed`, `left_out`, `absent` and
        `largest_leaf`; with `drift` also `drift`, `drift_of_new` and `chance`, a number for each depth (`drift_of`),
        and `rebuild`; and `rule`.

    Raises:
        UserError: the folder is not free, a bad file of vectors, or a tree that shares no item with the split.
    """
    _check_new(output)
    co_source = _computed_once(graph_vectors(view, settings.max_history))
    se_source = _computed_once(semantic_vectors(view, settings, text_vectors=text_vectors))
    _warn_of_unknown_size(old, settings)
    _warn_of_other_source(old[1], se_source)
    grown = (
        grow(old[0], view, settings.leaf_size, lambda *rows: linked(view, settings.max_history, *rows)),
        grow(old[1], view, settings.leaf_size, lambda *rows: with_vector(se_source, *rows)),
    )
    report: dict[str, Any] = {}
    parts = ((STRUCTURAL, co_source), (SEMANTIC, se_source))
    for name, before, tree, (stage, source) in zip(_NAMES, old, grown, parts, strict=True):
        report[name] = _sizes(tree)
        if drift:
            report[name] |= drift_of(before.table, tree.table, stage, source, view, settings, cache)
    if drift:
        report["rule"] = RULE
    _write(output, old, grown, view, settings, report)
    return report


def _check_new(output: str) -> None:
    check_folder("output", output)
    if os.path.lexists(output):
        raise UserError(f"output={output} is there already. Name a new folder; the old trees stay as they are.")


def _sizes(tree: Growth) -> dict[str, Any]:
    return {
        "items": int((tree.table.lengths > 0).sum()),
        "placed": tree.placed,
        "left_out": tree.left_out,
        "absent": tree.absent,
        "largest_leaf": int(np.bincount(tree.table.leaves())[1:].max()),
    }


def drift_of(
    old: CodeTable,
    table: CodeTable,
    stage: str,
    source: VectorSource,
    view: TrainSplit,
    settings: TreeSettings,
    cache: StageCache,
) -> dict[str, Any]:
    """What a rebuild from the training split would change; see `agreement.elsewhere` for what counts as another place.

    Args:
        old: the tree before it grew.
        table: the tree as it has grown.
        stage: `STRUCTURAL` or `SEMANTIC`.
        source: what it is built from.
        view: the training split as it is now.
        settings: of the rebuild.
        cache: keeps the rebuilt tree.

    Returns:
        `drift`: share of items elsewhere at depth 1, 2, ...; `drift_of_new`: the same of the placed ones, None where
        there are none; `chance`: the same between two rebuilds with other seeds of k-means;
        `rebuild`: whether `RULE` says so. O(what two builds of the tree cost).
    """
    rebuilt = tree_of(stage, source, view, settings, cache)[0].codes[1:]
    with threadpool_limits(1, "blas"):
        again = build_codes(source.vectors(), settings.branching, settings.leaf_size, SEED + 1)
    grown = table.for_tokens(view.items).codes[1:]
    coded = grown[:, 0] >= 0
    before = old.for_tokens(view.items).lengths[1:] > 0
    apart = elsewhere(grown[coded], rebuilt[coded])
    chance = elsewhere(rebuilt, again).mean(axis=0)
    share, fresh = apart.mean(axis=0), ~before[coded]
    depths = min(DEPTHS, len(share), len(chance))
    return {
        "drift": share.round(4).tolist(),
        "drift_of_new": apart[fresh].mean(axis=0).round(4).tolist() if fresh.any() else None,
        "chance": chance.round(4).tolist(),
        "rebuild": bool((share[:depths] > chance[:depths] + MARGIN).any()),
    }


def _computed_once(source: VectorSource) -> VectorSource:
    """The source, whose vectors placing and both rebuilds share: those of the graph cost an eigenproblem."""
    return replace(source, vectors=functools.cache(source.vectors))


def _warn_of_unknown_size(old: tuple[OldTree, OldTree], settings: TreeSettings) -> None:
    for tree in old:
        if tree.about.get("leaf_size") is None:
            logger.warning(
                "Nothing beside %s says how it was built. It is taken to have tree_branching=%d and "
                "tree_leaf_size=%d; give both keys if it has others.",
                tree.path,
                settings.branching,
                settings.leaf_size,
            )


def _warn_of_other_source(old: OldTree, source: VectorSource) -> None:
    before = old.about.get("source")
    if before is not None and before != source.origin:
        logger.warning(
            "%s was made from %s, and new items are placed by %s. Name the vectors of old and new items with "
            "--item_vectors.",
            old.path,
            before,
            source.origin,
        )


def _write(
    output: str,
    old: tuple[OldTree, OldTree],
    grown: tuple[Growth, Growth],
    view: TrainSplit,
    settings: TreeSettings,
    report: dict[str, Any],
) -> None:
    """Write all of it aside, then give the folder its name."""
    aside = partial_path(Path(output).absolute())
    try:
        aside.mkdir(parents=True)
        for name, before, tree in zip(_NAMES, old, grown, strict=True):
            origin = {
                "file": before.path.name,
                "sha256": file_hash(before.path),
                "train_hash": before.about.get("train_hash"),
            }
            about = asdict(settings) | {
                "source": before.about.get("source"),
                "train_hash": view.train_hash,
                "counts": {"users": view.n_users, "items": view.n_items, "pairs": int(view.matrix.nnz)},
                GROWN_FROM: [*earlier_files(before.about), origin],
            }
            write_tree(aside / before.path.name, tree.table, about | {"growth": report[name]})
        write_atomically(aside / REPORT, json.dumps(report, indent=1).encode())
        aside.rename(output)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
