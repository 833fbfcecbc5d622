import numpy as np
import pytest

from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.false_negatives.report import matching
from recbole_dtlns.false_negatives.report.auc import auc, within_user_auc
from recbole_dtlns.false_negatives.report.held_in import HeldIn, hold_in
from recbole_dtlns.false_negatives.report.matching import popularity, report_pairs

EVERYTHING = 1 << 40


def skewed(seed=0, users=400, items=300, share=0.08):
    """Popularity falls as 1 / rank, from half of the users to about one in a hundred."""
    rng = np.random.default_rng(seed)
    weight = 1 / np.arange(1, items + 1)
    chance = np.minimum(share * items * weight / weight.sum(), 0.5)
    rows, columns = np.nonzero(rng.random((users, items)) < chance)
    return TrainSplit.from_pairs(np.char.add("u", rows.astype(str)), np.char.add("i", columns.astype(str)))


def pairs_of(full, limit=EVERYTHING, seed=0):
    held_in = hold_in(full)
    return held_in, report_pairs(held_in, full, limit, seed)


def by_token(held_in, asked):
    return {
        (held_in.view.users[user], held_in.view.items[item], bool(positive))
        for user, item, positive in zip(asked.candidates.users, asked.candidates.items, asked.positive, strict=True)
    }


@pytest.mark.parametrize("seed", [0, 1])
def test_each_held_in_pair_has_one_match_that_its_user_has_never_seen(seed):
    full = skewed(seed)
    held_in, asked = pairs_of(full)
    users, items = asked.candidates.users, asked.candidates.items
    assert asked.lost == 0
    positives = set(zip(users[asked.positive].tolist(), items[asked.positive].tolist(), strict=True))
    assert positives == set(zip(held_in.users.tolist(), held_in.items.tolist(), strict=True))
    matches = list(zip(users[~asked.positive].tolist(), items[~asked.positive].tolist(), strict=True))
    assert len(set(matches)) == len(matches) == len(positives)
    np.testing.assert_array_equal(np.bincount(users[asked.positive]), np.bincount(users[~asked.positive]))
    seen = set(zip(*(axis.tolist() for axis in full.matrix.nonzero()), strict=True))
    row, column = ({token: at for at, token in enumerate(tokens)} for tokens in (full.users, full.items))
    tokens = [(row[held_in.view.users[user]], column[held_in.view.items[item]]) for user, item in matches]
    assert not seen & set(tokens)
    assert items.min() > 0


def test_popularity_tells_nothing_of_the_pairs():
    full = skewed(users=3000)
    held_in, asked = pairs_of(full)
    count = popularity(held_in.view).astype(float)
    np.testing.assert_array_equal(count, held_in.view.matrix.toarray().sum(axis=0))
    scores = count[asked.candidates.items]
    assert auc(asked.positive, scores).value == pytest.approx(0.5, abs=0.03)
    assert within_user_auc(asked.candidates.users, asked.positive, scores) == pytest.approx(0.5, abs=0.05)
    unmatched = np.random.default_rng(0).integers(1, held_in.view.n_items + 1, len(held_in.users))
    both = np.concatenate([count[held_in.items], count[unmatched]])
    assert auc(np.arange(len(both)) < len(held_in.users), both).value > 0.7  # what it would be otherwise


def test_matches_vary():
    """Not always the one nearest item, which would ask about a few items again and again."""
    full = skewed()
    held_in, asked = pairs_of(full)
    _, other = pairs_of(full, seed=1)
    assert len(by_token(held_in, asked) & by_token(held_in, other)) < 0.7 * len(asked.positive)
    popular = popularity(held_in.view)[asked.candidates.items]
    assert len(np.unique(asked.candidates.items[~asked.positive])) > 0.6 * len(np.unique(held_in.items))
    assert popular.max() > 10 * popular.min()


@pytest.mark.parametrize("limit", [0, 1, 2, 40, 41, 200])
def test_whole_users_within_the_limit(limit):
    full = skewed()
    held_in, asked = pairs_of(full, limit)
    assert len(asked.candidates) <= limit
    assert len(asked.candidates) >= min(limit - limit % 2 - 8, 2 * len(held_in.users))
    wanted = np.bincount(held_in.users, minlength=held_in.view.n_users + 1)
    taken = np.bincount(asked.candidates.users, minlength=held_in.view.n_users + 1)
    np.testing.assert_array_equal(taken[taken > 0], 2 * wanted[taken > 0])
    assert (np.diff(asked.candidates.users) >= 0).all()


def test_a_user_too_large_for_the_limit_does_not_block_the_others():
    rows = np.repeat(["whale1", "whale2", *(f"u{n}" for n in range(30))], [200, 200, *[5] * 30])
    columns = np.concatenate([np.arange(200), np.arange(200), *(np.arange(n, n + 5) for n in range(30))]).astype(str)
    for seed in range(5):  # in another order of users each time
        held_in, asked = pairs_of(TrainSplit.from_pairs(rows, columns), limit=20, seed=seed)
        assert len(asked.candidates) == 20
        assert not set(held_in.view.users[asked.candidates.users]) & {"whale1", "whale2"}


def test_a_larger_limit_adds_users_and_changes_nothing_else():
    full = skewed()
    held_in, few = pairs_of(full, 60)
    _, many = pairs_of(full, 300)
    assert by_token(held_in, few) < by_token(held_in, many)


def test_the_users_are_a_fair_sample():
    full = skewed()
    held_in, asked = pairs_of(full, 100)
    users = np.unique(asked.candidates.users)
    assert 0.3 < users.mean() / held_in.view.n_users < 0.7  # not the first ones
    _, other = pairs_of(full, 100, seed=1)
    assert set(users.tolist()) != set(other.candidates.users.tolist())


def test_the_order_of_the_rows_does_not_matter():
    full = skewed()
    rows, columns = full.matrix.nonzero()
    mixed = np.random.default_rng(3).permutation(len(rows))
    held_in, asked = pairs_of(full, 100)
    again_held_in, again = pairs_of(TrainSplit.from_pairs(full.users[rows[mixed]], full.items[columns[mixed]]), 100)
    assert by_token(held_in, asked) == by_token(again_held_in, again)


def test_the_place_of_a_pair_says_nothing():
    _, asked = pairs_of(skewed())
    assert auc(asked.positive, asked.candidates.ranks.astype(float)).value == pytest.approx(0.5, abs=0.06)
    assert auc(asked.positive, asked.candidates.scores.astype(float)).value == pytest.approx(0.5, abs=0.06)
    assert asked.candidates.source == "held-in"
    assert asked.candidates.users.dtype == asked.candidates.items.dtype == np.int64


@pytest.mark.parametrize(("window", "cells"), [(1, 1), (1, 1 << 22), (16, 7)])
def test_windows_grow_until_something_is_free(window, cells, monkeypatch):
    """User a knows all but the three rarest of 40 items; the window begins far away from them."""
    monkeypatch.setattr(matching, "_HALF_WINDOW", window)
    monkeypatch.setattr(matching, "CELLS", cells)
    dense = np.arange(40)[:, None] < np.linspace(40, 2, 40).astype(int)[None]
    dense[0, -3:] = False  # user 0
    rows, columns = np.nonzero(dense)
    full = TrainSplit.from_pairs(np.char.zfill(rows.astype(str), 2), np.char.zfill(columns.astype(str), 2))
    held_in = HeldIn(full, np.array([1, 1, 1, 1]), np.array([1, 2, 3, 4]), 0)
    asked = report_pairs(held_in, full, EVERYTHING)
    assert sorted(asked.candidates.items[~asked.positive].tolist()) == [38, 39, 40]
    assert asked.lost == 1  # a fourth unseen item does not exist


def test_the_nearest_in_popularity_are_taken(monkeypatch):
    monkeypatch.setattr(matching, "_NEAREST", 1)
    counts = np.arange(1, 31)
    rows = np.concatenate([np.arange(count) for count in counts])
    columns = np.repeat(counts, counts)
    full = TrainSplit.from_pairs(np.char.zfill(rows.astype(str), 2), np.char.zfill(columns.astype(str), 2))
    rare_user = full.n_users  # knows item 30 alone
    held_in = HeldIn(full, np.array([rare_user]), np.array([15]), 0)
    asked = [report_pairs(held_in, full, 2, seed).candidates.items for seed in range(20)]
    assert set(np.concatenate(asked).tolist()) == {14, 15, 16}


def test_nothing_held_in():
    full = TrainSplit.from_pairs(np.array(["a", "b"]), np.array(["1", "1"]))
    _, asked = pairs_of(full)
    assert len(asked.candidates) == len(asked.positive) == asked.lost == 0
