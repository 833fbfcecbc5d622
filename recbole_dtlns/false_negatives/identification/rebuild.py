"""Trees and candidates of a reduced training split, made as those of the whole one."""

from __future__ import annotations

import logging
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from recbole_dtlns.config.settings import Settings
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.false_negatives.candidates.ranking import Candidates
from recbole_dtlns.false_negatives.candidates.sources import (
    CandidateSettings,
    CandidateSource,
    find_candidates,
    resolve_source,
)
from recbole_dtlns.false_negatives.candidates.union_source import settings_of
from recbole_dtlns.false_negatives.report.candidate_scores import pair_scores
from recbole_dtlns.files.cache import StageCache
from recbole_dtlns.trees.stage import Trees, TreeSettings, build_trees
from recbole_dtlns.trees.text_vectors import TEXT, TextVectors

logger = logging.getLogger(__name__)


class Rebuild:
    """Makes for a split what identification made for the whole of train, with every result cached.

    Args:
        settings: our keys.
        trees: how trees are built.
        candidates: where candidates come from.
        cache: of the stages.
        text_vectors: embeddings of the items' text, for `item_vectors=text`; they know no held-in pair.
        source: a RecBole model, not trained yet, under the name in `candidates`; None: one in `SOURCES`.
    """

    def __init__(
        self,
        settings: Settings,
        trees: TreeSettings,
        candidates: CandidateSettings,
        cache: StageCache,
        text_vectors: TextVectors | None = None,
        source: CandidateSource | None = None,
    ) -> None:
        self._settings, self._trees, self._candidates, self._cache = settings, trees, candidates, cache
        self._text_vectors = text_vectors
        self._source = source
        self._warned = False

    def about(self, view: TrainSplit) -> dict[str, Any]:
        """All keys that decide trees and candidates, as JSON values.

        Args:
            view: the whole training split; where it has no room for EASE, `source` names ItemKNN.

        Returns:
            `source`: settings of each candidate source by name; `topk`; `trees`; `text` where read.
        """
        name, source = resolve_source(self._candidates, view, self._source)
        settings = source.settings() if "," in name else {name: settings_of(source)}
        text = {} if self._text_vectors is None else {"text": self._text_vectors.about}
        return {"source": settings, "topk": str(self._candidates.topk), "trees": asdict(self._trees), **text}

    def trees(self, view: TrainSplit) -> Trees:
        """Trees of a reduced split; ready codes and vectors cannot be made again: they know the held-in pairs."""
        made = replace(self._trees, allow_foreign=True)
        if not self._warned and (made.codes_co or made.codes_se or made.item_vectors not in {"auto", "svd", TEXT}):
            self._warned = True
            logger.warning("Codes or vectors made elsewhere know the held-in pairs: what they are worth is overstated.")
        return build_trees(view, made, self._cache, self._embeddings(view), self._text_vectors, told=False)

    def candidates(self, view: TrainSplit, users: np.ndarray | None = None) -> Candidates:
        """The best unseen items of the users of a reduced split, from a source that can be fitted again.

        Args:
            view: the split.
            users: whose candidates are wanted, bool [U + 1]; None = all. A trained model gives those of all, as its
                item embeddings are kept with them.
        """
        users = users if self._source is None else None
        return find_candidates(view, self._candidates, self._cache, self._source, users).candidates

    def scores(self, view: TrainSplit, users: np.ndarray, items: np.ndarray) -> np.ndarray | None:
        """What the candidate source thinks of pairs, see `pair_scores`; None for a trained model."""
        if self._settings.candidate_checkpoint is not None:
            return None
        return pair_scores(view, users, items, self._candidates, self._source, self._cache)

    def _embeddings(self, view: TrainSplit) -> tuple[str, np.ndarray] | None:
        """Item embeddings as the real trees have them, from the candidate model trained on the reduced split."""
        if self._settings.candidate_checkpoint is not None:
            logger.warning("A candidate_checkpoint cannot be trained again: the second semantic tree is made by SVD.")
            return None
        if self._source is None:
            return None
        return find_candidates(view, self._candidates, self._cache, self._source).item_embeddings
