"""DENS: picks by gated parts of the layers, and the loss that trains the gates."""

import math

import pytest
import torch
from small import batch, chosen, context, small_layers
from torch import Tensor

from recbole_dtlns.errors import UserError
from recbole_dtlns.samplers.batch import Batch
from recbole_dtlns.samplers.methods.dens import DENS
from recbole_dtlns.samplers.parts.tree_view import TreeView

H, C = 2, 4


def made(seed: int = 0, **options: float) -> DENS:
    sampler = DENS()
    sampler.setup(context(seed, **options))
    return sampler


def parts(sampler: DENS, user: Tensor, positive: Tensor, negative: Tensor) -> tuple[Tensor, Tensor]:
    """Relevant parts of one positive and one negative, one layer [C] each."""
    w = dict(sampler.modules().named_parameters())

    def apply(name: str, column: Tensor) -> Tensor:
        return w[f"{name}.weight"] @ column + w[f"{name}.bias"]

    relevant = torch.sigmoid(apply("item", positive) + apply("user", user)) * positive
    return relevant, torch.sigmoid(apply("negative", negative) + apply("positive", relevant)) * negative


def layer(rows: Tensor, number: int) -> Tensor:
    return rows[number * C : (number + 1) * C]


@torch.no_grad()
def plain_scores(sampler: DENS, seen: Batch, share: float) -> list[list[list[float]]]:
    users, items = seen.the_layers.users(), seen.the_layers.items
    return [
        [
            [
                float(
                    layer(users[row], h)
                    @ (
                        (1 - share) * layer(items[candidate], h)
                        - parts(sampler, layer(users[row], h), layer(items[positive], h), layer(items[candidate], h))[1]
                    )
                )
                for h in range(H)
            ]
            for candidate in candidates
        ]
        for row, (positive, candidates) in enumerate(
            zip(seen.positives.tolist(), seen.candidates.tolist(), strict=True)
        )
    ]


def plain_loss(sampler: DENS, seen: Batch, ids: Tensor, mean_pooled: bool, gamma: float) -> Tensor:
    """The loss of the gates with the same picks, pair by pair; ids [R, H]."""
    users, items = seen.the_layers.users(), seen.the_layers.items
    total = torch.zeros(())
    for row, positive in enumerate(seen.positives.tolist()):
        user = [layer(users[row], h) for h in range(H)]
        p = [layer(items[positive], h) for h in range(H)]
        n = [layer(items[ids[row, h]], h) for h in range(H)]
        split = [parts(sampler, *triple) for triple in zip(user, p, n, strict=True)]
        p_r, n_r = [pair[0] for pair in split], [pair[1] for pair in split]
        p_ir, n_ir = [a - b for a, b in zip(p, p_r, strict=True)], [a - b for a, b in zip(n, n_r, strict=True)]

        def score(columns: list[Tensor], user: list[Tensor] = user) -> Tensor:
            if mean_pooled:
                return (sum(user) / H) @ (sum(columns) / H)
            return sum((a @ b for a, b in zip(user, columns, strict=True)), torch.zeros(()))

        for high, low in ((p_ir, p_r), (n_r, n_ir), (n_r, p_r), (p_ir, n_ir)):
            total = total + torch.log(1 + torch.exp(score(high) - score(low)))
    return gamma / 4 * total / len(seen.positives)


def test_one_column_by_hand() -> None:
    """User 2, positive 1, candidates 3 and -1, all gates half open: p_r = 0.5, n_r = n / 2."""
    sampler = DENS()
    sampler.setup(context(sizes=(1,), dens_gamma=0.4))
    for parameter in sampler.modules().parameters():
        torch.nn.init.zeros_(parameter)
    layers = small_layers(1, (1,), mean_pooled=False, n_items=4)
    with torch.no_grad():
        layers.items.copy_(torch.tensor([[0.0], [1], [3], [-1]]))
        layers.queries.fill_(2)
    seen = batch(layers=layers, candidates=torch.tensor([[2, 3]]), positives=torch.tensor([1]))
    assert sampler.score(seen)[0, :, 0].tolist() == pytest.approx([3, -1])  # 2 (n - n / 2)
    choice = chosen(sampler, seen)
    assert choice.ids.tolist() == [[[2]]]
    gaps = (1 - 1, 3 - 3, 3 - 1, 1 - 3)
    assert choice.aux_loss is not None
    assert choice.aux_loss.item() == pytest.approx(0.1 * sum(math.log(1 + math.exp(gap)) for gap in gaps))
    late = batch(layers=layers, candidates=torch.tensor([[2, 3]]), positives=torch.tensor([1]), epoch=100)
    assert sampler.score(late)[0, :, 0].tolist() == pytest.approx([-3, 1])  # only -n_r is left


@pytest.mark.parametrize("mean_pooled", [True, False])
@pytest.mark.parametrize(("epoch", "warmup", "share"), [(0, 100, 0), (25, 100, 0.25), (300, 100, 1), (0, 0, 1)])
@pytest.mark.parametrize("n_items", [7, 60])  # fewer and more than the 35 candidates
def test_scores_are_those_of_a_plain_loop(
    mean_pooled: bool, n_items: int, epoch: int, warmup: int, share: float
) -> None:
    sampler = made(dens_warmup=warmup)
    seen = batch(rows=7, layers=small_layers(7, mean_pooled=mean_pooled, n_items=n_items), epoch=epoch)
    assert torch.allclose(sampler.score(seen), torch.tensor(plain_scores(sampler, seen, share)), atol=1e-5)


def test_half_precision_rounds_the_gates_alone() -> None:
    sampler = made(dens_warmup=0)
    seen = batch(rows=7, layers=small_layers(7))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        halved = sampler.score(seen)
    assert halved.dtype == torch.float32
    exact = sampler.score(seen)
    assert 0 < (halved - exact).abs().max() < 0.01


@pytest.mark.parametrize("mean_pooled", [True, False])
def test_the_loss_and_its_gradients_are_those_of_a_plain_loop(mean_pooled: bool) -> None:
    sampler = made(dens_gamma=0.7)
    layers = small_layers(6, mean_pooled=mean_pooled)
    seen = batch(rows=6, layers=layers)
    choice = chosen(sampler, seen)
    plain = plain_loss(sampler, seen, choice.ids[:, 0], mean_pooled, 0.7)
    assert choice.aux_loss is not None
    assert torch.allclose(choice.aux_loss.mean(), plain, atol=1e-6)
    leaves = [layers.items, layers.users(), *sampler.modules().parameters()]
    gradients = torch.autograd.grad(choice.aux_loss.mean(), leaves, retain_graph=True)
    for gradient, expected in zip(gradients, torch.autograd.grad(plain, leaves), strict=True):
        assert gradient.abs().sum() > 0  # embeddings and every gate learn
        assert torch.allclose(gradient, expected, atol=1e-6)


def test_the_picked_items_are_the_negative_and_selection_leaves_no_graph() -> None:
    sampler = made()
    seen = batch(rows=9, layers=small_layers(9))
    scores = sampler.score(seen)
    assert not scores.requires_grad
    choice = chosen(sampler, seen)
    assert torch.equal(choice.ids[:, 0], seen.candidates.gather(1, scores.argmax(1)))
    assert choice.negatives is None
    assert choice.positives is None


def test_blocks_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    sampler, seen = made(), batch(rows=9, layers=small_layers(9))
    whole = sampler.score(seen)
    monkeypatch.setattr("recbole_dtlns.samplers.parts.gates._NUMBERS", 5 * H * C * 2)  # two rows at once
    assert torch.allclose(sampler.score(seen), whole, atol=1e-6)


def test_a_row_is_chosen_alike_alone_and_in_a_batch() -> None:
    sampler = made()
    layers = small_layers(1, mean_pooled=False)
    wide = small_layers(3, mean_pooled=False)
    alone = batch(layers=layers, candidates=torch.tensor([[3, 4, 5]]), positives=torch.tensor([1]))
    with torch.no_grad():
        wide.users()[:] = layers.users()
        wide.items[:] = layers.items
    several = batch(layers=wide, candidates=torch.tensor([[3, 4, 5]] * 3), positives=torch.tensor([1] * 3))
    single, three = chosen(sampler, alone), chosen(sampler, several)
    assert torch.equal(single.ids.expand(3, 1, H), three.ids)
    assert single.aux_loss is not None
    assert three.aux_loss is not None
    assert torch.allclose(single.aux_loss, three.aux_loss, atol=1e-6)


def test_the_order_of_candidates_does_not_matter() -> None:
    sampler, order = made(), torch.tensor([2, 0, 3, 1])
    ids = torch.tensor([[3, 4, 5, 6]] * 8)
    layers = small_layers(8)
    first = chosen(sampler, batch(layers=layers, candidates=ids))
    second = chosen(sampler, batch(layers=layers, candidates=ids[:, order]))
    assert torch.equal(first.ids, second.ids)


def test_gates_start_from_the_generator_alone_and_survive_a_restart() -> None:
    before = torch.get_rng_state()
    first, same, second = made(1), made(1), made(2)
    assert torch.equal(torch.get_rng_state(), before)
    seen = batch(rows=9, layers=small_layers(9))
    assert torch.equal(first.score(seen), same.score(seen))
    assert not torch.allclose(first.score(seen), second.score(seen))
    second.modules().load_state_dict(first.modules().state_dict())
    assert torch.equal(first.score(seen), second.score(seen))
    for parameter in first.modules().parameters():
        assert 0 < parameter.abs().max() <= C**-0.5


def test_a_tree_view_without_weight_picks_what_it_picks_alone() -> None:
    seen, viewed = batch(rows=9, layers=small_layers(9)), TreeView(DENS())
    viewed.setup(context(alpha_co=0, alpha_se=0))
    assert torch.equal(chosen(viewed, seen).ids, chosen(made(), seen).ids)


@pytest.mark.parametrize("sizes", [(4, 8), None])
def test_layers_of_several_widths_are_refused(sizes: tuple[int, ...] | None) -> None:
    with pytest.raises(UserError, match=r"neg_sampler=dens.*hidden_size_list"):
        DENS().setup(context(sizes=sizes))
