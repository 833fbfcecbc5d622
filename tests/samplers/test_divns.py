"""DivNS: caches of runners-up, and negatives mixed with items of a diverse set."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy import sparse
from small import PAIRS, batch, chosen, context, small_layers
from torch import Tensor

from recbole_dtlns.samplers.batch import Batch, EpochView
from recbole_dtlns.samplers.methods.divns import DivNS
from recbole_dtlns.samplers.methods.dns import DNS
from recbole_dtlns.samplers.parts.layers import BatchLayers
from recbole_dtlns.samplers.parts.rings import ItemRings
from recbole_dtlns.samplers.parts.tree_view import TreeView

WIDE = sparse.csr_matrix((np.ones(9), ([1, 1, 1, 2, 2, 2, 2, 3, 3], [1, 5, 9, 2, 7, 11, 12, 3, 20])), shape=(4, 40))
USERS = torch.tensor([1, 1, 1, 2, 2, 2, 2, 3, 3])
POSITIVES = torch.tensor([1, 5, 9, 2, 7, 11, 12, 3, 20])


class Items:
    """A model of which only the item layers are asked."""

    def __init__(self, table: Tensor) -> None:
        self.table = table

    def everyone(self) -> BatchLayers:
        return BatchLayers(torch.zeros_like(self.table), self.table, (self.table.shape[1],), lambda: self.table)


def made(pairs: sparse.csr_matrix = PAIRS, seed: int = 0, **options: float) -> DivNS:
    sampler = DivNS()
    sampler.setup(context(seed, pairs, **options))
    return sampler


def drawn_batch(sampler: DivNS, seed: int) -> Batch:
    layers = small_layers(len(USERS), n_items=40, seed=seed)
    return Batch(USERS, POSITIVES, sampler.propose(USERS, 8), 0, sampler.context.generator, layers=layers)


def end(sampler: DivNS, seed: int) -> None:
    table = torch.randn(40, 8, generator=torch.Generator().manual_seed(seed))
    sampler.epoch_end(EpochView(0, Items(table), sampler.context.generator))


def test_the_first_epoch_is_dns() -> None:
    seen = batch(rows=50)
    dns = DNS()
    dns.setup(context())
    choice = chosen(made(), seen)
    picked = dns.pick(dns.score(seen))
    assert torch.equal(choice.ids, seen.candidates.gather(1, picked))
    assert choice.negatives is not None
    assert torch.equal(choice.negatives, seen.the_layers.rows(choice.ids))


def test_runners_up_are_cached_best_last_and_the_pick_is_not() -> None:
    """User 1 has one training item: room for 4 runners-up and one hard negative. Items stand for their scores."""
    sampler = made(divns_keep=3)
    layers = small_layers(2, sizes=(1,), mean_pooled=False)
    layers = dataclasses.replace(layers, queries=torch.ones(2, 1), item_tables=torch.arange(7.0).unsqueeze(1))
    seen = batch(candidates=torch.tensor([[2, 6, 4, 3, 6], [5, 3, 2, 4, 6]]), layers=layers)
    assert chosen(sampler, seen).ids.tolist() == [[6], [6]]
    # row 0: 6 is picked, its repeat is no runner-up, so 3, 4; row 1: 3, 4, 5; the oldest of the five gives way
    assert sorted(sampler.cache.rows(torch.tensor([1]))[0].tolist()) == [3, 4, 4, 5]
    assert sampler.hard.rows(torch.tensor([1, 2])).tolist() == [[6], [0]]


def test_the_negative_is_mixed_with_a_diverse_item_of_the_user() -> None:
    sampler = made(WIDE, divns_lambda=0.6)
    for seed in range(3):
        chosen(sampler, drawn_batch(sampler, seed))
    end(sampler, 0)
    diverse = [set(row) - {0} for row in sampler.diverse.rows(torch.arange(4)).tolist()]
    assert [len(row) for row in diverse] == [0, 3, 4, 2]  # as many as training items
    met: set[tuple[int, int]] = set()
    for seed in range(20):
        seen = drawn_batch(sampler, seed)
        choice = chosen(sampler, seen)
        assert choice.negatives is not None
        hard = seen.the_layers.rows(choice.ids)
        for row, user in enumerate(USERS.tolist()):
            fits = [
                item
                for item in diverse[user]
                if torch.allclose(
                    choice.negatives[row, 0], 0.6 * hard[row, 0] + 0.4 * seen.the_layers.items[item], atol=1e-6
                )
            ]
            assert len(fits) == 1
            met.add((user, fits[0]))
    assert met == {(user, item) for user in range(4) for item in diverse[user]}


def test_diverse_items_come_from_the_cache_and_differ_from_the_hard_negatives() -> None:
    sampler = made(WIDE)
    users = torch.ones(5, dtype=torch.long)
    sampler.cache.push(users, torch.tensor([21, 22, 23, 24, 25]))
    sampler.hard.push(users[:1], torch.tensor([30]))
    table = torch.eye(40, 8)
    table[21], table[22], table[30] = table[1], table[2], table[1] * 5  # 21 points where the hard negative does
    table[23], table[24], table[25] = table[2], table[4] * 0.01, table[0]  # 22 and 23 are alike; lengths do not count
    sampler.cache.push(users[:1] + 1, users[:1])  # another user, with more hard negatives: padding is no item
    sampler.hard.push(users[:3] + 1, torch.tensor([31, 32, 33]))
    sampler.epoch_end(EpochView(0, Items(table), sampler.context.generator))
    diverse = set(sampler.diverse.rows(torch.tensor([1]))[0].tolist())
    assert diverse in ({22, 24, 25}, {23, 24, 25})
    assert (table[0] == torch.eye(40, 8)[0]).all()  # the model's table is left alone


def test_diverse_items_of_an_earlier_epoch_are_forgotten() -> None:
    sampler = made(WIDE)
    for items in ([21, 22, 23], [24] * 12):  # user 1 has room for 12
        sampler.cache.push(torch.ones(len(items), dtype=torch.long), torch.tensor(items))
        end(sampler, 0)
    assert sampler.diverse.rows(torch.tensor([1])).tolist() == [[24]]


def test_caps_on_hard_negatives_and_diverse_items() -> None:
    sampler = made(WIDE, divns_hard=2, divns_diverse=1)
    users = torch.ones(3, dtype=torch.long)
    sampler.cache.push(users[:2], torch.tensor([21, 22]))
    sampler.hard.push(users, torch.tensor([31, 30, 30]))
    assert sampler.hard.rows(users[:1]).tolist() == [[30, 30]]
    table = torch.eye(40, 40)
    table[21] = table[30]
    sampler.epoch_end(EpochView(0, Items(table), sampler.context.generator))
    assert sampler.diverse.rows(users[:1]).tolist() == [[22]]  # the one that is chosen first


def test_gradients_reach_both_items() -> None:
    sampler = made(WIDE)
    chosen(sampler, drawn_batch(sampler, 0))
    end(sampler, 0)
    seen = drawn_batch(sampler, 1)
    choice = chosen(sampler, seen)
    assert choice.negatives is not None
    choice.negatives.sum().backward()
    touched = seen.the_layers.items.grad.abs().sum(1).nonzero().reshape(-1)
    assert len(touched) > len(choice.ids.unique())


def test_a_restored_sampler_goes_on_alike() -> None:
    sampler, other = made(WIDE), made(WIDE, seed=9)
    for seed in range(2):
        chosen(sampler, drawn_batch(sampler, seed))
        end(sampler, seed)
    other.load_state_dict(sampler.state_dict())
    for name in ("cache", "hard", "diverse"):
        rows = (getattr(each, name).rows(torch.arange(4)) for each in (sampler, other))
        assert torch.equal(*rows), name
    other.context.generator.set_state(sampler.context.generator.get_state())
    for seed in range(2, 5):
        first, second = chosen(sampler, drawn_batch(sampler, seed)), chosen(other, drawn_batch(other, seed))
        assert torch.equal(first.ids, second.ids)
        assert torch.equal(first.negatives, second.negatives)
        end(sampler, seed)
        end(other, seed)


def test_the_order_of_candidates_matters_neither_to_the_pick_nor_to_the_cache() -> None:
    sampler, other = made(WIDE), made(WIDE)
    seen = drawn_batch(sampler, 0)
    mixed = dataclasses.replace(seen, candidates=seen.candidates[:, torch.randperm(8)])
    assert torch.equal(chosen(sampler, seen).ids, chosen(other, mixed).ids)
    everyone = torch.arange(4)
    assert torch.equal(sampler.cache.rows(everyone), other.cache.rows(everyone))


def test_a_tree_view_without_weight_is_the_base() -> None:
    seen = batch(rows=30)
    tree = TreeView(DivNS())
    tree.setup(context(alpha_co=0, alpha_se=0))
    scores = tree.score(seen)
    assert torch.equal(tree.choose(seen, tree.pick(scores), scores).ids, chosen(made(), batch(rows=30)).ids)


@pytest.mark.parametrize("budget", [1, 1 << 22])
def test_blocks_hold_every_user_with_a_cache_once(budget: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recbole_dtlns.samplers.methods.divns._NUMBERS", budget)
    sampler = made(WIDE)
    chosen(sampler, drawn_batch(sampler, 0))
    blocks = list(sampler._blocks(8))
    assert sorted(torch.cat(blocks).tolist()) == [1, 2, 3]
    assert len(blocks) == (3 if budget == 1 else 1)


def test_a_single_candidate_leaves_nothing_to_cache() -> None:
    sampler = made()
    seen = batch(rows=1, n=1)
    assert chosen(sampler, seen).ids.tolist() == seen.candidates.tolist()
    sampler.epoch_end(EpochView(0, Items(torch.ones(7, 8)), sampler.context.generator))
    assert sampler.cache.counts.tolist() == sampler.diverse.counts.tolist() == [0, 0, 0]


def test_rings_keep_the_latest_of_each_user() -> None:
    rings = ItemRings(torch.tensor([0, 2, 3]))
    rings.push(torch.tensor([2, 1, 2, 0, 1, 1]), torch.tensor([5, 6, 7, 8, 9, 4]))
    assert rings.counts.tolist() == [0, 2, 2]
    assert [sorted(row) for row in rings.rows(torch.tensor([1, 2, 0])).tolist()] == [[4, 9], [5, 7], [0, 0]]
    rings.push(torch.tensor([2, 2]), torch.tensor([1, 2]))
    assert sorted(rings.rows(torch.tensor([2]))[0].tolist()) == [1, 2, 7]
    drawn = rings.draw(torch.tensor([2] * 300 + [0]), torch.Generator().manual_seed(0))
    assert set(drawn[:300].tolist()) == {1, 2, 7}
    assert drawn[300] == 0
