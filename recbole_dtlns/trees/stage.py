"""The tree stage: two index trees from a training split, from the cache, or from ready code files."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field

import numpy as np
from threadpoolctl import threadpool_limits

from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.cache import StageCache, content_key
from recbole_dtlns.files.result_schema import External
from recbole_dtlns.trees.agreement import leaf_agreement
from recbole_dtlns.trees.codes import CodeTable
from recbole_dtlns.trees.index_tree import build_codes
from recbole_dtlns.trees.sources import CodeFile, VectorSource, code_file, graph_vectors, item_vectors
from recbole_dtlns.trees.text_vectors import TEXT, TextVectors

logger = logging.getLogger(__name__)

VERSION = 2  # raise it when the same input gives other codes, so that the cache forgets the old ones
STRUCTURAL, SEMANTIC = "tree_structural", "tree_semantic"
SHUFFLE_SEED = 0  # of the control; the order of a training view's items is fixed too
SAME_VIEW = 0.9  # adjusted Rand index above which two trees are one view


@dataclass(frozen=True)
class TreeSettings:
    """What decides the trees, beside the training split.

    Attributes:
        branching: children of a node.
        leaf_size: largest leaf.
        item_vectors: `auto` = item embeddings of a trained candidate model where there are any, else SVD; `svd`;
            `text` = embeddings of what is written about the items; or a file as `read_vectors` takes it.
        codes_co: code file that replaces the structural tree.
        codes_se: code file that replaces the semantic tree.
        allow_foreign: take files made from another training split, and drop their items that this one lacks.
        shuffle: deal the finished codes out to other items at random, in each tree otherwise. A control: the trees keep
            their shape and mean nothing.
        max_history: items that a history counts with in the item graph (`shortened_histories`).
    """

    branching: int = 4
    leaf_size: int = 30
    item_vectors: str = "auto"
    codes_co: str | None = None
    codes_se: str | None = None
    allow_foreign: bool = False
    shuffle: bool = False
    max_history: int | None = None


@dataclass
class Trees:
    """Both trees and where they come from.

    Attributes:
        co: structural tree, rows in the numbering of the training view.
        se: semantic tree, likewise.
        vector_origin: what the semantic tree was made from: `svd`, the candidate model's name, `text by MODEL`,
            `file NAME`, or `codes NAME`.
        agreement: adjusted Rand index of their leaves.
        seconds: time that the stage took, the cache included.
        cached: nothing had to be computed.
        external: descriptions of the files made elsewhere, for result.json.
    """

    co: CodeTable
    se: CodeTable
    vector_origin: str
    agreement: float
    seconds: float
    cached: bool
    external: list[External] = field(default_factory=list)


def build_trees(
    view: TrainSplit,
    settings: TreeSettings,
    cache: StageCache,
    item_embeddings: tuple[str, np.ndarray] | None = None,
    text_vectors: TextVectors | None = None,
    told: bool = True,
) -> Trees:
    """Make, load or read the structural and the semantic tree. Both know the training split alone.

    Args:
        view: the training split.
        settings: see `TreeSettings`.
        cache: where finished trees are kept, each under a hash of all that decides it.
        item_embeddings: name and item embeddings, float [I + 1, d] in the numbering of `view` with padding at row 0,
            of a candidate model trained on this split.
        text_vectors: embeddings of what is written about the items, for `item_vectors=text`.
        told: the log says what came out; else it does at the level DEBUG.

    Raises:
        UserError: no items, a bad file, vectors that are not finite, or settings out of range.
    """
    begin = time.perf_counter()
    if view.n_items == 0:
        raise UserError("The training split has no items, so there is no tree to build. Check the training data.")
    # Files are read here, before anything is computed, so that a bad one is reported at once.
    ready_co = code_file("codes_co", settings.codes_co, view, settings.allow_foreign, told)
    co_source = ready_co or graph_vectors(view, settings.max_history)
    ready_se = code_file("codes_se", settings.codes_se, view, settings.allow_foreign, told)
    se_source = ready_se or semantic_vectors(view, settings, item_embeddings, text_vectors)
    co, co_cached = tree_of(STRUCTURAL, co_source, view, settings, cache)
    se, se_cached = tree_of(SEMANTIC, se_source, view, settings, cache)
    if settings.shuffle:  # after the cache, which keeps the trees as they are
        co, se = _shuffled(co, se)
    trees = Trees(
        co,
        se,
        vector_origin=se_source.origin,
        agreement=leaf_agreement(co, se),
        seconds=time.perf_counter() - begin,
        cached=co_cached and se_cached,
        external=[source.external for source in (co_source, se_source) if source.external is not None],
    )
    _report(trees, logging.INFO if told else logging.DEBUG)
    if told:
        _warn(trees, settings.shuffle)
    return trees


def semantic_vectors(
    view: TrainSplit,
    settings: TreeSettings,
    item_embeddings: tuple[str, np.ndarray] | None = None,
    text_vectors: TextVectors | None = None,
) -> VectorSource:
    """What the semantic tree is made from; see `build_trees`.

    Raises:
        UserError: a bad file, or no text for `item_vectors=text`.
    """
    if settings.item_vectors != TEXT:
        return item_vectors(settings.item_vectors, view, settings.allow_foreign, item_embeddings)
    if text_vectors is None:
        raise UserError("item_vectors=text needs text of the items: set --item_text.")
    return text_vectors.source(view)


def tree_of(
    stage: str, source: VectorSource | CodeFile, view: TrainSplit, settings: TreeSettings, cache: StageCache
) -> tuple[CodeTable, bool]:
    """The tree of a source, and whether nothing had to be computed for it.

    Args:
        stage: `STRUCTURAL` or `SEMANTIC`, its name in the cache.
        source: vectors, which are clustered, or a ready tree.
        view: the training split.
        settings: see `TreeSettings`.
        cache: where it is kept.
    """
    if isinstance(source, CodeFile):
        return source.table, True
    parts = {
        "train_hash": view.train_hash,
        "branching": settings.branching,
        "leaf_size": settings.leaf_size,
        "version": VERSION,
        **source.decides,
    }
    key = content_key(stage, parts)
    saved = (cache.load(stage, key) or {}).get("codes")
    if saved is not None and saved.shape[:1] == view.items.shape:
        return CodeTable(view.items, saved), True
    begin = time.perf_counter()
    with threadpool_limits(1, "blas"):  # several threads give other last digits, and those now and then another leaf
        codes = build_codes(source.vectors(), settings.branching, settings.leaf_size)
    codes = np.pad(codes, ((1, 0), (0, 0)), constant_values=-1)
    seconds = round(time.perf_counter() - begin, 3)
    cache.save(stage, key, {"codes": codes}, {**parts, "origin": source.origin, "seconds": seconds})
    return CodeTable(view.items, codes), False


def _shuffled(co: CodeTable, se: CodeTable) -> tuple[CodeTable, CodeTable]:
    rng = np.random.default_rng(SHUFFLE_SEED)
    return co.shuffled(rng), se.shuffled(rng)


def _report(trees: Trees, level: int) -> None:
    for name, table in (("Structural", trees.co), ("Semantic", trees.se)):
        n_coded = int((table.lengths > 0).sum())
        logger.log(level, "%s tree: %d items, %d leaves, depth %d.", name, n_coded, table.n_leaves, table.depth)
    logger.log(
        level,
        "Trees ready in %.1f s%s; the semantic one is made from %s. Agreement of their leaves (adjusted Rand): %.3f.",
        trees.seconds,
        " from the cache or from files" if trees.cached else "",
        trees.vector_origin,
        trees.agreement,
    )


def _warn(trees: Trees, shuffled: bool) -> None:
    if shuffled:
        logger.warning("shuffle_codes: the codes of both trees are dealt out to other items, so they mean nothing.")
    if trees.agreement > SAME_VIEW:
        logger.warning(
            "The leaves of the two trees agree by %.3f (adjusted Rand, above %.1f): the two views are one. Use other "
            "item_vectors or another codes_se.",
            trees.agreement,
            SAME_VIEW,
        )
