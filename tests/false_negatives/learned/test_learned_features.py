"""What the learned judge reads of a pair, against plain loops and dense matrices."""

import tracemalloc

import numpy as np
import pytest
from scipy import sparse

from recbole_dtlns.config.budget import Budget
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.false_negatives.candidates.ease import EASE
from recbole_dtlns.false_negatives.candidates.item_knn import ItemKNN
from recbole_dtlns.false_negatives.candidates.ranking import Candidates
from recbole_dtlns.false_negatives.learned import nearness as nearness_module
from recbole_dtlns.false_negatives.learned import scorers as scorers_module
from recbole_dtlns.false_negatives.learned.features import GROUPS, pair_features
from recbole_dtlns.false_negatives.learned.nearness import cosine_similarity, history_statistics, tree_similarity
from recbole_dtlns.false_negatives.learned.scorers import SCORERS, affordable_scorers, fitted_scores
from recbole_dtlns.false_negatives.lists import share_of_best
from recbole_dtlns.trees.lcp import lcp_similarity


@pytest.fixture
def view():
    rows, columns = np.nonzero(np.random.default_rng(0).random((40, 25)) < 0.25)
    return TrainSplit.from_pairs(np.char.zfill(rows.astype(str), 2), np.char.zfill(columns.astype(str), 2))


@pytest.fixture
def candidates(view):
    return EASE(5.0).fit(view).top(view, Budget(6))


@pytest.fixture
def codes(view):
    table = np.random.default_rng(1).integers(0, 3, (view.n_items + 1, 4)).astype(np.int16)
    table[0] = -1
    table[1:10, 3] = -1  # short codes
    return table


def dense_cosine(view):
    x = view.matrix.toarray().astype(np.float64)
    counts = np.maximum(x.sum(axis=0), 1)
    return x.T @ x / np.sqrt(np.outer(counts, counts))


def slow_statistics(view, candidates, similarity):
    rows = []
    for user, item in zip(candidates.users.tolist(), candidates.items.tolist(), strict=True):
        history = view.matrix.indices[view.matrix.indptr[user] : view.matrix.indptr[user + 1]]
        near = sorted((float(similarity(np.array([item]), np.array([other]))[0]) for other in history), reverse=True)
        rows.append([near[0], np.mean(near), np.mean(near[:3])])
    return np.array(rows)


@pytest.mark.parametrize("cells", [1, 100, 1 << 22])
def test_the_cosine_of_two_items_is_that_of_the_dense_product(view, monkeypatch, cells):
    monkeypatch.setattr(nearness_module, "CELLS", cells)
    rng = np.random.default_rng(2)
    left, right = rng.integers(0, view.n_items + 1, (2, 500))
    cosines = cosine_similarity(view)(left, right)
    assert cosines.dtype == np.float32
    np.testing.assert_allclose(cosines, dense_cosine(view)[left, right], atol=1e-6)


@pytest.mark.parametrize("chunk", [1, 17, 1 << 20])
@pytest.mark.parametrize("kind", ["tree", "cosine"])
def test_statistics_of_nearness_are_those_of_a_plain_loop(view, candidates, codes, monkeypatch, chunk, kind):
    monkeypatch.setattr(nearness_module, "_CHUNK", chunk)
    similarity = tree_similarity(codes) if kind == "tree" else cosine_similarity(view)
    statistics = history_statistics(view, candidates, similarity)
    np.testing.assert_allclose(statistics, slow_statistics(view, candidates, similarity), atol=2e-6)
    assert (np.diff(view.matrix.indptr)[candidates.users] < 3).any()  # some histories are shorter than three


def test_a_nearness_of_one_in_a_tree_is_a_shared_leaf(codes):
    items = np.arange(1, len(codes))
    near = tree_similarity(codes)(items, np.roll(items, 3))
    np.testing.assert_array_equal(near, lcp_similarity(codes[items], codes[np.roll(items, 3)], "min"))
    assert (tree_similarity(codes)(items, items) == 1).all()


def test_the_cosine_never_holds_all_of_the_product(monkeypatch):
    monkeypatch.setattr(nearness_module, "CELLS", 1 << 14)
    monkeypatch.setattr(nearness_module, "_CHUNK", 1 << 13)
    rows, columns = np.nonzero(np.random.default_rng(3).random((300, 1500)) < 0.08)
    view = TrainSplit.from_pairs(rows.astype(str), columns.astype(str))
    pairs = 3000
    users = np.sort(np.random.default_rng(4).integers(1, view.n_users + 1, pairs))
    items = np.random.default_rng(5).integers(1, view.n_items + 1, pairs)
    candidates = Candidates(users, items, np.zeros(pairs, dtype=int), np.zeros(pairs, dtype=np.float32), "made")
    whole = sparse.csr_matrix(view.matrix.T @ view.matrix)
    tracemalloc.start()
    history_statistics(view, candidates, cosine_similarity(view))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.5 * (whole.data.nbytes + whole.indices.nbytes)


def test_features_have_names_groups_and_known_values(view, candidates, codes):
    raw = np.full(len(candidates), np.nan)
    raw[::2] = 0.5
    features = pair_features(view, (codes, codes[:, :2]), candidates, ["ItemKNN"]).with_judges({"mine": raw})
    assert features.values.shape == (len(candidates), len(features.names))
    assert features.values.dtype == np.float32
    assert set(features.groups) == set(GROUPS)
    columns = dict(zip(features.names, features.values.T, strict=True))
    np.testing.assert_allclose(columns["source score"], candidates.scores / candidates.scores.mean(), rtol=1e-5)
    share = share_of_best(candidates.users, candidates.scores)
    np.testing.assert_allclose(columns["source share"], share, rtol=1e-6)
    np.testing.assert_array_equal(columns["source rank"], candidates.ranks)
    np.testing.assert_array_equal(columns["judge mine"], raw.astype(np.float32))
    counts = np.asarray(view.matrix.sum(axis=0)).ravel()
    logs = {"item count": counts[candidates.items], "history length": view.history[candidates.users]}
    for name, numbers in logs.items():
        logarithm = np.log1p(numbers)
        np.testing.assert_allclose(columns[f"log {name}"], logarithm - logarithm.mean(), rtol=1e-4, atol=1e-6)
    _, scores = next(fitted_scores(["ItemKNN"], view, candidates))
    np.testing.assert_allclose(columns["ItemKNN score"], scores / scores.mean(), rtol=1e-5)
    cosines = slow_statistics(view, candidates, cosine_similarity(view))[:, 0]
    np.testing.assert_allclose(columns["cosine largest"], cosines / cosines.mean(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(columns["ItemKNN share"], share_of_best(candidates.users, scores), rtol=1e-6)
    expected = slow_statistics(view, candidates, tree_similarity(codes))
    np.testing.assert_allclose(columns["structural tree mean of 3 largest"], expected[:, 2], atol=2e-6)
    assert features.columns({"judges", "popularity"}).tolist() == [
        place for place, group in enumerate(features.groups) if group in {"judges", "popularity"}
    ]


def test_scores_of_a_larger_scale_are_the_same_features(view, candidates, codes):
    """A judge that is fitted on one split reads another, where a score may have another scale."""
    many = Candidates(candidates.users, candidates.items, candidates.ranks, candidates.scores * 7, "made")
    features, larger = (pair_features(view, (codes, codes), pairs, ["ItemKNN"]) for pairs in (candidates, many))
    np.testing.assert_allclose(features.values, larger.values, rtol=1e-5, atol=1e-6)


def test_features_of_no_pairs_and_of_scores_that_are_all_0(view, candidates, codes):
    none = candidates.take(np.zeros(len(candidates), dtype=bool))
    assert len(pair_features(view, (codes, codes), none, ["ItemKNN"]).values) == 0
    flat = Candidates(candidates.users, candidates.items, candidates.ranks, candidates.scores * 0, "made")
    assert not pair_features(view, (codes, codes), flat, []).values[:, 0].any()


def test_scorers_that_have_no_room_are_left_out_and_said(view, monkeypatch, caplog):
    assert affordable_scorers((view,), 4.0, {"ItemKNN": {"neighbors": 1}}) == (list(SCORERS), {})
    monkeypatch.setattr(scorers_module, "_MOST_WORK", 10)
    names, left_out = affordable_scorers((view,), 0.1, {"ItemKNN": {"neighbors": 1}})
    assert sorted(left_out) == ["EASE 100", "EASE 1000", "UserKNN"]
    assert names == [name for name in SCORERS if name not in left_out]
    assert "candidate_memory_gb=0.1 allows less" in left_out["EASE 100"]
    assert "products, more than 1e+01" in left_out["UserKNN"]
    for name, reason in left_out.items():
        assert f"leaves the scorer {name} out: it {reason}." in caplog.text
    names, left_out = affordable_scorers((view,), 1e-5, {"ItemKNN": {"neighbors": 1}})
    assert names == ["ItemKNN", "RP3beta"]
    assert "candidate_memory_gb=1e-05 allows less" in left_out["LowPass 64"]


def test_every_scorer_says_what_it_needs_on_the_largest_split(view, monkeypatch):
    class Wide(ItemKNN):
        def memory_gb(self, view):
            return view.n_items / 10

    small = TrainSplit.from_pairs(view.users[[1, 2]], view.items[[1, 2]])
    monkeypatch.setitem(SCORERS, "Wide", Wide)
    for views in ((view, small), (small, view)):
        _, left_out = affordable_scorers(views, view.n_items / 10 - 0.1, {})
        assert list(left_out) == ["Wide"]
    assert affordable_scorers((small,), view.n_items / 10 - 0.1, {})[1] == {}


def test_a_scorer_that_is_the_candidate_source_is_no_other_scorer(view):
    names, left_out = affordable_scorers((view,), 4.0, {"EASE": {"l2": 1000.0}})
    assert left_out == {"EASE 1000": "is the candidate source itself"}
    assert "EASE 100" in names
    assert affordable_scorers((view,), 4.0, {"EASE": {"l2": 100.0}, "UserKNN": {"neighbors": 100}})[1] == {}
