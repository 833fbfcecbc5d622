import numpy as np
import pytest

from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.false_negatives.report.held_in import hold_in


def random_view(seed=0, users=50, items=80):
    dense = np.random.default_rng(seed).random((users, items)) < np.linspace(0.02, 0.6, users)[:, None]
    rows, columns = np.nonzero(dense)
    return TrainSplit.from_pairs(np.char.add("u", rows.astype(str)), np.char.add("i", columns.astype(str)))


def token_pairs(view, users=None, items=None):
    if users is None:
        users, items = view.matrix.nonzero()
    return set(zip(view.users[users].tolist(), view.items[items].tolist(), strict=True))


@pytest.mark.parametrize("seed", [0, 1])
def test_each_user_gives_a_tenth_and_keeps_the_rest(seed):
    full = random_view()
    held_in = hold_in(full, seed)
    assert held_in.dropped == 0
    left = dict(zip(held_in.view.users, held_in.view.history, strict=True))
    for token, count in zip(full.users[1:], full.history[1:], strict=True):
        assert left[token] == count - (max(count // 10, 1) if count > 1 else 0)
    assert len(held_in.users) == full.matrix.nnz - held_in.view.matrix.nnz > 50


def test_what_is_taken_out_is_nowhere_in_the_reduced_split():
    full = random_view()
    held_in = hold_in(full)
    out, left = token_pairs(held_in.view, held_in.users, held_in.items), token_pairs(held_in.view)
    assert not out & left
    assert out | left == token_pairs(full)
    assert not np.asarray(held_in.view.matrix[held_in.users, held_in.items]).any()
    assert held_in.view.train_hash != full.train_hash


def test_the_order_of_the_rows_does_not_matter_and_the_seed_does():
    full = random_view()
    rows, columns = full.matrix.nonzero()
    mixed = np.random.default_rng(5).permutation(len(rows))
    again = hold_in(TrainSplit.from_pairs(full.users[rows[mixed]], full.items[columns[mixed]]))
    first, other = hold_in(full), hold_in(full, seed=1)
    assert token_pairs(first.view, first.users, first.items) == token_pairs(again.view, again.users, again.items)
    assert first.view.train_hash == again.view.train_hash
    assert token_pairs(first.view, first.users, first.items) != token_pairs(other.view, other.users, other.items)


def test_items_without_another_user_are_dropped_and_counted():
    users = np.repeat(["a", "b", "c"], [2, 2, 1])
    view = TrainSplit.from_pairs(users, np.array(["1", "2", "3", "4", "5"]))
    held_in = hold_in(view)
    assert (len(held_in.users), held_in.dropped) == (0, 2)
    assert held_in.view.n_items == 3
    assert held_in.view.history.tolist() == [0, 1, 1, 1]  # c keeps its only pair
