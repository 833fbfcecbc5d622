"""What negatives are drawn from in a run, and what is barred there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from recbole_dtlns.config.run_config import Config
from recbole_dtlns.data.augmented import InferredIds, positives_matrix
from recbole_dtlns.data.tokens import tokens_of
from recbole_dtlns.errors import UserError
from recbole_dtlns.samplers.parts.exclude import FarFromHistory, HistorySimilarity
from recbole_dtlns.samplers.parts.proposal import FreeItems, Proposal, popularity_weights
from recbole_dtlns.trees.stage import Trees


def make_proposals(config: Config, train: Any, extra: InferredIds | None) -> tuple[FreeItems, ...]:
    """What negatives are drawn from, (uniform, popularity); nothing on RecBole's own path.

    Args:
        config: of the run.
        train: the real training part.
        extra: inferred positives, barred under `exclude_inferred`.

    Raises:
        UserError: a user has nothing left to draw.
    """
    if config.method.base is None:
        return ()
    settings, device = config.settings, config["device"]
    counts = np.asarray(positives_matrix(train).sum(axis=0)).ravel()
    weights = popularity_weights(counts, settings.popularity_exponent, train.user_num)
    barred = positives_matrix(train, extra if settings.exclude_inferred else None)
    proposals = (FreeItems(barred, None, device, "uniform"), FreeItems(barred, weights, device, "popularity"))
    _require_free_items(config, train, proposals)
    return proposals


def check_exclude(config: Config) -> None:
    """Raise UserError, before any work, if `tree_exclude` is set where RecBole's own loader draws the negatives."""
    if config.settings.tree_exclude is not None and config.method.base is None:
        raise UserError(
            f"tree_exclude={config.settings.tree_exclude} leaves candidates of a sampler of ours out, but here the "
            f"negatives are {config.method.effective or 'none'}. Choose another neg_sampler, or remove tree_exclude."
        )


def far_from_history(
    config: Config, train: Any, trees: Trees | None, proposals: tuple[FreeItems, ...]
) -> tuple[Proposal, ...]:
    """The same proposals, under `tree_exclude` without candidates that are too similar to the user's training items.

    They draw from the ones given, so `bar_inferred` on those reaches these too.
    """
    bound = config.settings.tree_exclude
    if bound is None:
        return proposals
    if trees is None:
        raise ValueError("tree_exclude needs the codes of both trees")
    names = tokens_of(train, "item")
    normalize: Any = config.settings.tree_similarity
    codes = [tree.for_tokens(names).codes for tree in (trees.co, trees.se)]
    similarity = HistorySimilarity(positives_matrix(train), codes, config["device"], normalize)
    return tuple(FarFromHistory(proposal, similarity, bound) for proposal in proposals)


def bar_inferred(config: Config, train: Any, proposals: Sequence[FreeItems], extra: InferredIds) -> None:
    """Bar these inferred positives instead of the earlier ones, under `exclude_inferred`.

    Raises:
        UserError: a user has nothing left to draw.
    """
    if config.settings.exclude_inferred:
        barred = positives_matrix(train, extra)
        for proposal in proposals:
            proposal.exclude(barred)
        _require_free_items(config, train, proposals)


def _require_free_items(config: Config, train: Any, proposals: Sequence[FreeItems]) -> None:
    uniform, popularity = proposals
    drawn = popularity if config.method.base == "popularity" else uniform
    drawn.require_free_items(train.inter_feat[train.uid_field].unique().numpy(), tokens_of(train, "user"))
