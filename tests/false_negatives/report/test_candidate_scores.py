import numpy as np
import pytest

from recbole_dtlns.config.budget import Budget
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.candidates.ease import EASE
from recbole_dtlns.false_negatives.candidates.item_knn import ItemKNN
from recbole_dtlns.false_negatives.candidates.sources import SOURCES, CandidateSettings
from recbole_dtlns.false_negatives.report.candidate_scores import mean_ranks, pair_scores
from recbole_dtlns.files.cache import StageCache


@pytest.fixture
def view():
    rows, columns = np.nonzero(np.random.default_rng(0).random((40, 25)) < 0.2)
    return TrainSplit.from_pairs(rows.astype(str), columns.astype(str))


@pytest.fixture
def cache(tmp_path):
    return StageCache(tmp_path / "cache")


def unseen(view):
    users, items = np.nonzero(view.matrix.toarray() == 0)
    real = (users > 0) & (items > 0)
    return users[real], items[real]


@pytest.mark.parametrize(("name", "source"), [("EASE", EASE()), ("ItemKNN", ItemKNN(neighbors=5))])
def test_the_rank_is_that_of_the_candidates(view, cache, name, source):
    users, items = unseen(view)
    options = {} if name == "EASE" else {"neighbors": 5}
    scores = pair_scores(view, users, items, CandidateSettings(name, options=options), None, cache)
    best = source.fit(view).top(view, Budget(1000))
    rank = {(user, item): rank for user, item, rank in zip(best.users, best.items, best.ranks, strict=True)}
    listed = np.array([pair in rank for pair in zip(users, items, strict=True)])
    expected = np.array([rank[pair] for pair in zip(users[listed], items[listed], strict=True)])
    if name == "EASE":
        np.testing.assert_array_equal(-scores[listed], expected)
    else:  # the candidates break ties
        assert np.abs(-scores[listed] - expected).max() <= 2
    for user in np.unique(users[~listed]):  # what ItemKNN does not know shares the last place
        lowest = scores[(users == user) & ~listed]
        assert len(np.unique(lowest)) == 1
        assert (scores[(users == user) & listed] > lowest[0]).all()


@pytest.mark.parametrize("cells", [1, 60, 1 << 22])
def test_mean_ranks_by_hand(cells):
    view = TrainSplit.from_pairs(np.array(["a", *"bbbbb"]), np.array(["1", *"12345"]))
    table = np.array([[9.0] * 6, [99, 99, 5, 7, 7, -np.inf], [np.nan] * 6])
    users, items = np.array([1, 1, 2, 1, 1, 1]), np.array([3, 5, 3, 2, 1, 4])
    ranks = mean_ranks(view, users, items, lambda block: table[block], cells)
    np.testing.assert_array_equal(ranks, [0.5, 3, np.nan, 2, np.nan, 0.5])


def test_ties_at_minus_infinity_share_their_rank():
    view = TrainSplit.from_pairs(np.array(["a", *"bbbb"]), np.array(["1", *"1234"]))
    table = np.array([[0.0] * 5, [0, 0, 1, -np.inf, -np.inf]])
    ranks = mean_ranks(view, np.array([1, 1, 1]), np.array([2, 3, 4]), lambda block: table[block])
    np.testing.assert_array_equal(ranks, [0, 1.5, 1.5])


def test_a_second_run_finds_the_first_and_others_do_not(view, cache, monkeypatch):
    users, items = unseen(view)
    settings = CandidateSettings("ItemKNN", options={"neighbors": 5})
    first = pair_scores(view, users, items, settings, None, cache)
    other = TrainSplit.from_pairs(*(tokens[1:] for tokens in (view.users[:21], view.items[:21])))
    monkeypatch.setattr(ItemKNN, "fit", lambda *_: pytest.fail("fitted again"))
    np.testing.assert_array_equal(pair_scores(view, users, items, settings, None, cache), first)
    for changed in (
        (view, users[:-1], items[:-1], settings),
        (view, users, items, CandidateSettings("ItemKNN", options={"neighbors": 6})),
        (other, users[:5], items[:5], settings),
    ):
        with pytest.raises(pytest.fail.Exception):
            pair_scores(*changed, None, cache)


def test_ease_gives_way_to_item_knn_where_it_would_not_fit(view, cache, monkeypatch):
    monkeypatch.setattr(EASE, "fit", lambda *_: pytest.fail("EASE fitted"))
    users, items = unseen(view)
    scores = pair_scores(view, users, items, CandidateSettings(memory_gb=0.1), None, cache)
    np.testing.assert_array_equal(scores, pair_scores(view, users, items, CandidateSettings("ItemKNN"), None, cache))


def test_a_source_of_ones_own_is_fitted_on_the_view(view, cache):
    class Last:
        def settings(self):
            return {}

        def fit(self, fitted):
            self.width = fitted.n_items + 1
            return self

        def score_block(self, users):
            return np.tile(np.arange(self.width), (len(users), 1))

    users, items = unseen(view)
    scores = pair_scores(view, users, items, CandidateSettings("Last"), Last(), cache)
    first_user = users == 1
    np.testing.assert_array_equal(scores[first_user], np.arange(first_user.sum()) - (first_user.sum() - 1.0))


def test_a_candidate_file_has_no_scores_for_other_pairs(view, cache):
    users, items = unseen(view)
    assert pair_scores(view, users, items, CandidateSettings("file", file="x.txt"), None, cache) is None


def test_unknown_sources_are_refused(view, cache):
    assert "Nobody" not in SOURCES
    with pytest.raises(UserError, match="no source 'Nobody'"):
        pair_scores(view, *unseen(view), CandidateSettings("Nobody"), None, cache)
