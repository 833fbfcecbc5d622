"""Counts by hand, and the identity of a split."""

from __future__ import annotations

import numpy as np
import pytest

from recbole_dtlns.data.statistics import SplitStatistics, split_hash, split_statistics

Parts = dict[str, tuple[np.ndarray, np.ndarray]]


def by_hand() -> Parts:
    return {
        "train": (np.array(["u1", "u1", "u2", "u2"]), np.array(["a", "b", "a", "cc"])),
        "valid": (np.array(["u1", "u3"]), np.array(["cc", "a"])),
        "test": (np.array(["u2", "u4444", "u3"]), np.array(["d", "f", "e"])),
    }


def test_counts_by_hand():
    statistics = split_statistics(by_hand())
    assert statistics == SplitStatistics(4, 6, 4, 2, 3, 9 / 24, 2, 3)
    assert statistics.lines() == [
        "The split in use: 4 users, 6 items, density 37.5000%.",
        "Interactions: 4 train, 2 valid, 3 test.",
        "Not in train: 2 users, 3 items.",
    ]


def test_ids_count_as_tokens_do():
    numbers = {"a": 1, "b": 2, "cc": 3, "d": 4, "e": 5, "f": 6, "u1": 1, "u2": 2, "u3": 3, "u4444": 4}
    ids = {part: tuple(np.array([numbers[t] for t in c]) for c in columns) for part, columns in by_hand().items()}
    assert split_statistics(ids) == split_statistics(by_hand())


def test_repeated_rows_count_as_interactions_but_not_in_the_density():
    parts = by_hand()
    parts["train"] = tuple(np.append(column, column[0]) for column in parts["train"])
    statistics = split_statistics(parts)
    assert (statistics.train, statistics.density) == (5, 9 / 24)


def test_an_empty_part_counts_nothing():
    nothing = (np.array([], dtype=str), np.array([], dtype=str))
    parts = by_hand() | {"valid": nothing}
    assert split_statistics(parts).valid == 0
    assert split_statistics(dict.fromkeys(parts, nothing)) == SplitStatistics(0, 0, 0, 0, 0, 0.0, 0, 0)
    assert len(split_hash(parts)) == 64
    same = split_statistics(dict.fromkeys(parts, by_hand()["train"]))
    assert same == SplitStatistics(2, 3, 4, 4, 4, 4 / 6, 0, 0)
    assert len(same.lines()) == 2


def test_the_hash_ignores_order_repeats_and_width():
    expected = split_hash(by_hand())
    shuffled = by_hand()
    for part, (users, items) in by_hand().items():
        order = np.random.default_rng(1).permutation(np.append(np.arange(len(users)), 0))
        shuffled[part] = (users[order].astype("U40"), items[order].astype(object))
    assert split_hash(shuffled) == expected
    assert split_hash(dict(reversed(by_hand().items()))) == expected


def test_every_pair_and_its_place_change_the_hash():
    seen = {split_hash(by_hand())}
    for part in by_hand():
        for row in range(len(by_hand()[part][0])):
            for side in (0, 1):
                changed = by_hand()
                changed[part][side][row] = "u9" if side == 0 else "i9"
                seen.add(split_hash(changed))
            dropped = by_hand()
            dropped[part] = tuple(np.delete(column, row) for column in dropped[part])
            seen.add(split_hash(dropped))
    swapped = by_hand()
    swapped["valid"], swapped["test"] = swapped["test"], swapped["valid"]
    seen.add(split_hash(swapped))
    assert len(seen) == 1 + 3 * 9 + 1


def test_the_hash_refuses_numbers():
    parts = by_hand() | {"test": (np.array([1]), np.array([2]))}
    with pytest.raises(TypeError, match=r"test holds int64.*expected tokens"):
        split_hash(parts)
