import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recbole_dtlns.false_negatives.candidates.ranking import ranked_by_order
from recbole_dtlns.false_negatives.selection import pairs_to_judge

TOKENS = np.array(["[PAD]", *(f"user-{number}" for number in range(50))])


def candidates():
    users = np.repeat(np.arange(1, 51), np.arange(50) % 4 + 1)
    return ranked_by_order(users, np.ones_like(users), "test")[0]


def test_shards_are_whole_users_and_together_everything():
    pairs = candidates()
    parts = [pairs_to_judge(pairs, TOKENS, f"{part}/4", None) for part in range(1, 5)]
    np.testing.assert_array_equal(np.sum(parts, axis=0), 1)
    for part in parts:
        assert 5 < len(set(pairs.users[part])) < 25
        assert not set(pairs.users[part]) & set(pairs.users[~part])


@given(st.integers(0, 200))
def test_a_limit_takes_whole_users_and_a_larger_one_takes_more(limit):
    pairs = candidates()
    chosen = pairs_to_judge(pairs, TOKENS, None, limit)
    assert chosen.sum() <= limit
    assert not set(pairs.users[chosen]) & set(pairs.users[~chosen])
    assert (pairs_to_judge(pairs, TOKENS, None, limit + 10) | ~chosen).all()
    if limit >= 4:
        assert chosen.any()


def test_no_limit_takes_all():
    assert pairs_to_judge(candidates(), TOKENS, None, None).all()


def test_the_choice_is_by_token_and_not_by_number():
    pairs = candidates()
    order = np.concatenate([[0], 1 + np.random.default_rng(0).permutation(50)])
    place = np.argsort(order)
    renamed = ranked_by_order(place[pairs.users], pairs.items, "test")[0]
    first = set(TOKENS[pairs.users[pairs_to_judge(pairs, TOKENS, "2/3", 30)]])
    second = set(TOKENS[order][renamed.users[pairs_to_judge(renamed, TOKENS[order], "2/3", 30)]])
    assert first == second


def test_of_a_shard_the_limit_counts_its_own_pairs_alone():
    pairs = candidates()
    parts = [pairs_to_judge(pairs, TOKENS, f"{part}/2", None) for part in (1, 2)]
    limited = [pairs_to_judge(pairs, TOKENS, f"{part}/2", int(parts[part - 1].sum())) for part in (1, 2)]
    for part, same in zip(parts, limited, strict=True):
        np.testing.assert_array_equal(same, part)
