"""A tiny world for samplers: two users, six items, two trees, and layers that can be computed by hand."""

from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from recbole_dtlns.config.settings import Settings
from recbole_dtlns.samplers.base import Sampler, SamplerContext
from recbole_dtlns.samplers.batch import Batch, Choice
from recbole_dtlns.samplers.parts.history import History
from recbole_dtlns.samplers.parts.layers import BatchLayers
from recbole_dtlns.samplers.parts.proposal import FreeItems, popularity_weights
from recbole_dtlns.samplers.parts.tree_view import TreeView
from recbole_dtlns.trees.similarity import TreeSimilarity

N_USERS, N_ITEMS = 3, 7
PAIRS = sparse.csr_matrix(([1, 1], ([1, 2], [1, 2])), shape=(N_USERS, N_ITEMS))  # user 1 has item 1, user 2 item 2
CODES_CO = np.array([[-1, -1], [0, 0], [0, 0], [0, 1], [1, -1], [1, -1], [2, 0]], dtype=np.int16)
CODES_SE = np.array([[-1, -1], [0, 0], [1, 0], [0, 1], [1, 1], [0, 0], [2, 0]], dtype=np.int16)


def context(
    seed: int = 0,
    pairs: sparse.csr_matrix = PAIRS,
    sizes: tuple[int, ...] | None = (4, 4),
    device: str = "cpu",
    **options: Any,
) -> SamplerContext:
    """A context over these training pairs; options are keys of ours, the rest have their start values."""
    weights = popularity_weights(np.array([0, 1, 1, 1, 8, 0, 1] + [1] * (pairs.shape[1] - N_ITEMS)), 1, pairs.shape[0])
    return SamplerContext(
        FreeItems(pairs, None, device),
        FreeItems(pairs, weights, device),
        History(pairs, device),
        sizes,
        (TreeSimilarity(CODES_CO, device), TreeSimilarity(CODES_SE, device)),
        Settings.parse(options).as_dict(),
        torch.Generator(device=device).manual_seed(seed),
    )


def small_layers(
    rows: int = 2,
    sizes: tuple[int, ...] = (4, 4),
    mean_pooled: bool = True,
    n_items: int = N_ITEMS,
    seed: int = 0,
    device: str = "cpu",
) -> BatchLayers:
    """Random layers with gradient for a batch of this many rows, the same on any device; `.items` is a leaf tensor."""
    generator = torch.Generator().manual_seed(seed)
    items = torch.randn(n_items, sum(sizes), generator=generator).to(device).requires_grad_()
    users = torch.randn(rows, sum(sizes), generator=generator).to(device).requires_grad_()
    queries = users
    if mean_pooled:
        pooled = users.unflatten(1, (len(sizes), sizes[0])).mean(1)
        queries = (pooled / len(sizes)).repeat(1, len(sizes))
    return BatchLayers(queries, items, sizes, lambda: users, mean_pooled=mean_pooled)


def batch(
    rows: int = 2,
    n: int = 5,
    seed: int = 0,
    layers: BatchLayers | None = None,
    scores: Tensor | None = None,
    candidates: Tensor | None = None,
    positives: Tensor | None = None,
    epoch: int = 0,
) -> Batch:
    """A batch of user 1. `scores` [R, N], and 0 for the positive, instead of layers give a view of the id path."""
    generator = torch.Generator().manual_seed(seed)
    if candidates is None:
        candidates = torch.randint(1, N_ITEMS, (rows, n), generator=generator)
    rows = len(candidates)
    users = torch.ones(rows, dtype=torch.long)
    if positives is None:
        positives = torch.randint(1, N_ITEMS, (rows,), generator=generator)
    if layers is None and scores is None:
        layers = small_layers(rows, seed=seed)

    def predict(ids: Tensor) -> Tensor:
        assert scores is not None
        return scores if ids.shape == scores.shape else torch.zeros(ids.shape)

    own = torch.Generator().manual_seed(seed + 1)
    return Batch(users, positives, candidates, epoch, own, layers=layers, predict=None if scores is None else predict)


def chosen(sampler: Sampler, seen: Batch) -> Choice:
    """What a sampler that is set up makes of a batch."""
    with torch.no_grad():
        scores = sampler.score(seen)
        picked = sampler.pick(scores)
    return sampler.choose(seen, picked, scores)


def generator_of(sampler: Sampler) -> torch.Generator:
    """The generator of a sampler, or of the one behind a tree view."""
    base = sampler.base if isinstance(sampler, TreeView) else sampler
    return base.context.generator  # type: ignore[attr-defined]
