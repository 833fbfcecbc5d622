"""Metrics read the same as from RecBole's own collector, and no second matrix of scores is made."""

import pytest
import torch
from recbole.evaluator.collector import Collector

from recbole_dtlns.training.collecting import collect_from_the_best

N_ROWS, N_ITEMS, DEPTH = 30, 50, 20
RESOURCES = ("rec.items", "rec.topk", "rec.meanrank", "rec.score")


def collector(metrics):
    config = {"metrics": metrics, "topk": [5, DEPTH], "eval_args": {"mode": {"valid": "full", "test": "full"}}}
    config |= {"metric_decimal_place": 4, "device": torch.device("cpu"), "ITEM_ID_FIELD": "item_id"}
    return Collector({**config, "USER_ID_FIELD": "user_id", "LABEL_FIELD": "label"})


def batches():
    """Scores with ties and left-out items, and positives: of one row none, of one all, one pair there twice."""
    generator = torch.Generator().manual_seed(3)
    for _ in range(2):
        scores = torch.randint(0, 9, (N_ROWS, N_ITEMS), generator=generator).float()
        scores[:, 0] = -torch.inf
        scores[torch.rand(N_ROWS, N_ITEMS, generator=generator) < 0.3] = -torch.inf
        positive = torch.rand(N_ROWS, N_ITEMS, generator=generator) < 0.2
        positive[:, 0], positive[3], positive[4, 1:] = False, False, True
        rows, items = positive.nonzero(as_tuple=True)
        yield scores, torch.cat([rows, rows[:1]]), torch.cat([items, items[:1]])


def collected(metrics, of_the_best):
    made = collector(metrics)
    if of_the_best:
        collect_from_the_best(made)
    for scores, rows, items in batches():
        made.eval_batch_collect(scores, None, rows, items)
    struct = made.get_data_struct()
    return {name: struct[name] for name in RESOURCES if name in struct}


@pytest.mark.parametrize(
    ("metrics", "read"),
    [
        (["Recall", "NDCG"], {"rec.topk"}),
        (["ItemCoverage"], {"rec.items"}),
        (["Recall", "MRR", "GiniIndex", "AveragePopularity"], {"rec.topk", "rec.items"}),
        (["NDCG", "GAUC"], {"rec.topk", "rec.meanrank"}),
        (["GAUC"], {"rec.meanrank"}),
    ],
)
def test_metrics_read_what_recbole_collects(metrics, read):
    ours, stock = (collected(metrics, of_the_best) for of_the_best in (True, False))
    assert set(ours) == set(stock) == read
    for name in read:
        assert ours[name].dtype == stock[name].dtype
        assert torch.equal(ours[name], stock[name]), name


def test_no_matrix_of_the_scores_size_is_made_and_items_are_ranked_once(monkeypatch):
    made, ranked, stock = collector(["Recall", "ItemCoverage"]), [], torch.Tensor.topk
    collect_from_the_best(made)
    monkeypatch.setattr(torch, "zeros_like", lambda *_, **__: pytest.fail("a matrix of the scores' size"))
    monkeypatch.setattr(torch, "topk", lambda *_, **__: pytest.fail("RecBole ranks again"))
    monkeypatch.setattr(torch.Tensor, "topk", lambda self, *most, **way: ranked.append(1) or stock(self, *most, **way))
    scores, rows, items = next(batches())
    made.eval_batch_collect(scores, None, rows, items)
    assert len(ranked) == 1


def test_a_batch_without_positives():
    made = collector(["Recall"])
    collect_from_the_best(made)
    nothing = torch.zeros(0, dtype=torch.int64)
    made.eval_batch_collect(torch.rand(2, N_ITEMS), None, nothing, nothing)
    assert made.get_data_struct()["rec.topk"].tolist() == [[0] * (DEPTH + 1)] * 2
