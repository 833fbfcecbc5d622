"""Greedy k-DPP against determinants computed one by one."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from recbole_dtlns.samplers.parts.diversity import distinct_items, diverse_items


def vectors(n_items: int = 30, width: int = 4, seed: int = 0) -> Tensor:
    table = functional.normalize(torch.randn(n_items, width, generator=torch.Generator().manual_seed(seed)), dim=1)
    table[0] = 0
    return table


def reference(table: Tensor, candidates: list[int], given: list[int], k: int) -> list[int]:
    """At each step the item whose set has the largest determinant of its kernel, together with the given ones."""
    chosen: list[int] = []
    for _ in range(min(k, len(candidates))):
        best = {}
        for item in set(candidates) - set(chosen):
            rows = table[given + chosen + [item]].double()
            best[item] = torch.linalg.slogdet(rows @ rows.T + 0.01 * torch.eye(len(rows))).logabsdet.item()
        chosen.append(max(best, key=best.__getitem__))
    return chosen


@pytest.mark.parametrize("seed", range(6))
def test_equals_determinants_also_beyond_the_rank_of_the_vectors(seed: int) -> None:
    table = vectors(seed=seed)
    order = torch.randperm(29, generator=torch.Generator().manual_seed(seed)) + 1
    candidates, given = order[:12], order[12:15]
    chosen = diverse_items(table, candidates[None], given[None], torch.tensor([7]))
    assert chosen[0].tolist() == reference(table, candidates.tolist(), given.tolist(), 7)


def test_users_of_a_block_do_not_meet() -> None:
    """Rows of other lengths, other numbers wanted, a repeated and a missing given item."""
    table = vectors()
    candidates = torch.tensor([[9, 8, 7, 6, 5, 4], [20, 19, 18, 0, 0, 0], [12, 11, 10, 3, 0, 0]])
    given = torch.tensor([[1, 2, 2], [3, 0, 0], [13, 0, 0]])
    chosen = diverse_items(table, candidates, given, torch.tensor([4, 5, 2]))
    assert chosen.shape == (3, 5)
    expected = [
        reference(table, [9, 8, 7, 6, 5, 4], [1, 2, 2], 4),
        reference(table, [20, 19, 18], [3], 5),
        reference(table, [12, 11, 10, 3], [13], 2),
    ]
    assert [[item for item in row if item] for row in chosen.tolist()] == expected


def test_chosen_items_are_more_diverse_than_random_ones_and_unlike_the_given() -> None:
    table = vectors(400, 8, seed=1)
    candidates, given = torch.arange(1, 301).flip(0), torch.arange(301, 305)
    chosen = diverse_items(table, candidates[None], given[None], torch.tensor([4]))[0]

    def likeness(items: Tensor) -> float:
        cosines = table[items] @ table[torch.cat([items, given])].T
        return float(cosines.square().sum() - len(items))

    generator = torch.Generator().manual_seed(0)
    others = [likeness(torch.randperm(300, generator=generator)[:4] + 1) for _ in range(50)]
    assert likeness(chosen) < 0.5 * min(others)


def test_copies_of_given_items_and_of_one_another_come_last() -> None:
    table = vectors(12, 6)
    table[2], table[3], table[5] = table[1], table[1], table[4]  # 2 and 3 copy the given item 1, 5 copies 4
    candidates, given = torch.tensor([[7, 6, 5, 4, 3, 2]]), torch.tensor([[1]])
    chosen = diverse_items(table, candidates, given, torch.tensor([6]))[0].tolist()
    assert len(set(chosen[:3]) & {4, 5}) == 1
    assert set(chosen[:3]) >= {6, 7}
    assert {2, 3} <= set(chosen[3:])


def test_distinct_items() -> None:
    assert distinct_items(torch.tensor([[3, 3, 0, 9, 3], [1, 1, 1, 0, 0]])).tolist() == [[9, 3], [1, 0]]
