"""The same answers as a binary search, whatever the numbers."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_dtlns.samplers.parts import guided_search
from recbole_dtlns.samplers.parts.guided_search import GuidedSearch


def answers_are_those_of_numpy(numbers: list[list[int]], ranges: list[int], asked: np.ndarray) -> None:
    """Each user's numbers, its range, and what is asked of each user, int64 [U, n]."""
    span = max([*ranges, *(number for own in numbers for number in own)]) + 1
    starts = np.cumsum([0, *map(len, numbers)])
    search = GuidedSearch(np.array([n for own in numbers for n in own], dtype=np.int64), starts, np.array(ranges), span)
    order = torch.arange(len(ranges)).flip(0)  # users are asked about in any order
    found = search(order, torch.as_tensor(asked)[order])
    for user, answer in zip(order.tolist(), found.numpy(), strict=True):
        own = np.array(numbers[user], dtype=np.int64)
        assert answer.tolist() == (starts[user] + np.searchsorted(own, asked[user], side="right")).tolist()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_numbers_of_users_that_are_few_many_equal_or_behind_the_range(data: st.DataObject) -> None:
    ranges = data.draw(st.lists(st.integers(1, 300) | st.integers(1, 2**40), min_size=1, max_size=6))
    numbers = [sorted(data.draw(st.lists(st.integers(0, top), max_size=60))) for top in ranges]  # `top` is never asked
    asked = np.array([data.draw(st.lists(st.integers(0, top - 1), min_size=8, max_size=8)) for top in ranges])
    answers_are_those_of_numpy(numbers, ranges, asked)


def test_every_question_where_numbers_lie_together() -> None:
    numbers = [[0] * 5 + list(range(90, 100)) + [100] * 4, [], [7]]
    answers_are_those_of_numpy(numbers, [100, 100, 100], np.tile(np.arange(100), (3, 1)))


def test_numbers_near_the_largest_that_fit() -> None:
    top = 2**61
    numbers = [[0, 1, top - 2, top - 1, top], [top // 3, top // 2]]
    asked = np.array([[0, 1, top - 3, top - 2, top - 1], [0, top // 3 - 1, top // 3, top // 2, top - 1]])
    answers_are_those_of_numpy(numbers, [top, top], asked)


@pytest.mark.parametrize("ranges", [[0, 5], [-3, 5]])
def test_a_user_of_whom_nothing_can_be_asked_is_in_no_one_elses_way(ranges: list[int]) -> None:
    answers = GuidedSearch(np.array([0, 0, 2]), np.array([0, 2, 3]), np.array(ranges), 9)(
        torch.tensor([1]), torch.arange(5).unsqueeze(0)
    )
    assert answers.tolist() == [[2, 2, 3, 3, 3]]


def test_cells_counted_for_some_users_at_a_time_are_those_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong table costs time alone, as a search goes on from where it begins; so the tables are compared."""
    sizes, rng = np.array([3, 0, 20, 1, 0, 0, 7, 2, 2, 0]), np.random.default_rng(0)
    numbers = np.concatenate([np.sort(rng.integers(0, 50, size)) for size in sizes])
    tables = []
    for at_once in (6, 1000):
        monkeypatch.setattr(guided_search, "_NUMBERS", at_once)
        tables.append(GuidedSearch(numbers, np.cumsum([0, *sizes]), np.full(len(sizes), 50), 50)._before)
    assert torch.equal(*tables)
