"""DNS(M, N): between uniform sampling and the hardest candidate."""

import pytest
import small
import torch
from scipy import stats
from small import batch, context
from torch import Tensor

from recbole_dtlns.errors import UserError
from recbole_dtlns.samplers.batch import Batch, Choice
from recbole_dtlns.samplers.methods.dns import DNS
from recbole_dtlns.samplers.methods.dns_mn import DNSMN

SCORES = torch.tensor([[0.5, 3.0, -1.0, 2.0, 1.0]])
CANDIDATES = torch.tensor([[2, 3, 4, 5, 6]])


def chosen(seen: Batch, **options: object) -> Choice:
    sampler = DNSMN()
    sampler.setup(context(**options))
    return small.chosen(sampler, seen)


def many(rows: int) -> Batch:
    return batch(scores=SCORES.repeat(rows, 1), candidates=CANDIDATES.repeat(rows, 1))


def counts(ids: Tensor) -> list[int]:
    return torch.bincount(ids.reshape(-1), minlength=7)[2:].tolist()


def test_it_picks_each_of_the_m_highest_alike_and_no_other() -> None:
    times = counts(chosen(many(3000), dns_mn_m=3).ids)  # items 3, 5, 6 have the three highest scores
    assert times[0] == times[2] == 0
    assert stats.chisquare([times[1], times[3], times[4]]).pvalue > 1e-3


def test_m_of_one_is_dns() -> None:
    sampler = DNS()
    sampler.setup(context())
    seen = batch(rows=100)
    assert torch.equal(chosen(seen, dns_mn_m=1).ids, seen.candidates.gather(1, sampler.pick(sampler.score(seen))))


def test_m_of_n_is_uniform() -> None:
    assert stats.chisquare(counts(chosen(many(3000), dns_mn_m=5, neg_candidates=5).ids)).pvalue > 1e-3


def test_the_official_sum_takes_all_m_with_weight_one() -> None:
    choice = chosen(many(2), dns_mn_m=2, dns_mn_sum=True)
    assert choice.ids.tolist() == [[3, 5], [3, 5]]
    assert choice.weights is not None
    assert choice.weights.tolist() == [[1, 1], [1, 1]]


def test_more_than_there_are_candidates_is_refused() -> None:
    with pytest.raises(UserError, match="dns_mn_m=11"):
        DNSMN.check({"dns_mn_m": 11, "neg_candidates": 10})
    DNSMN.check({"dns_mn_m": 10, "neg_candidates": 10})
