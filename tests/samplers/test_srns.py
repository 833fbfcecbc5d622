"""SRNS: a memory of items, its renewal, and scores that vary over the epochs."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import sparse, stats
from small import PAIRS, context, small_layers
from torch import Tensor

from recbole_dtlns.samplers.batch import Batch, EpochView
from recbole_dtlns.samplers.methods.srns import SRNS, repeats
from recbole_dtlns.samplers.parts.layers import BatchLayers
from recbole_dtlns.samplers.parts.proposal import FreeItems
from recbole_dtlns.samplers.parts.snapshots import Snapshots
from recbole_dtlns.samplers.parts.tree_view import TreeView

WIDE = sparse.csr_matrix((np.ones(8), ([1, 1, 1, 2, 2, 3, 3, 3], [1, 5, 9, 2, 7, 3, 20, 35])), shape=(4, 40))


class Table:
    """A model that is a table of scores, [U, I]."""

    def __init__(self, scores: Tensor) -> None:
        self.table = scores

    def everyone(self) -> BatchLayers:
        n_items = self.table.shape[1]
        return BatchLayers(self.table, torch.eye(n_items), (n_items,), lambda: self.table)


def made(pairs: sparse.csr_matrix = PAIRS, seed: int = 0, **options: float) -> SRNS:
    sampler = SRNS()
    start = {"neg_candidates": 2, "srns_extra": 1}
    sampler.setup(context(seed, pairs, None, **{**start, **options}))
    return sampler


def seen(sampler: SRNS, users: Tensor, positives: Tensor, scores: Tensor, epoch: int = 25, **more: Tensor) -> Batch:
    """A view of the id path over a table of scores [U, I]."""
    candidates = more.get("candidates")
    if candidates is None:
        candidates = sampler.propose(users, 2)
    generator = sampler.context.generator
    return Batch(*(users, positives, candidates, epoch, generator), predict=lambda ids: scores[users.unsqueeze(1), ids])


def end(sampler: SRNS, number: int, scores: Tensor) -> None:
    sampler.epoch_end(EpochView(number, Table(scores), sampler.context.generator))


def chosen(sampler: SRNS, batch: Batch) -> Tensor:
    scores = sampler.score(batch)
    return sampler.choose(batch, sampler.pick(scores), scores).ids


def by_hand(positive: int = 1) -> tuple[SRNS, Batch]:
    """User 1 holds items 3 and 5; after two epochs item 3 has gone from 0 to 2, and is 0 now, where item 5 is at 1."""
    sampler = made()
    sampler.memory[1] = torch.tensor([3, 5])
    scores = torch.zeros(3, 7)
    end(sampler, 0, scores)
    scores[1, 3] = 2
    end(sampler, 1, scores)
    now = torch.tensor([[0.0] * 7, [0, 0, 0, 0, 9, 1, 0], [0.0] * 7])
    users = torch.tensor([1])
    return sampler, seen(sampler, users, torch.tensor([positive]), now, candidates=torch.tensor([[3, 5, 4]]))


def test_by_hand() -> None:
    """P + 5 * 25/50 * std, std being that of sigmoid(0) and sigmoid(2); item 4 is not in the memory."""
    sampler, batch = by_hand()
    high = 1 / (1 + np.exp(-2))
    expected = [0.5 + 2.5 * (high - 0.5) / 2, 1 / (1 + np.exp(-1)), -np.inf]
    assert sampler.score(batch)[0].tolist() == pytest.approx(expected, abs=1e-6)
    assert chosen(sampler, batch).tolist() == [[3]]


def test_the_weight_of_the_deviation_grows_from_zero() -> None:
    sampler, batch = by_hand()
    early = Batch(batch.users, batch.positives, batch.candidates, 0, batch.generator, predict=batch.predict)
    late = Batch(batch.users, batch.positives, batch.candidates, 400, batch.generator, predict=batch.predict)
    assert sampler.pick(sampler.score(early)).tolist() == [[1]]
    assert sampler.score(late)[0, 0].item() == pytest.approx(0.5 + 5 * (1 / (1 + np.exp(-2)) - 0.5) / 2, abs=1e-6)


def test_models_without_tables_have_no_deviation() -> None:
    sampler, batch = by_hand()
    alone = made()
    alone.memory.copy_(sampler.memory)
    no_tables = SimpleNamespace(everyone=lambda: None)
    for number in range(3):
        alone.epoch_end(EpochView(number, no_tables, alone.context.generator))
    assert alone.score(batch)[0, :2].tolist() == pytest.approx([0.5, 1 / (1 + np.exp(-1))])


def test_snapshots_are_copies_of_the_models_scores() -> None:
    for mean_pooled in (True, False):
        past, layers = Snapshots(), [small_layers(5, mean_pooled=mean_pooled, seed=seed).detach() for seed in range(3)]
        users, positives = torch.tensor([4, 1]), torch.tensor([2, 6])
        items = torch.tensor([[1, 3, 5], [2, 2, 4]])
        chances = []
        for snapshot in layers:
            past.add(snapshot)
            rows = (snapshot.queries[users].unsqueeze(1) * snapshot.items[items]).sum(-1)
            own = (snapshot.queries[users] * snapshot.items[positives]).sum(-1, keepdim=True)
            chances.append(torch.sigmoid(rows - own))
            snapshot.items.zero_()  # what the model does later must not matter
        expected = torch.stack(chances).std(0, correction=0)
        assert torch.allclose(past.spread(users, items, positives), expected, atol=1e-6)


def test_one_snapshot_is_no_deviation_and_six_are_five() -> None:
    sampler = made()
    users, positives = torch.tensor([1]), torch.tensor([1])
    items = sampler.memory[users]
    values = [3.0, -1.0, 0.5, 2.0, 0.0, 1.0]
    for number, value in enumerate(values):
        scores = torch.zeros(3, 7)
        scores[1, 2:] = value
        end(sampler, number, scores)
        spread = sampler.past.spread(users, items, positives)
        last = torch.sigmoid(torch.tensor(values[max(0, number - 4) : number + 1]))
        assert torch.allclose(spread, last.std(correction=0).expand(1, 2), atol=1e-6)


def test_the_deviation_is_that_of_the_difference_to_the_positive() -> None:
    sampler = made()
    for number in range(3):
        end(sampler, number, torch.full((3, 7), float(number)))
    assert sampler.past.spread(torch.tensor([1]), sampler.memory[1:2], torch.tensor([1])).tolist() == [[0, 0]]


def test_the_memory_is_renewed_in_proportion_to_exp_of_score_by_temperature() -> None:
    n_users = 6001
    pairs = sparse.csr_matrix((np.ones(n_users - 1), (np.arange(1, n_users), np.ones(n_users - 1, int))), (n_users, 7))
    sampler = made(pairs, neg_candidates=1, srns_extra=2, srns_tau=2.0)
    users = torch.arange(1, n_users)
    scores = torch.tensor([0, 0, 0, 0, 1.0, 3.0, 9]).expand(n_users, -1)
    candidates = torch.tensor([[3, 4, 5]]).expand(len(users), -1)
    batch = seen(sampler, users, torch.ones_like(users), scores, candidates=candidates)
    sampler.choose(batch, torch.zeros(len(users), 1, dtype=torch.long), torch.zeros(len(users), 3))
    observed = torch.bincount(sampler.memory[1:].reshape(-1), minlength=7)[3:6].numpy()
    expected = np.exp([0, 0.5, 1.5])
    assert stats.chisquare(observed, expected / expected.sum() * len(users)).pvalue > 1e-3


def test_the_memory_holds_free_items_once_and_moves_only_for_users_of_the_batch() -> None:
    sampler = made(WIDE, neg_candidates=5, srns_extra=20)
    scores = torch.randn(4, 40, generator=torch.Generator().manual_seed(3))
    before = sampler.memory.clone()
    users, positives = torch.tensor([1, 3, 1, 1, 3]), torch.tensor([1, 3, 5, 9, 20])
    for _ in range(20):
        batch = seen(sampler, users, positives, scores)
        assert batch.candidates.shape == (5, 25)
        assert not torch.as_tensor(WIDE.toarray())[users.unsqueeze(1), batch.candidates].any()
        ids = chosen(sampler, batch)
        assert (ids == batch.candidates[:, :5]).any(1).all()  # only the memory is picked from
        for user in (1, 3):
            row = int((users == user).nonzero()[0])
            assert set(sampler.memory[user].tolist()) <= set(batch.candidates[row].tolist())
    assert not repeats(sampler.memory[[1, 3]]).any()
    assert torch.equal(sampler.memory[2], before[2])
    assert not torch.equal(sampler.memory[[1, 3]], before[[1, 3]])


def test_scores_are_taken_from_the_positives() -> None:
    sampler, batch = by_hand()
    table = torch.tensor([0, 2, 0, 0, 9, 1.0, 0]).expand(3, -1)
    early = seen(sampler, batch.users, batch.positives, table, epoch=0, candidates=batch.candidates)
    expected = [1 / (1 + np.exp(2)), 1 / (1 + np.exp(1)), -np.inf]
    assert sampler.score(early)[0].tolist() == pytest.approx(expected, abs=1e-6)


def test_neither_a_repeat_nor_a_new_inferred_positive_enters_the_memory() -> None:
    sampler = made(judge_refresh=1)
    users, positives = torch.tensor([1]), torch.tensor([1])
    scores = torch.tensor([0, 0, 0, 90, 0, 0, 0.0]).expand(3, -1)
    chosen(sampler, seen(sampler, users, positives, scores, 0, candidates=torch.tensor([[3, 3, 5]])))
    assert set(sampler.memory[1].tolist()) == {3, 5}
    uniform = sampler.context.uniform
    assert isinstance(uniform, FreeItems)
    uniform.exclude(sparse.csr_matrix(([1, 1, 1], ([1, 1, 2], [1, 3, 2])), shape=(3, 7)))
    sampler._renew(seen(sampler, users, positives, scores, 0, candidates=torch.tensor([[3, 5, 4]])))
    assert set(sampler.memory[1].tolist()) == {4, 5}


def test_candidates_are_the_memory_then_further_items_that_the_rows_of_a_user_share() -> None:
    sampler = made(WIDE, neg_candidates=4, srns_extra=30)
    users = torch.tensor([1, 3, 1, 2, 3])
    candidates = sampler.propose(users, 2)
    assert torch.equal(candidates[:, :4], sampler.memory[users])
    assert torch.equal(candidates[0], candidates[2])
    assert torch.equal(candidates[1], candidates[4])
    assert not torch.equal(sampler.propose(users, 2)[:, 4:], candidates[:, 4:])


@pytest.mark.parametrize("refresh", [{}, {"judge_refresh": 1}])
def test_the_memory_of_a_user_is_renewed_by_its_own_first_row(refresh: dict[str, float]) -> None:
    """Users in no order, one of them twice: each keeps the item that is best in its row, not in another's."""
    sampler = made(WIDE, neg_candidates=1, srns_extra=2, srns_tau=1.0, **refresh)
    users, positives = torch.tensor([3, 1, 3, 2]), torch.tensor([3, 1, 20, 2])
    candidates = torch.tensor([[10, 11, 12], [13, 14, 15], [16, 17, 18], [21, 22, 23]])
    best, second = {3: 11, 1: 15, 2: 21}, {3: 12, 1: 13, 2: 22}
    scores = torch.zeros(4, 40)
    for user in best:
        scores[user, [best[user], second[user]]] = torch.tensor([900.0, 500.0])
    barred = WIDE.tolil()
    if refresh:
        barred[1, best[1]] = barred[1, best[2]] = barred[3, best[2]] = 1  # user 2 may keep its best
        sampler.context.uniform.exclude(barred.tocsr())  # type: ignore[attr-defined]
        best[1] = second[1]
    batch = seen(sampler, users, positives, scores, candidates=candidates)
    sampler.choose(batch, torch.zeros(4, 1, dtype=torch.long), torch.zeros(4, 3))
    assert sampler.memory[1:, 0].tolist() == [best[user] for user in (1, 2, 3)]


def test_a_restored_sampler_goes_on_alike() -> None:
    options = {"neg_candidates": 4, "srns_extra": 3}
    generator, users, positives = torch.Generator().manual_seed(2), torch.tensor([1, 2, 3]), torch.tensor([1, 7, 20])

    def run(sampler: SRNS, tables: Tensor, first: int) -> list[Tensor]:
        choices = []
        for number, scores in enumerate(tables, first):
            choices.append(chosen(sampler, seen(sampler, users, positives, scores, number)))
            end(sampler, number, scores)
        return choices

    tables = torch.randn(14, 4, 40, generator=generator)
    sampler, other = made(WIDE, **options), made(WIDE, seed=9, **options)
    run(sampler, tables[:7], 0)
    other.load_state_dict(sampler.state_dict())
    other.context.generator.set_state(sampler.context.generator.get_state())
    both = run(sampler, tables[7:], 7), run(other, tables[7:], 7)
    assert all(torch.equal(*pair) for pair in zip(*both, strict=True))
    assert torch.equal(sampler.memory, other.memory)


def test_the_tree_view_normalises_the_memory_alone_and_never_picks_another_item() -> None:
    sampler = made()
    scores = torch.tensor([[0.5, 1.5, 1.0, -torch.inf]])
    bonus = sampler.bonus(scores, torch.tensor([[0.1, 0.0, 0.2, 9.0]]))
    assert bonus[0].tolist() == pytest.approx([0.1, 1.0, 0.7, -np.inf])
    for alphas in ({"alpha_co": 0, "alpha_se": 0}, {"alpha_co": 0, "alpha_se": 5}):
        base, batch = by_hand()
        state = base.state_dict()  # setting up begins anew
        tree = TreeView(base)
        tree.setup(context(0, PAIRS, None, neg_candidates=2, srns_extra=1, **alphas))
        base.load_state_dict(state)
        assert tree.score(batch)[0, 2] == -torch.inf
        assert tree.pick(tree.score(batch)).item() == (
            0 if alphas["alpha_se"] == 0 else 1
        )  # item 5 shares a leaf with 1


def test_a_memory_of_inferred_positives_alone_gives_way_to_another_item() -> None:
    sampler = made(judge_refresh=1)
    sampler.memory[1] = torch.tensor([3, 5])
    barred = PAIRS.tolil()
    barred[1, [3, 5]] = 1
    sampler.context.uniform.exclude(barred.tocsr())  # type: ignore[attr-defined]
    candidates = torch.tensor([[3, 5, 4]])
    batch = seen(sampler, torch.tensor([1]), torch.tensor([1]), torch.zeros(3, 7), candidates=candidates)
    assert chosen(sampler, batch).tolist() == [[4]]


def test_several_negatives_of_a_positive_are_the_best_the_second_best_and_so_on() -> None:
    sampler = made(WIDE, neg_candidates=3)
    scores = torch.arange(40.0).expand(4, -1) / 10
    sampler.memory[1] = torch.tensor([4, 30, 20])
    users, positives = torch.tensor([1, 1, 1, 1, 1]), torch.tensor([1, 5, 1, 1, 1])
    candidates = torch.tensor([[30, 4, 20, 35]]).expand(5, -1)
    ids = chosen(sampler, seen(sampler, users, positives, scores, candidates=candidates))
    assert ids[:, 0].tolist() == [30, 30, 20, 4, 4]


def test_positives_of_other_users_are_no_further_negatives_of_a_positive() -> None:
    sampler = made(WIDE, neg_candidates=3)
    scores = torch.arange(40.0).expand(4, -1) / 10
    sampler.memory[1:] = torch.tensor([4, 30, 25])
    pairs = torch.cartesian_prod(torch.arange(1, 4), torch.tensor([1, 2, 3, 5, 7, 9]))  # any two of them once
    candidates = torch.tensor([[30, 4, 25, 36]]).expand(len(pairs), -1)
    ids = chosen(sampler, seen(sampler, pairs[:, 0], pairs[:, 1], scores, candidates=candidates))
    assert ids.unique().tolist() == [30]
