"""The distribution of what each sampler chooses, against its exact probabilities."""

import numpy as np
import pytest
import torch
from scipy import stats
from small import chosen, generator_of, small_layers
from test_conformance import PAIRS, made

from recbole_dtlns.samplers import SAMPLERS
from recbole_dtlns.samplers.base import Sampler
from recbole_dtlns.samplers.batch import Batch, Choice
from recbole_dtlns.samplers.parts.layers import BatchLayers
from recbole_dtlns.training.step import drawn_by_weight

USER, POSITIVE, FREE = 4, 5, np.array([1, 2, 3, 6])
N, ROWS = 4, 4000
# The pick is the best of N draws by a fixed order of the items. Others have tests of their own: dns_mn and srns draw
# further, softmax_rho takes all, noise of its own moves ans.
BEST_OF_N = sorted(set(SAMPLERS) - {"uniform", "popularity", "dns_mn", "srns", "softmax_rho", "ans"})


def alike(rows: int) -> BatchLayers:
    """The same user in every row."""
    single = small_layers(1, seed=3).detach()
    users = single.users().expand(rows, -1)
    return BatchLayers(single.queries.expand(rows, -1), single.items, single.sizes, lambda: users, mean_pooled=True)


def batch(sampler: Sampler, candidates: torch.Tensor) -> Batch:
    rows = len(candidates)
    users, positives = torch.full((rows,), USER), torch.full((rows,), POSITIVE)
    return Batch(users, positives, candidates, 0, generator_of(sampler), layers=alike(rows))


def draws(sampler: Sampler) -> Choice:
    return chosen(sampler, batch(sampler, sampler.propose(torch.full((ROWS,), USER), N)))


def counts(ids: torch.Tensor) -> np.ndarray:
    return np.bincount(ids.reshape(-1).numpy(), minlength=7)[FREE]


@pytest.mark.parametrize("name", BEST_OF_N)
def test_the_best_of_n_draws_in_each_layer(name: str) -> None:
    """The k-th worst of F free items is the best of N draws with probability (k / F)^N - ((k - 1) / F)^N."""
    sampler = made(name)
    if name == "stabcf":
        sampler.context.options["stabcf_history"] = 0  # type: ignore[attr-defined]  # nothing else is drawn
    scores = sampler.score(batch(sampler, torch.as_tensor(FREE).unsqueeze(0))).reshape(len(FREE), -1)
    ids = draws(sampler).ids.reshape(ROWS, -1)
    for layer in range(ids.shape[1]):
        rank = scores[:, layer].argsort().argsort().numpy() + 1
        expected = (rank / len(FREE)) ** N - ((rank - 1) / len(FREE)) ** N
        assert stats.chisquare(counts(ids[:, layer]), expected * ROWS).pvalue > 1e-3


def test_uniform_is_uniform_and_popularity_by_train_counts() -> None:
    assert stats.chisquare(counts(draws(made("uniform")).ids)).pvalue > 1e-3
    popularity = made("popularity")
    candidates = popularity.propose(torch.full((ROWS,), 2), 1)  # user 2 may have all but item 2; item 4 counts 8
    drawn = np.bincount(candidates.reshape(-1).numpy(), minlength=7)
    assert stats.chisquare(drawn[[1, 3, 4, 6]], np.array([1, 1, 8, 1]) / 11 * ROWS).pvalue > 1e-3
    assert drawn[[0, 2, 5]].sum() == 0
    assert PAIRS[2, 2] == 1


def test_a_loss_of_one_id_draws_by_weight() -> None:
    weights = torch.tensor([[0.1, 0.2, 0.3, 0.4]]).expand(ROWS, -1)
    ids = torch.as_tensor(FREE).expand(ROWS, -1)
    positions = torch.arange(4).expand(ROWS, -1)
    picked, choice = drawn_by_weight(positions, Choice(ids, weights=weights), torch.Generator().manual_seed(1))
    assert torch.equal(ids.gather(1, picked), choice.ids)
    assert choice.is_plain
    assert stats.chisquare(counts(choice.ids), np.array([0.1, 0.2, 0.3, 0.4]) * ROWS).pvalue > 1e-3


def test_noise_makes_ans_choose_otherwise_now_and_then_and_none_is_dns_in_each_layer() -> None:
    sampler = made("ans")
    sampler.context.options["ans_noise"] = 0.0  # type: ignore[attr-defined]
    scores = sampler.score(batch(sampler, torch.as_tensor(FREE).unsqueeze(0)))[0]
    expected = torch.stack(
        [(alike(1).users() * alike(1).items[FREE])[:, part].sum(1) for part in (slice(4), slice(4, 8))]
    )
    assert torch.allclose(scores.T, expected, atol=1e-5)
