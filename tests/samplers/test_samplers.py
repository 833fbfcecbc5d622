"""Samplers on tables small enough to compute by hand."""

import dataclasses

import pytest
import torch
from small import N_ITEMS, batch, chosen, context, small_layers
from torch import Tensor

from recbole_dtlns.config.declared import require_sampler
from recbole_dtlns.errors import UserError
from recbole_dtlns.samplers import SAMPLERS
from recbole_dtlns.samplers.base import BaseSampler, min_max, take
from recbole_dtlns.samplers.batch import Batch
from recbole_dtlns.samplers.methods.dns import DNS
from recbole_dtlns.samplers.methods.mixgcf import MixGCF
from recbole_dtlns.samplers.methods.popularity import Popularity
from recbole_dtlns.samplers.methods.srns import SRNS
from recbole_dtlns.samplers.methods.uniform import Uniform
from recbole_dtlns.samplers.parts.tree_view import TreeView


def ready(sampler: BaseSampler | TreeView, **options: object) -> BaseSampler | TreeView:
    """The sampler, set up."""
    sampler.setup(context(**options))
    return sampler


def picks(sampler: BaseSampler | TreeView, seen: Batch, **options: object) -> Tensor:
    """Positions that it picks."""
    ready(sampler, **options)
    return sampler.pick(sampler.score(seen))


def test_dns_picks_the_highest_model_score() -> None:
    scores = torch.tensor([[1.0, 3, 2.5], [9, 2, 8]])
    seen = batch(scores=scores, candidates=torch.tensor([[3, 4, 5], [4, 5, 6]]))
    assert chosen(ready(DNS()), seen).ids.tolist() == [[4], [4]]


def test_mixgcf_picks_in_each_layer_and_mixes_the_positive_in() -> None:
    seen = batch(rows=200)
    choice = chosen(ready(MixGCF()), seen)
    assert torch.equal(choice.ids[:, 0], seen.candidates.gather(1, seen.layer_scores.argmax(1)))
    assert choice.negatives is not None
    hard, positive = seen.the_layers.composite(choice.ids), seen.the_layers.rows(seen.positives)[:, None]
    differ = (hard != positive).all(-1)
    share = ((choice.negatives - hard) / (positive - hard))[differ].reshape(-1, 2, 4)
    assert torch.allclose(share.amin(-1), share.amax(-1), atol=1e-2)  # one share for a layer
    assert 0 <= share.min() < 0.1 < 0.9 < share.max() < 1.01
    assert (share[:, 0] - share[:, 1]).abs().mean() > 0.2  # and another for the next
    assert choice.item_ids.tolist() == choice.ids[:, 0, 0].tolist()


def test_mixgcf_learns_from_both_items_of_the_mixture() -> None:
    seen = batch(candidates=torch.tensor([[3]]), positives=torch.tensor([1]))
    negatives = chosen(ready(MixGCF()), seen).negatives
    assert negatives is not None
    (gradient,) = torch.autograd.grad(negatives.sum(), seen.the_layers.items)
    assert gradient.abs().sum(1).nonzero().reshape(-1).tolist() == [1, 3]


def test_the_loss_reaches_mixgcfs_positive_too() -> None:
    seen = batch(layers=small_layers())
    choice = chosen(ready(MixGCF()), seen)
    assert choice.positives is not None
    assert torch.equal(choice.positives, seen.the_layers.rows(seen.positives))
    (gradient,) = torch.autograd.grad(choice.positives.sum(), seen.the_layers.item_tables)
    counts = torch.bincount(seen.positives, minlength=len(gradient))
    assert torch.equal(gradient, counts.float().unsqueeze(1).expand_as(gradient))


def test_mixgcf_with_one_layer_is_dns_with_positive_mixing() -> None:
    seen = batch(rows=50, layers=small_layers(50, sizes=(8,)))
    assert torch.equal(picks(MixGCF(), seen)[..., 0], picks(DNS(), seen))


@pytest.mark.parametrize("base", sorted(SAMPLERS))
def test_a_tree_view_without_weight_picks_what_its_base_picks(base: str) -> None:
    with_view = picks(TreeView(SAMPLERS[base]()), batch(rows=100), alpha_co=0, alpha_se=0)
    assert torch.equal(with_view, picks(SAMPLERS[base](), batch(rows=100)))


@pytest.mark.parametrize("base", [DNS, MixGCF])
def test_a_tiny_weight_decides_nothing_but_ties(base: type[BaseSampler]) -> None:
    seen = batch(rows=100)
    assert torch.equal(picks(TreeView(base()), seen, alpha_co=1e-6, alpha_se=1e-6), picks(base(), seen))


def test_tree_view_by_hand() -> None:
    """q = minmax(score) + 0.1 sim_co + 0.3 sim_se for positive 1 and candidates 2, 3, 6."""
    seen = batch(scores=torch.tensor([[0.0, 1, 4]]), candidates=torch.tensor([[2, 3, 6]]), positives=torch.tensor([1]))
    # items 1 and 2 share a structural leaf; 1 and 3 share the first of two levels in both trees
    expected = [0 + 0.1 * 1 + 0.3 * 0, 0.25 + 0.1 * 0.5 + 0.3 * 0.5, 1.0]
    assert ready(TreeView(DNS())).score(seen).tolist()[0] == pytest.approx(expected, abs=1e-6)
    assert picks(TreeView(DNS()), seen, alpha_co=2.0).tolist() == [[0]]


def test_the_two_trees_have_weights_of_their_own() -> None:
    seen = batch(scores=torch.zeros(1, 2), candidates=torch.tensor([[2, 5]]), positives=torch.tensor([1]))
    assert picks(TreeView(DNS()), seen, alpha_co=1, alpha_se=0).tolist() == [[0]]  # item 2 shares the structural leaf
    assert picks(TreeView(DNS()), seen, alpha_co=0, alpha_se=1).tolist() == [[1]]  # item 5 the semantic one


def test_a_tree_view_saves_and_restores_what_its_base_remembers() -> None:
    first, second = TreeView(SRNS()), TreeView(SRNS())
    first.setup(context(seed=0))
    second.setup(context(seed=1))
    before, state = second.state_dict(), first.state_dict()
    second.load_state_dict(state)
    assert str(second.state_dict()) == str(state) != str(before)


def test_the_tree_view_needs_both_trees() -> None:
    with pytest.raises(ValueError, match="similarities of both trees"):
        TreeView(DNS()).setup(dataclasses.replace(context(), similarities=None))


def test_min_max_of_equal_scores_is_zero_and_layers_are_normalised_apart() -> None:
    assert min_max(torch.full((1, 3), 7.0)).tolist() == [[0, 0, 0]]
    two = min_max(torch.tensor([[[0.0, 10], [1, 30], [2, 20]]]))
    assert two[0, :, 0].tolist() == pytest.approx([0, 0.5, 1])
    assert two[0, :, 1].tolist() == pytest.approx([0, 1, 0.5])


def test_take_follows_layers() -> None:
    candidates = torch.tensor([[5, 6, 7]])
    assert take(candidates, torch.tensor([[2, 0]])).tolist() == [[7, 5]]
    assert take(candidates, torch.tensor([[[1, 2]]])).tolist() == [[[6, 7]]]


def test_uniform_takes_the_first_draw_unless_the_view_prefers_another() -> None:
    seen = batch(rows=30)
    assert picks(Uniform(), seen).eq(0).all()
    assert not picks(TreeView(Uniform()), seen).eq(0).all()


def test_others_propose_every_free_item_alike() -> None:
    drawn = ready(DNS()).propose(torch.tensor([1]), 5000)
    counts = torch.bincount(drawn.reshape(-1), minlength=N_ITEMS)[1:] / 5000
    assert counts.tolist() == pytest.approx([0] + [0.2] * 5, abs=0.03)


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
