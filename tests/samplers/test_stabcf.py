"""StabCF: a smoothed positive, and a negative between it and two hard candidates."""

import math

import numpy as np
import pytest
import torch
from scipy import sparse
from small import batch, chosen, context, small_layers
from torch import Tensor

from recbole_dtlns.samplers.batch import Batch
from recbole_dtlns.samplers.methods.mixgcf import MixGCF
from recbole_dtlns.samplers.methods.stabcf import StabCF
from recbole_dtlns.samplers.parts.layers import BatchLayers
from recbole_dtlns.samplers.parts.tree_view import TreeView

PAIRS = sparse.csr_matrix((np.ones(4), ([1, 1, 1, 2], [1, 2, 4, 2])), shape=(3, 7))  # user 1 has items 1, 2, 4


def made(**options: float) -> StabCF:
    sampler = StabCF()
    sampler.setup(context(pairs=PAIRS, **options))
    return sampler


def plain(
    seen: Batch, user: list[Tensor], row: int, sizes: tuple[int, ...], alpha: float
) -> tuple[Tensor, Tensor, list]:
    """p* and the negative of one row, layer by layer with raw exponentials, and the items n1 and n2 of each layer."""
    items = seen.the_layers.items
    starts = [sum(sizes[:h]) for h in range(len(sizes))]
    smooth, mixed, picks = [], [], []
    for h, (start, width) in enumerate(zip(starts, sizes, strict=True)):

        def part(item: int, start: int = start, width: int = width) -> Tensor:
            return items[item, start : start + width]

        u = user[h]
        drawn = [part(int(item)) for item in seen.scratch["history"][row]]
        p = part(int(seen.positives[row]))
        weights = [torch.exp(u @ o) for o in drawn] + [alpha * torch.exp(u @ p)]
        star = sum(w * x for w, x in zip(weights, [*drawn, p], strict=True)) / sum(weights)
        candidates = seen.candidates[row].tolist()
        n1 = max(candidates, key=lambda item: (u @ part(item)).item())
        n2 = max(candidates, key=lambda item: (star @ part(item)).item())
        a, b, c = alpha * torch.exp(u @ star), torch.exp(u @ part(n1)), torch.exp(u @ part(n2))
        smooth.append(star)
        mixed.append((a * star + b * part(n1) + c * part(n2)) / (a + b + c))
        picks.append((n1, n2))
    return torch.cat(smooth), torch.cat(mixed), picks


def pooled(users: Tensor, row: int, sizes: tuple[int, ...], mean_pooled: bool) -> list[Tensor]:
    layers = list(users[row].split(sizes))
    return [sum(layers) / len(layers)] * len(layers) if mean_pooled else layers


def test_one_column_by_hand() -> None:
    """User 1, history item 1 = 2 alone, positive 3 = 4, candidates -3 and 1: p* of weights e^2 and 2 e^4."""
    items = torch.tensor([[0.0], [2], [0], [4], [-3], [1]])
    user = torch.tensor([[1.0]])
    pairs = sparse.csr_matrix(([1], ([1], [1])), shape=(3, 7))
    sampler = StabCF()
    sampler.setup(context(pairs=pairs, stabcf_alpha=2, stabcf_history=1))
    layers = BatchLayers(user, items, (1,), lambda: user)
    choice = chosen(sampler, batch(layers=layers, candidates=torch.tensor([[4, 5]]), positives=torch.tensor([3])))
    star = (2 * math.exp(2) + 4 * 2 * math.exp(4)) / (math.exp(2) + 2 * math.exp(4))
    weights = [2 * math.exp(star), math.exp(1), math.exp(1)]
    assert choice.ids.tolist() == [[[5]]]
    assert choice.positives is not None
    assert choice.negatives is not None
    assert choice.positives.item() == pytest.approx(star, abs=1e-5)
    assert choice.negatives.item() == pytest.approx(
        (weights[0] * star + weights[1] + weights[2]) / sum(weights), abs=1e-5
    )


@pytest.mark.parametrize(("sizes", "mean_pooled"), [((4, 4), True), ((4, 4), False), ((3, 5, 2), False)])
def test_choice_and_gradients_are_those_of_a_plain_loop(sizes: tuple[int, ...], mean_pooled: bool) -> None:
    layers = small_layers(8, sizes, mean_pooled)
    seen = batch(rows=8, layers=layers)
    choice = chosen(made(stabcf_alpha=3, stabcf_history=4), seen)
    assert choice.negatives is not None
    assert choice.positives is not None
    rows = [plain(seen, pooled(layers.users(), row, sizes, mean_pooled), row, sizes, 3) for row in range(8)]
    positives, negatives = torch.stack([row[0] for row in rows]), torch.stack([row[1] for row in rows])
    assert choice.ids.tolist() == [[[pair[0] for pair in row[2]]] for row in rows]
    assert any(n1 != n2 for row in rows for n1, n2 in row[2])  # the two picks are not the same
    assert torch.allclose(choice.positives, positives, atol=1e-5)
    assert torch.allclose(choice.negatives[:, 0], negatives, atol=1e-5)
    leaves = [layers.items, layers.users()]
    mine = choice.negatives.square().sum() + choice.positives.pow(3).sum()
    theirs = negatives.square().sum() + positives.pow(3).sum()
    for gradient, expected in zip(
        torch.autograd.grad(mine, leaves, retain_graph=True), torch.autograd.grad(theirs, leaves), strict=True
    ):
        assert torch.allclose(gradient, expected, atol=1e-3, rtol=1e-4)


def test_scores_are_those_of_both_picks_without_gradient() -> None:
    seen = batch(rows=5, layers=small_layers(5))
    sampler = made()
    scores = sampler.score(seen)
    assert scores.shape == (5, 5, 4)
    assert not scores.requires_grad
    assert torch.equal(scores[..., :2], seen.layer_scores)
    choice = sampler.choose(seen, sampler.pick(scores), scores)
    assert choice.positives is not None
    own = seen.the_layers.sum_layers(seen.the_layers.rows(seen.candidates) * choice.positives.unsqueeze(1))
    assert torch.allclose(scores[..., 2:], own, atol=1e-5)


def test_the_history_is_the_users_own() -> None:
    seen = batch(rows=200, layers=small_layers(200))
    made(stabcf_history=6).score(seen)
    assert seen.scratch["history"].shape == (200, 6)
    assert set(seen.scratch["history"].unique().tolist()) == {1, 2, 4}


def test_without_history_the_positive_stays() -> None:
    seen = batch(rows=4, layers=small_layers(4))
    positives = chosen(made(stabcf_history=0), seen).positives
    assert positives is not None
    assert torch.allclose(positives, seen.the_layers.rows(seen.positives), atol=1e-6)


def test_the_two_ends_of_alpha() -> None:
    seen = batch(rows=4, layers=small_layers(4))
    much, none = chosen(made(stabcf_alpha=1e20), seen), chosen(made(stabcf_alpha=0), seen)
    real = seen.the_layers.rows(seen.positives)
    assert much.positives is not None
    assert much.negatives is not None
    assert none.positives is not None
    assert torch.allclose(much.positives, real, atol=1e-5)
    assert torch.allclose(much.negatives[:, 0], real, atol=1e-5)
    assert not torch.allclose(none.positives, real, atol=1e-2)
    assert none.positives.isfinite().all()


def test_large_scores_do_not_overflow() -> None:
    """e^400 is no float."""
    layers = small_layers(4)
    big = BatchLayers(layers.queries * 400, layers.items, layers.sizes, layers.users, mean_pooled=True)
    choice = chosen(made(), batch(rows=4, layers=big))
    assert choice.positives is not None
    assert choice.negatives is not None
    total = choice.positives.sum() + choice.negatives.sum()
    assert torch.autograd.grad(total, layers.items)[0].isfinite().all()


def test_a_batch_of_one_and_the_same_seed() -> None:
    runs = [chosen(made(), batch(layers=small_layers(1), candidates=torch.tensor([[3, 5, 6]]))) for _ in range(2)]
    assert runs[0].positives is not None
    assert runs[1].positives is not None
    assert torch.equal(runs[0].positives, runs[1].positives)
    assert torch.equal(runs[0].ids, runs[1].ids)
    assert runs[0].negatives is not None
    assert runs[0].negatives.shape == (1, 1, 8)


def test_the_order_of_candidates_does_not_matter() -> None:
    ids, layers = torch.tensor([[3, 5, 6]] * 8), small_layers(8)
    first, second = (chosen(made(), batch(layers=layers, candidates=ids[:, order])) for order in ([0, 1, 2], [2, 0, 1]))
    assert torch.equal(first.ids, second.ids)
    assert first.negatives is not None
    assert second.negatives is not None
    assert torch.allclose(first.negatives, second.negatives, atol=1e-6)


def test_the_first_pick_is_that_of_mixgcf_and_the_tree_view_sees_both() -> None:
    seen, hops = batch(rows=9, layers=small_layers(9)), MixGCF()
    hops.setup(context())
    picked = hops.pick(hops.score(seen))
    assert torch.equal(chosen(made(), seen).ids[:, 0], seen.candidates.gather(1, picked[:, 0]))
    plain_view, strong = TreeView(StabCF()), TreeView(StabCF())
    plain_view.setup(context(pairs=PAIRS, alpha_co=0, alpha_se=0))
    strong.setup(context(pairs=PAIRS, alpha_co=50, alpha_se=0))
    same = batch(rows=9, layers=small_layers(9))
    assert torch.equal(plain_view.pick(plain_view.score(same))[:, 0, :2], picked[:, 0])
    ids = torch.tensor([[6, 2, 5]])  # item 2 shares a structural leaf with positive 1
    near = batch(layers=small_layers(1), candidates=ids, positives=torch.tensor([1]))
    assert strong.pick(strong.score(near)).tolist() == [[[1, 1, 1, 1]]]
