"""What every candidate source must do, whatever its method."""

import json

import numpy as np
import pytest

from recbole_dtlns.config.budget import Budget
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.false_negatives.candidates.sources import SOURCES, CandidateSettings, find_candidates, resolve_source
from recbole_dtlns.files.cache import StageCache

NAMES = [*sorted(SOURCES), "EASE,UserKNN"]
OTHER = {  # of every key of a source's class, values that a run may have
    "EASE": {"l2": (100.0, 7.0)},
    "ItemKNN": {"neighbors": (100, 2), "shrink": (0.0, 9.0), "max_history": (None, 3)},
    "LowPass": {"rank": (20, 3)},
    "RP3beta": {"neighbors": (100, 2), "beta": (0.3, 1.1), "max_history": (None, 3)},
    "UserKNN": {"neighbors": (100, 2)},
}
TOPK = Budget.parse(6)


def pairs(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Tokens of users and items; item 0 belongs to user 3 alone, who has nothing else."""
    seen = np.random.default_rng(seed).random((40, 25)) < 0.3
    seen[3], seen[:, 0] = False, False
    seen[3, 0] = True
    users, items = np.nonzero(seen)
    return np.char.add("u", users.astype(str)), np.char.add("i", items.astype(str))


VIEW = TrainSplit.from_pairs(*pairs())


def made(name: str, view: TrainSplit = VIEW, **options: object):
    return resolve_source(CandidateSettings(name, TOPK, options=options), view)[1].fit(view)


def by_token(view: TrainSplit, top) -> dict[tuple[str, str], float]:
    names = zip(view.users[top.users].tolist(), view.items[top.items].tolist(), strict=True)
    return dict(zip(names, top.scores.tolist(), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_candidates_are_unseen_items_of_train_in_the_order_of_their_scores(name: str) -> None:
    top = made(name).top(VIEW, TOPK)
    assert np.bincount(top.users, minlength=VIEW.n_users + 1).max() == 6
    assert top.users.min() >= 1
    assert top.items.min() >= 1
    assert top.users.max() <= VIEW.n_users
    assert top.items.max() <= VIEW.n_items
    assert np.asarray(VIEW.matrix[top.users, top.items]).sum() == 0
    assert len(set(zip(top.users.tolist(), top.items.tolist(), strict=True))) == len(top)
    assert np.isfinite(top.scores).all()
    for user in np.unique(top.users):
        own = top.users == user
        assert top.ranks[own].tolist() == list(range(own.sum()))
        assert (np.diff(top.scores[own]) <= 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_same_pairs_give_the_same_whatever_their_order(name: str) -> None:
    users, items = pairs()
    order = np.random.default_rng(1).permutation(len(users))
    mixed = TrainSplit.from_pairs(users[order], items[order])
    first, again = (made(name, view).top(view, TOPK) for view in (VIEW, mixed))
    for column in ("users", "items", "ranks", "scores"):
        np.testing.assert_array_equal(getattr(first, column), getattr(again, column))


@pytest.mark.parametrize("name", NAMES)
def test_names_of_users_and_items_mean_nothing(name: str) -> None:
    users, items = pairs()
    renamed = TrainSplit.from_pairs(
        np.char.add("z", users), np.char.translate(items, str.maketrans("0123456789", "9876543210"))
    )
    expected, renamed_scores = (
        by_token(VIEW, made(name).top(VIEW, Budget.parse(25))),
        by_token(renamed, made(name, renamed).top(renamed, Budget.parse(25))),
    )
    back = str.maketrans("9876543210", "0123456789")
    renamed_scores = {(user[1:], item.translate(back)): score for (user, item), score in renamed_scores.items()}
    assert renamed_scores.keys() == expected.keys()
    if "," not in name:  # the score of several sources counts ranks, and equal scores have no order of their own
        assert [renamed_scores[pair] for pair in expected] == pytest.approx(list(expected.values()), abs=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_a_user_is_ranked_alone_as_among_all(name: str) -> None:
    source, users = made(name), np.arange(1, VIEW.n_users + 1)
    if not hasattr(source, "score_block"):
        pytest.skip("several sources have no score of their own")
    whole, alone = source.score_block(users), source.score_block(users[6:7])
    whole, alone = (block if isinstance(block, np.ndarray) else block.toarray() for block in (whole, alone))
    np.testing.assert_allclose(alone[0], whole[6], atol=1e-5)


def test_every_source_has_its_keys_here() -> None:
    for name in SOURCES:
        assert set(made(name).settings()) == set(OTHER[name])


@pytest.mark.parametrize(("name", "key"), [(name, key) for name, keys in OTHER.items() for key in keys])
def test_every_key_decides_and_is_in_the_cache_key(name: str, key: str, tmp_path) -> None:
    cache = StageCache(tmp_path)
    start, other = (CandidateSettings(name, TOPK, options={key: value}) for value in OTHER[name][key])
    first, second = find_candidates(VIEW, start, cache), find_candidates(VIEW, other, cache)
    assert (first.cached, second.cached) == (False, False)
    assert by_token(VIEW, first.candidates) != by_token(VIEW, second.candidates)
    assert json.loads(json.dumps(made(name).settings())) == made(name).settings()
    assert find_candidates(VIEW, start, cache).cached
    joined = f"{name},{'ItemKNN' if name != 'ItemKNN' else 'EASE'}"
    options = [{name: {key: value}} for value in OTHER[name][key]]
    keys = [made(joined, **given).settings() for given in options]
    assert keys[0] != keys[1]
