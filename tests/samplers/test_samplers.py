"""Samplers on tables small enough to compute by hand."""

import numpy as np
import pytest
import torch
from scipy import sparse

from recbole_dtlns.errors import UserError
from recbole_dtlns.samplers import SAMPLERS, require_sampler
from recbole_dtlns.samplers.base import BaseSampler, SamplerContext, View
from recbole_dtlns.samplers.dns import DNS
from recbole_dtlns.samplers.mixgcf import MixGCF
from recbole_dtlns.samplers.popularity import Popularity
from recbole_dtlns.samplers.proposal import FreeItems, popularity_weights
from recbole_dtlns.samplers.tree_view import TreeView, min_max
from recbole_dtlns.samplers.uniform import Uniform
from recbole_dtlns.trees.similarity import TreeSimilarity

N_ITEMS = 7
CODES_CO = np.array([[-1, -1], [0, 0], [0, 0], [0, 1], [1, -1], [1, -1], [2, 0]], dtype=np.int16)
CODES_SE = np.array([[-1, -1], [0, 0], [1, 0], [0, 1], [1, 1], [0, 0], [2, 0]], dtype=np.int16)


def context(seed: int = 0, alpha_co: float = 0.1, alpha_se: float = 0.3) -> SamplerContext:
    barred = sparse.csr_matrix(([1, 1], ([1, 2], [1, 2])), shape=(3, N_ITEMS))
    weights = popularity_weights(np.array([0, 1, 1, 1, 8, 0, 1]), 1, 3)
    return SamplerContext(
        FreeItems(barred),
        FreeItems(barred, weights),
        2,
        (TreeSimilarity(CODES_CO, "cpu"), TreeSimilarity(CODES_SE, "cpu")),
        {"alpha_co": alpha_co, "alpha_se": alpha_se},
        torch.Generator().manual_seed(seed),
    )


def view(layer_scores: torch.Tensor | None = None, rows: int = 2, n: int = 5, seed: int = 0) -> View:
    generator = torch.Generator().manual_seed(seed)
    candidates = torch.randint(1, N_ITEMS, (rows, n), generator=generator)
    if layer_scores is None:
        layer_scores = torch.randn(rows, n, 2, generator=generator)
    users, positives = torch.ones(rows, dtype=torch.long), torch.randint(1, N_ITEMS, (rows,), generator=generator)
    return View(users, positives, candidates, layer_scores, 0, torch.Generator().manual_seed(seed + 1))


def picks(sampler: BaseSampler | TreeView, seen: View, **options: float) -> torch.Tensor:
    sampler.setup(context(**options))  # type: ignore[arg-type]
    return sampler.pick(sampler.score(seen))


def test_dns_picks_the_highest_model_score() -> None:
    scores = torch.tensor([[[1.0, 0], [0, 3], [2, 0.5]], [[9, 0], [1, 1], [4, 4]]])
    seen = View(
        torch.tensor([1, 2]), torch.tensor([1, 2]), torch.tensor([[3, 4, 5], [4, 5, 6]]), scores, 0, torch.Generator()
    )
    sampler = DNS()
    assert picks(sampler, seen).tolist() == [1, 0]
    assert sampler.choose(seen, torch.tensor([1, 0])).ids.tolist() == [4, 4]


def test_mixgcf_picks_in_each_layer_and_mixes_by_a_share_below_one() -> None:
    seen = view(rows=200)
    sampler = MixGCF()
    picked = picks(sampler, seen)
    assert torch.equal(picked, seen.layer_scores.argmax(1))
    choice = sampler.choose(seen, picked)
    assert torch.equal(choice.ids, seen.candidates.gather(1, picked))
    assert choice.positive_share is not None
    assert choice.positive_share.shape == (200, 2)
    assert 0 <= choice.positive_share.min() < 0.1 < 0.9 < choice.positive_share.max() < 1
    assert choice.item_ids.tolist() == choice.ids[:, 0].tolist()


def test_mixgcf_with_one_layer_is_dns_with_positive_mixing() -> None:
    seen = view(torch.randn(50, 5, 1, generator=torch.Generator().manual_seed(4)), rows=50)
    assert torch.equal(picks(MixGCF(), seen).reshape(-1), picks(DNS(), seen))


@pytest.mark.parametrize("base", [Uniform, Popularity, DNS, MixGCF])
def test_a_tree_view_without_weight_picks_what_its_base_picks(base: type[BaseSampler]) -> None:
    seen = view(rows=100)
    assert torch.equal(picks(TreeView(base()), seen, alpha_co=0, alpha_se=0), picks(base(), seen))


@pytest.mark.parametrize("base", [DNS, MixGCF])
def test_a_tiny_weight_decides_nothing_but_ties(base: type[BaseSampler]) -> None:
    seen = view(rows=100)
    assert torch.equal(picks(TreeView(base()), seen, alpha_co=1e-6, alpha_se=1e-6), picks(base(), seen))


def test_tree_view_by_hand() -> None:
    """q = minmax(score) + 0.1 sim_co + 0.3 sim_se for positive 1 and candidates 2, 3, 6."""
    scores = torch.tensor([[[0.0], [1.0], [4.0]]])
    seen = View(torch.tensor([1]), torch.tensor([1]), torch.tensor([[2, 3, 6]]), scores, 0, torch.Generator())
    sampler = TreeView(DNS())
    sampler.setup(context())
    # items 1 and 2 share a structural leaf; 1 and 3 share the first of two levels in both trees
    expected = [0 + 0.1 * 1 + 0.3 * 0, 0.25 + 0.1 * 0.5 + 0.3 * 0.5, 1.0]
    assert sampler.score(seen).tolist()[0] == pytest.approx(expected, abs=1e-6)
    strong = TreeView(DNS())
    strong.setup(context(alpha_co=2.0))
    assert strong.pick(strong.score(seen)).tolist() == [0]


def test_the_two_trees_have_weights_of_their_own() -> None:
    flat = torch.zeros(1, 2, 1)
    seen = View(torch.tensor([1]), torch.tensor([1]), torch.tensor([[2, 5]]), flat, 0, torch.Generator())
    assert picks(TreeView(DNS()), seen, alpha_co=1, alpha_se=0).tolist() == [0]  # item 2 shares the structural leaf
    assert picks(TreeView(DNS()), seen, alpha_co=0, alpha_se=1).tolist() == [1]  # item 5 the semantic one


def test_min_max_of_equal_scores_is_zero_and_layers_are_normalised_apart() -> None:
    assert min_max(torch.full((1, 3), 7.0)).tolist() == [[0, 0, 0]]
    two = min_max(torch.tensor([[[0.0, 10], [1, 30], [2, 20]]]))
    assert two[0, :, 0].tolist() == pytest.approx([0, 0.5, 1])
    assert two[0, :, 1].tolist() == pytest.approx([0, 1, 0.5])


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_order_of_candidates_does_not_matter(name: str) -> None:
    kind = SAMPLERS[name]
    if not kind.scores_candidates:
        pytest.skip("takes the first draw")
    seen = view(rows=40)
    order = torch.tensor([3, 1, 4, 0, 2])
    mixed = View(
        seen.users, seen.positives, seen.candidates[:, order], seen.layer_scores[:, order], 0, torch.Generator()
    )
    sampler = TreeView(kind())
    sampler.setup(context())
    one = seen.candidates.gather(1, sampler.pick(sampler.score(seen)).reshape(40, -1))
    other = mixed.candidates.gather(1, sampler.pick(sampler.score(mixed)).reshape(40, -1))
    assert torch.equal(one, other)


def test_popularity_proposes_by_train_counts_alone() -> None:
    sampler = Popularity()
    sampler.setup(context())
    drawn = sampler.propose(torch.tensor([1]), 5000)
    counts = torch.bincount(drawn.reshape(-1), minlength=N_ITEMS) / 5000
    assert counts[5] == counts[1] == 0  # never seen in train, and the user's own
    assert counts[4] == pytest.approx(8 / 11, abs=0.03)


def test_unknown_sampler_lists_the_names() -> None:
    with pytest.raises(UserError, match=r"mixgcf.*recbole:dynamic"):
        require_sampler("mix")
