"""Scores of candidates, layer by layer, in whatever tables the layers are held."""

from typing import Any

import pytest
import torch

from recbole_dtlns.samplers.parts.layers import BatchLayers


@pytest.mark.parametrize("kind", ["a table a layer", "side by side", "a column of a wider table"])
@pytest.mark.parametrize(("n_items", "n_candidates"), [(9, 5), (9, 9), (9, 10), (1, 3)])
def test_scores_of_candidates_in_any_order_are_the_products_of_their_rows(
    kind: str, n_items: int, n_candidates: int
) -> None:
    """Candidates may be padding, may come twice, and may be more than there are items."""
    draws = torch.Generator().manual_seed(0)
    sizes = (3, 2) if kind == "side by side" else (3, 3)
    tables = [torch.randn(n_items, size, generator=draws) for size in sizes]
    queries = torch.randn(4, sum(sizes), generator=draws)
    candidates = torch.randint(n_items, (4, n_candidates), generator=draws)
    given: Any = tuple(tables)
    if kind != "a table a layer":
        given = torch.cat(tables, 1) if kind == "side by side" else tuple(torch.stack(tables, 2).unbind(2))
    scores = BatchLayers(queries, given, sizes, lambda: queries).layer_scores(candidates)
    parts = zip(queries.split(sizes, 1), tables, strict=True)
    plain = torch.stack([(table[candidates] * query.unsqueeze(1)).sum(-1) for query, table in parts], -1)
    torch.testing.assert_close(scores, plain)


def test_scores_under_mixed_precision_are_those_of_the_promoted_types() -> None:
    queries, table = torch.randn(3, 4).bfloat16(), torch.randn(6, 4)
    scores = BatchLayers(queries, table, (4,), lambda: queries).layer_scores(torch.arange(6).expand(3, -1))
    torch.testing.assert_close(scores.squeeze(-1), queries.float() @ table.T)
