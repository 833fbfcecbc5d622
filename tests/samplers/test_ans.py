"""ANS: candidates moved towards the positive, and the loss that splits hard from easy."""

import pytest
import torch
from small import batch, chosen, context, small_layers
from torch import Tensor

from recbole_dtlns.errors import UserError
from recbole_dtlns.samplers.batch import Batch
from recbole_dtlns.samplers.methods.ans import ANS
from recbole_dtlns.samplers.parts.tree_view import TreeView

H, C = 2, 4


def made(seed: int = 0, **options: float) -> ANS:
    sampler = ANS()
    sampler.setup(context(seed, **options))
    return sampler


class Pair:
    """One layer [C] of user, positive and candidate, taken apart as the method says."""

    def __init__(self, sampler: ANS, seen: Batch, row: int, item: int, h: int) -> None:
        items, part = seen.the_layers.items, slice(h * C, (h + 1) * C)
        self.user, self.negative = seen.the_layers.users()[row, part], items[item, part]
        positive = items[int(seen.positives[row]), part]
        w = dict(sampler.modules().named_parameters())
        product = (w["item.weight"] @ self.negative + w["item.bias"]) * (w["user.weight"] @ self.user + w["user.bias"])
        gate = 1 / (1 + torch.exp(-product))
        self.hard, self.positive_hard = gate * self.negative, gate * positive
        self.easy, self.positive_easy = self.negative - self.hard, positive - self.positive_hard
        x = (w["margin.weight"] @ (self.hard * self.positive_hard) + w["margin.bias"])[0]
        margin = torch.sigmoid(x / (x * x + 0.01))
        self.noise = seen.scratch["noise"][row, 0, h]
        self.moved = self.noise * margin * torch.sign(self.positive_easy - self.easy)


def plain_loss(sampler: ANS, seen: Batch, items_of: list[list[list[int]]]) -> Tensor:
    """sns + dis over items_of[row][layer], pair by pair."""
    total, rows = torch.zeros(()), len(items_of)
    for row in range(rows):
        for h in range(H):
            pairs = [Pair(sampler, seen, row, item, h) for item in items_of[row][h]]
            odds = sum(torch.exp(pair.user @ pair.easy - pair.user @ pair.hard) for pair in pairs)
            total = total + torch.log(1 + odds) / (rows * H)
            for pair in pairs:
                total = total + torch.norm(pair.hard - pair.positive_hard) / (rows * H * len(pairs))
                total = total + torch.norm(pair.positive_easy * pair.easy) / (rows * len(pairs))
    return total


def equal_gradients(gained: Tensor, plain: Tensor, leaves: list[Tensor]) -> bool:
    """Alike for each leaf, and of some size for each that the plain one depends on."""
    ours = torch.autograd.grad(gained, leaves, retain_graph=True, allow_unused=True)
    theirs = torch.autograd.grad(plain, leaves, retain_graph=True, allow_unused=True)
    return all(
        (a is None and b is None) or (a is not None and b is not None and torch.allclose(a, b, atol=1e-5, rtol=1e-4))
        for a, b in zip(ours, theirs, strict=True)
    )


@pytest.mark.parametrize("mean_pooled", [True, False])
@pytest.mark.parametrize("epsilon", [0.0, 1.5])
def test_scores_are_those_of_a_plain_loop(mean_pooled: bool, epsilon: float) -> None:
    sampler, seen = made(ans_epsilon=epsilon), batch(rows=6, layers=small_layers(6, mean_pooled=mean_pooled))
    scores = sampler.score(seen)
    assert not scores.requires_grad
    for row in range(6):
        for place, item in enumerate(seen.candidates[row].tolist()):
            for h in range(H):
                pair = Pair(sampler, seen, row, item, h)
                score = pair.user @ (pair.negative + pair.moved)
                plain = score + epsilon * (score - pair.user @ pair.negative)
                assert scores[row, place, h].item() == pytest.approx(plain.item(), abs=1e-5)


def test_the_noise_is_positive_of_the_length_asked_for_and_drawn_afresh() -> None:
    sampler, seen = made(ans_noise=0.3), batch(rows=6, layers=small_layers(6))
    sampler.score(seen)
    first = seen.scratch["noise"]
    assert torch.allclose(first.norm(dim=-1), torch.tensor(0.3))
    assert (first >= 0).all()
    sampler.score(seen)
    assert not torch.equal(first, seen.scratch["noise"])


@pytest.mark.parametrize("mean_pooled", [True, False])
def test_the_negative_is_the_picked_item_moved_and_has_the_gradients_of_a_plain_loop(mean_pooled: bool) -> None:
    sampler, layers = made(), small_layers(6, mean_pooled=mean_pooled)
    seen = batch(rows=6, layers=layers)
    scores = sampler.score(seen)
    choice = sampler.choose(seen, sampler.pick(scores), scores)
    assert torch.equal(choice.ids[:, 0], seen.candidates.gather(1, scores.argmax(1)))
    assert choice.negatives is not None
    assert choice.negatives.shape == (6, 1, H * C)
    rows = []
    for row, ids in enumerate(choice.ids[:, 0].tolist()):
        pairs = [Pair(sampler, seen, row, item, h) for h, item in enumerate(ids)]
        rows.append(torch.cat([pair.negative + pair.moved for pair in pairs]))
    plain = torch.stack(rows)
    assert torch.allclose(choice.negatives[:, 0], plain, atol=1e-6)
    leaves = [layers.items, layers.users(), *sampler.modules().parameters()]
    assert equal_gradients(choice.negatives.square().sum(), plain.square().sum(), leaves)


@pytest.mark.parametrize("everything", [True, False])
def test_the_loss_and_its_gradients_are_those_of_a_plain_loop(
    everything: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "recbole_dtlns.samplers.parts.gates._NUMBERS", 5 * H * C * 2
    )  # two rows in a block, three blocks
    sampler, layers = made(ans_gamma=0.3, ans_all_candidates=everything), small_layers(5)
    seen = batch(rows=5, layers=layers)
    choice = chosen(sampler, seen)
    if everything:
        items_of = [[ids, ids] for ids in seen.candidates.tolist()]
    else:
        items_of = [[[item] for item in ids] for ids in choice.ids[:, 0].tolist()]
    plain = 0.3 * plain_loss(sampler, seen, items_of)
    assert choice.aux_loss is not None
    assert torch.allclose(choice.aux_loss.mean(), plain, atol=1e-6)
    leaves = [layers.items, layers.users(), *sampler.modules().parameters()]
    assert equal_gradients(choice.aux_loss.mean(), plain, leaves)


def test_embeddings_and_every_gate_learn() -> None:
    sampler, layers = made(ans_gamma=0.1), small_layers(6)
    choice = chosen(sampler, batch(rows=6, layers=layers))
    assert choice.negatives is not None
    assert choice.aux_loss is not None
    total = layers.scores(choice.negatives).sum() + choice.aux_loss.sum()
    leaves = [layers.items, layers.users(), *sampler.modules().parameters()]
    assert all(gradient.abs().sum() > 0 for gradient in torch.autograd.grad(total, leaves))


def test_without_gamma_there_is_no_further_loss_and_without_noise_the_item_stays() -> None:
    seen = batch(rows=6, layers=small_layers(6))
    choice = chosen(made(ans_gamma=0, ans_noise=0), seen)
    assert choice.aux_loss is None
    assert choice.negatives is not None
    assert torch.equal(choice.negatives, seen.the_layers.composite(choice.ids))
    own = seen.the_layers.sum_layers(seen.the_layers.users().unsqueeze(1) * seen.the_layers.rows(seen.candidates))
    assert torch.equal(choice.ids[:, 0], seen.candidates.gather(1, own.argmax(1)))


def test_gradients_stay_finite_where_the_margins_denominator_and_layers_are_zero() -> None:
    sampler, layers = made(), small_layers(4)
    with torch.no_grad():
        layers.items.zero_()  # items without a neighbour have empty layers
        for parameter in sampler.modules().margin.parameters():
            parameter.zero_()
    choice = chosen(sampler, batch(rows=4, layers=layers))
    assert choice.negatives is not None
    assert choice.aux_loss is not None
    total = choice.negatives.sum() + choice.aux_loss.sum()
    leaves = [layers.items, layers.users(), *sampler.modules().parameters()]
    assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(total, leaves))


def test_the_order_of_candidates_does_not_matter() -> None:
    ids, layers = torch.tensor([[3, 4, 5, 6]] * 8), small_layers(8)
    orders = ([0, 1, 2, 3], [2, 0, 3, 1])
    first, second = (chosen(made(), batch(layers=layers, candidates=ids[:, order])) for order in orders)
    assert torch.equal(first.ids, second.ids)
    assert first.negatives is not None
    assert second.negatives is not None
    assert torch.allclose(first.negatives, second.negatives, atol=1e-6)
    assert first.aux_loss is not None
    assert second.aux_loss is not None
    assert torch.allclose(first.aux_loss, second.aux_loss, atol=1e-6)


def test_a_batch_of_one() -> None:
    choice = chosen(made(), batch(layers=small_layers(1), candidates=torch.tensor([[3]])))
    assert choice.ids.tolist() == [[[3, 3]]]
    assert choice.negatives is not None
    assert choice.negatives.shape == (1, 1, H * C)
    assert choice.aux_loss is not None
    assert choice.aux_loss.shape == (1,)


def test_gates_start_from_the_generator_alone_and_survive_a_restart() -> None:
    before = torch.get_rng_state()
    first, same, second = made(1), made(1), made(2)
    assert torch.equal(torch.get_rng_state(), before)

    def scores(sampler: ANS) -> Tensor:
        return sampler.score(batch(rows=9, layers=small_layers(9)))

    assert torch.equal(scores(first), scores(same))
    assert not torch.equal(scores(first), scores(second))
    second.modules().load_state_dict(first.modules().state_dict())
    assert torch.equal(scores(first), scores(second))


def test_a_tree_view_without_weight_picks_what_it_picks_alone() -> None:
    viewed = TreeView(ANS())
    viewed.setup(context(alpha_co=0, alpha_se=0))
    first, second = (chosen(sampler, batch(rows=9, layers=small_layers(9))) for sampler in (viewed, made()))
    assert torch.equal(first.ids, second.ids)


def test_layers_of_several_widths_are_refused() -> None:
    with pytest.raises(UserError, match=r"neg_sampler=ans.*\(4, 8\)"):
        ANS().setup(context(sizes=(4, 8)))
