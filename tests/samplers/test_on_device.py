"""Every sampler computes on the device of the model (`--device`), and as on a CPU where nothing is drawn."""

import copy

import numpy as np
import pytest
import torch
from scipy import sparse
from small import CODES_CO, CODES_SE, chosen, context, generator_of, small_layers

from recbole_dtlns.samplers import SAMPLERS
from recbole_dtlns.samplers.base import Sampler
from recbole_dtlns.samplers.batch import Batch, Choice, EpochView
from recbole_dtlns.samplers.parts.exclude import FarFromHistory, HistorySimilarity
from recbole_dtlns.samplers.parts.history import History
from recbole_dtlns.samplers.parts.layers import BatchLayers
from recbole_dtlns.samplers.parts.proposal import FreeItems
from recbole_dtlns.samplers.parts.tree_view import TreeView

pytestmark = pytest.mark.device

PAIRS = sparse.csr_matrix((np.ones(6), ([1, 1, 2, 3, 4, 4], [1, 3, 2, 6, 4, 5])), shape=(5, 7))
N, ROWS = 4, 40


class Asked:
    """A model on a device that answers outside of a batch."""

    def __init__(self, device: str) -> None:
        self.device = device

    def everyone(self) -> BatchLayers:
        return small_layers(5, seed=9, device=self.device).detach()


def made(name: str, device: str, viewed: bool = False, **options: int) -> Sampler:
    sampler = TreeView(SAMPLERS[name]()) if viewed else SAMPLERS[name]()
    sampler.setup(context(0, PAIRS, device=device, neg_candidates=N, **options))
    return sampler


def batch(sampler: Sampler, device: str, epoch: int = 0, candidates: torch.Tensor | None = None) -> Batch:
    """Training pairs in turn, with what the sampler proposes for them."""
    users, positives = (torch.as_tensor(ids.astype(np.int64)) for ids in PAIRS.nonzero())
    order = torch.arange(ROWS) % len(users)
    users, positives = users[order].to(device), positives[order].to(device)
    candidates = sampler.propose(users, N) if candidates is None else candidates.to(device)
    layers = small_layers(ROWS, seed=epoch, device=device)
    return Batch(users, positives, candidates, epoch, generator_of(sampler), layers=layers)


def train(sampler: Sampler, device: str, epochs: range) -> Choice:
    """A batch in each epoch, with the end of the epoch after it; the last choice."""
    for number in epochs:
        choice = chosen(sampler, batch(sampler, device, number))
        with torch.no_grad():
            sampler.epoch_end(EpochView(number, Asked(device), generator_of(sampler)))
    return choice


def tensors(choice: Choice) -> dict[str, torch.Tensor]:
    return {name: value for name, value in vars(choice).items() if value is not None}


@pytest.mark.parametrize("viewed", [False, True])
@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_a_choice_is_on_the_device_and_free_of_positives(name: str, viewed: bool, device: str) -> None:
    choice = train(made(name, device, viewed), device, range(3))
    assert {value.device.type for value in tensors(choice).values()} == {device}
    users = torch.as_tensor(PAIRS.nonzero()[0].astype(np.int64))[torch.arange(ROWS) % PAIRS.nnz]
    ids = choice.ids.flatten(1).cpu()
    assert (ids > 0).all()
    assert PAIRS[np.repeat(users.numpy(), ids.shape[1]), ids.reshape(-1).numpy().copy()].sum() == 0


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_gradients_reach_layers_and_gates(name: str, device: str) -> None:
    sampler = made(name, device)
    seen = batch(sampler, device)
    choice = chosen(sampler, seen)
    negatives = choice.negatives if choice.negatives is not None else seen.the_layers.composite(choice.ids[:, :1])
    loss = negatives.sum() + (0 if choice.aux_loss is None else choice.aux_loss.sum())
    loss.backward()
    assert seen.the_layers.items.grad.abs().sum() > 0
    modules = sampler.modules()
    for parameter in [] if modules is None else modules.parameters():
        assert parameter.device.type == device


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_a_state_saved_on_the_device_goes_on_where_it_was(name: str, device: str) -> None:
    sampler = made(name, device, judge_refresh=1)
    train(sampler, device, range(2))
    modules = sampler.modules()
    saved = (sampler.state_dict(), copy.deepcopy(modules and modules.state_dict()), generator_of(sampler).get_state())
    expected = chosen(sampler, batch(sampler, device, 2))
    other = made(name, device, judge_refresh=1)
    other.load_state_dict(saved[0])
    theirs = other.modules()
    if theirs is not None:
        theirs.load_state_dict(saved[1])
    generator_of(other).set_state(saved[2].cpu())
    again = chosen(other, batch(other, device, 2))
    for expected_tensor, tensor in zip(tensors(expected).values(), tensors(again).values(), strict=True):
        assert torch.allclose(expected_tensor, tensor)


@pytest.mark.parametrize("name", ["ahns", "dns", "dtl_ns", "mixgcf", "softmax_rho"])
def test_scores_of_given_candidates_are_those_of_a_cpu(name: str, device: str) -> None:
    candidates = torch.randint(1, 7, (ROWS, N), generator=torch.Generator().manual_seed(1))
    scores = []
    for where in ("cpu", device):
        sampler = made(name, where, viewed=True)
        with torch.no_grad():
            scores.append(sampler.score(batch(sampler, where, candidates=candidates)).cpu())
    assert torch.allclose(*scores, atol=1e-5)


def test_tree_exclude_bars_on_the_device(device: str) -> None:
    """User 1 has items 1 and 3; of the free ones 2 shares a structural leaf with item 1, and 5 a semantic one."""
    proposals = context(0, PAIRS, device=device)
    far = FarFromHistory(proposals.uniform, HistorySimilarity(PAIRS, [CODES_CO, CODES_SE], device), 0.6)
    drawn = far.draw(torch.ones(200, dtype=torch.long, device=device), N, proposals.generator)
    assert drawn.device.type == device
    assert drawn.unique().tolist() == [4, 6]
    assert far.counts() == (200 * N, 0)


def test_all_that_is_looked_up_lies_on_the_device_asked_for() -> None:
    """torch's device `meta` holds no numbers, so that this can be told without a GPU."""
    trees = HistorySimilarity(PAIRS, [CODES_CO, CODES_SE], "meta")._trees
    free = FreeItems(PAIRS, device="meta")
    free.require_free_items(np.arange(1, 5), np.arange(5))  # makes its tables
    for tables in (History(PAIRS, "meta"), free, *trees):
        held = {name: value.device.type for name, value in vars(tables).items() if isinstance(value, torch.Tensor)}
        assert held == dict.fromkeys(held, "meta")
        assert len(held) >= 3
