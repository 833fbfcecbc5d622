"""What every sampler must do, whatever its method (SAMPLERS section 13)."""

import copy

import numpy as np
import pytest
import torch
from scipy import sparse, stats
from small import chosen, context, generator_of, small_layers

from recbole_dtlns.samplers import SAMPLERS
from recbole_dtlns.samplers.base import Sampler
from recbole_dtlns.samplers.batch import Batch, Choice, EpochView
from recbole_dtlns.samplers.parts.layers import BatchLayers
from recbole_dtlns.samplers.parts.tree_view import TreeView

NAMES = sorted(SAMPLERS)
PAIRS = sparse.csr_matrix((np.ones(6), ([1, 1, 2, 3, 4, 4], [1, 3, 2, 6, 4, 5])), shape=(5, 7))
N = 4


def made(name: str, seed: int = 0, viewed: bool = False, **options: int) -> Sampler:
    sampler = TreeView(SAMPLERS[name]()) if viewed else SAMPLERS[name]()
    sampler.setup(context(seed, PAIRS, neg_candidates=N, **options))
    return sampler


def batch(sampler: Sampler, rows: int = 40, epoch: int = 0, seed: int = 0) -> Batch:
    """Training pairs in turn, with what the sampler proposes for them."""
    users, positives = (torch.as_tensor(ids.astype(np.int64)) for ids in PAIRS.nonzero())
    order = torch.arange(rows) % len(users)
    with torch.no_grad():
        candidates = sampler.propose(users[order], N)
    layers = small_layers(rows, seed=seed)
    return Batch(users[order], positives[order], candidates, epoch, generator_of(sampler), layers=layers)


class Asked:
    """A model that answers outside of a batch."""

    def everyone(self) -> BatchLayers:
        return small_layers(5, seed=9).detach()


def epoch(sampler: Sampler, number: int) -> None:
    chosen(sampler, batch(sampler, epoch=number, seed=number))
    with torch.no_grad():
        sampler.epoch_end(EpochView(number, Asked(), generator_of(sampler)))


def same(first: Choice, second: Choice) -> bool:
    pairs = [(getattr(first, name), getattr(second, name)) for name in ("ids", "negatives", "positives", "weights")]
    return all((a is None and b is None) or torch.allclose(a, b) for a, b in pairs)


@pytest.mark.parametrize("name", NAMES)
def test_no_negative_is_a_training_positive_or_padding(name: str) -> None:
    sampler = made(name)
    for number in range(3):
        seen = batch(sampler, epoch=number)
        for ids in (seen.candidates, chosen(sampler, seen).ids.flatten(1)):
            users = seen.users.unsqueeze(1).expand_as(ids).reshape(-1).numpy()
            assert (ids > 0).all()
            assert PAIRS[users.copy(), ids.reshape(-1).numpy().copy()].sum() == 0
        epoch(sampler, number)


@pytest.mark.parametrize("name", NAMES)
def test_what_becomes_an_inferred_positive_is_never_chosen_again(name: str) -> None:
    """judge_refresh bars further pairs between two epochs; memories and caches may hold them."""
    sampler = made(name, judge_refresh=1)
    for number in range(3):
        epoch(sampler, number)
    barred = PAIRS.tolil()
    barred[1:, 1:4] = 1  # every user keeps something of items 4 to 6
    proposals = sampler.context  # type: ignore[attr-defined]
    for proposal in (proposals.uniform, proposals.popularity):
        proposal.exclude(barred.tocsr())
    for number in range(3, 6):
        seen = batch(sampler, epoch=number, seed=number)
        choice = chosen(sampler, seen)
        assert (choice.ids >= 4).all()
        if name == "divns" and choice.negatives is not None:  # a mixture of items 4 to 6 alone
            rows = seen.the_layers.items[4:].detach()
            beside = torch.linalg.lstsq(rows.T, choice.negatives.detach()[:, 0].T).solution
            assert torch.allclose(rows.T @ beside, choice.negatives[:, 0].T, atol=1e-4)
            assert (beside > -1e-4).all()


@pytest.mark.parametrize("viewed", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_what_is_chosen_has_the_shapes_of_the_interface(name: str, viewed: bool) -> None:
    sampler = made(name, viewed=viewed)
    seen = batch(sampler)
    choice = chosen(sampler, seen)
    rows, k = choice.ids.shape[:2]
    assert rows == 40
    assert choice.ids.dtype == torch.int64
    assert choice.ids.dim() == 2 or choice.ids.shape == (rows, k, 2)
    assert (choice.ids.flatten(1).unsqueeze(2) == seen.candidates.unsqueeze(1)).any(2).all()
    for made_up, shape in (
        (choice.negatives, (rows, k, 8)),
        (choice.positives, (rows, 8)),
        (choice.weights, (rows, k)),
    ):
        assert made_up is None or made_up.shape == shape
    assert choice.aux_loss is None or choice.aux_loss.shape == (rows,)


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_of_one(name: str) -> None:
    sampler = made(name)
    choice = chosen(sampler, batch(sampler, rows=1))
    assert choice.ids.shape[0] == 1
    assert choice.negatives is None or choice.negatives.shape[0] == 1
    epoch(sampler, 0)
    assert chosen(sampler, batch(sampler, rows=1, epoch=1)).ids.shape[0] == 1


@pytest.mark.parametrize("viewed", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_makes_the_same_choices(name: str, viewed: bool) -> None:
    runs = []
    for _ in range(2):
        sampler = made(name, seed=5, viewed=viewed)
        epoch(sampler, 0)
        runs.append(chosen(sampler, batch(sampler, epoch=1)))
    assert same(*runs)


@pytest.mark.parametrize("name", NAMES)
def test_no_global_random_numbers_are_used(name: str) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    sampler = made(name)
    epoch(sampler, 0)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_state_goes_on_where_it_was(name: str) -> None:
    sampler = made(name)
    for number in range(2):
        epoch(sampler, number)
    modules = sampler.modules()
    saved = (sampler.state_dict(), copy.deepcopy(modules and modules.state_dict()), generator_of(sampler).get_state())
    expected = chosen(sampler, batch(sampler, epoch=2))
    for number in range(2, 7):  # what was saved does not move with the sampler
        epoch(sampler, number)
    other = made(name, seed=77)
    other.load_state_dict(saved[0])
    theirs = other.modules()
    if theirs is not None:
        theirs.load_state_dict(saved[1])
    generator_of(other).set_state(saved[2])
    assert same(expected, chosen(other, batch(other, epoch=2)))


@pytest.mark.parametrize("viewed", [False, True])
@pytest.mark.parametrize("name", [name for name in NAMES if SAMPLERS[name].scores_candidates])
def test_scores_follow_the_candidates_whatever_their_order(name: str, viewed: bool) -> None:
    if name == "srns":
        pytest.skip("its candidates are places in a memory, with a history each; test_srns.py has its own")
    sampler = made(name, viewed=viewed)
    seen = batch(sampler)
    order = torch.tensor([2, 0, 3, 1])
    mixed = Batch(seen.users, seen.positives, seen.candidates[:, order], 0, seen.generator, layers=seen.layers)
    state = seen.generator.get_state()
    with torch.no_grad():
        scores = sampler.score(seen)
        seen.generator.set_state(state)
        moved = sampler.score(mixed)
    assert torch.allclose(scores[:, order], moved, atol=1e-5)


@pytest.mark.parametrize("name", ["dns", "uniform", "popularity"])
def test_the_distribution_of_what_is_chosen(name: str) -> None:
    """Exact probabilities for user 2, who may be given items 1, 3, 4, 5, 6, with scores fixed by the layers."""
    sampler = made(name)
    rows, free = 4000, np.array([1, 3, 4, 5, 6])
    users, positives = torch.full((rows,), 2), torch.full((rows,), 2)
    candidates = sampler.propose(users, N)
    layers = small_layers(1, seed=3).detach()
    wide = BatchLayers(layers.queries.expand(rows, -1), layers.items, layers.sizes, layers.users)
    chosen_ids = chosen(sampler, Batch(users, positives, candidates, 0, generator_of(sampler), layers=wide)).ids
    observed = np.bincount(chosen_ids.reshape(-1).numpy(), minlength=7)[free]
    assert observed.sum() == rows
    if name == "dns":  # the k-th easiest is the hardest of N draws with probability (k / 5)^N - ((k - 1) / 5)^N
        rank = np.argsort(np.argsort((layers.queries * layers.items[free]).sum(1).numpy())) + 1
        expected = (rank / 5) ** N - ((rank - 1) / 5) ** N
    elif name == "uniform":
        expected = np.full(5, 0.2)
    else:  # the popularity counts of small.context; item 5 has none
        assert observed[3] == 0
        observed, expected = np.delete(observed, 3), np.array([1, 1, 8, 1]) / 11
    assert stats.chisquare(observed, expected * rows).pvalue > 1e-3
