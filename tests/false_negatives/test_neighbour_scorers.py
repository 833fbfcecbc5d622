"""Known answers of the scorers that only the learned judge and `candidate_source` use."""

import numpy as np
import pytest

from recbole_dtlns.config.budget import Budget
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.candidates import user_knn as user_knn_module
from recbole_dtlns.false_negatives.candidates.item_knn import ItemKNN
from recbole_dtlns.false_negatives.candidates.low_pass import LowPass
from recbole_dtlns.false_negatives.candidates.rp3beta import RP3beta
from recbole_dtlns.false_negatives.candidates.user_knn import UserKNN


def random_view(seed=0, users=30, items=17, share=0.25):
    dense = np.random.default_rng(seed).random((users, items)) < share
    dense[np.arange(items), np.arange(items)] = True
    dense[:, 0] |= ~dense.any(axis=1)
    rows, columns = np.nonzero(dense)
    return TrainSplit.from_pairs(np.char.zfill(rows.astype(str), 2), np.char.zfill(columns.astype(str), 2))


def dense_of(view):
    return view.matrix.toarray()[1:, 1:].astype(np.float64)


def scores_of(scorer, view):
    scores = scorer.fit(view).score_block(np.arange(1, view.n_users + 1))
    assert scores.dtype == np.float32
    assert scores.shape == (view.n_users, view.n_items + 1)
    return np.where(np.isfinite(scores), scores, 0)[:, 1:]


def kept_best(matrix, count):
    """Each column's `count` largest entries, ties to the smaller row; the rest 0."""
    order = np.argsort(-matrix, axis=0, kind="stable")
    kept = np.zeros_like(matrix)
    np.put_along_axis(kept, order[:count], np.take_along_axis(matrix, order[:count], axis=0), axis=0)
    return kept


@pytest.mark.parametrize(("neighbors", "beta"), [(100, 0.3), (100, 0.0), (4, 0.8)])
def test_rp3beta_is_a_walk_of_three_steps_over_popularity(neighbors, beta):
    view = random_view()
    x = dense_of(view)
    to_item, to_user = x / x.sum(axis=1, keepdims=True), x.T / x.sum(axis=0)[:, None]
    walk = to_user @ to_item  # [i, j]: from item i over a user to item j
    np.fill_diagonal(walk, 0)
    expected = x @ kept_best(walk / x.sum(axis=0) ** beta, neighbors)
    np.testing.assert_allclose(scores_of(RP3beta(neighbors, beta), view), expected, rtol=1e-5)


@pytest.mark.parametrize("neighbors", [100, 3])
@pytest.mark.parametrize("cells", [1, 1 << 22])
def test_user_knn_sums_cosines_of_the_nearest_users(neighbors, cells, monkeypatch):
    monkeypatch.setattr(user_knn_module, "CELLS", cells)
    view = random_view(1)
    x = dense_of(view)
    unit = (x / np.sqrt(x.sum(axis=1, keepdims=True))).astype(np.float32).astype(np.float64)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, 0)
    scores = scores_of(UserKNN(neighbors), view)
    if neighbors == 100:
        np.testing.assert_allclose(scores, cosine @ x, rtol=1e-5)
    else:  # ties differ in the last digit, so users with a tie at the last place are left out
        nearest = -np.sort(-cosine, axis=1)
        clear = nearest[:, 2] - nearest[:, 3] > 1e-6
        assert clear.sum() > 10
        np.testing.assert_allclose(scores[clear], (kept_best(cosine.T, 3).T @ x)[clear], rtol=1e-5)
    assert UserKNN.work(view) == (x.sum(axis=0) ** 2).sum()


@pytest.mark.parametrize("rank", [3, 16])
def test_low_pass_is_the_projection_onto_the_first_singular_vectors(rank):
    view = random_view(2)
    x = dense_of(view)
    user, item = x.sum(axis=1) ** -0.5, x.sum(axis=0) ** -0.5
    vectors = np.linalg.svd(user[:, None] * x * item)[2][:rank]
    expected = (x * item) @ vectors.T @ (vectors / item)
    np.testing.assert_allclose(scores_of(LowPass(rank), view), expected, atol=2e-4)


def test_low_pass_of_more_vectors_than_there_are_takes_all():
    view = random_view(3, users=12, items=5)
    np.testing.assert_allclose(scores_of(LowPass(256), view), dense_of(view), atol=1e-3)


@pytest.mark.parametrize("scorer", [RP3beta(), UserKNN(), LowPass(8)], ids=lambda scorer: type(scorer).__name__)
def test_candidates_are_unseen_and_in_the_order_of_their_scores(scorer):
    view = random_view(4)
    top = scorer.fit(view).top(view, Budget(3))
    assert top.source == type(scorer).__name__
    assert not np.asarray(view.matrix[top.users, top.items]).any()
    scores = scorer.score_block(np.arange(view.n_users + 1))
    np.testing.assert_allclose(top.scores, scores[top.users, top.items], rtol=1e-6)
    scores[view.matrix.toarray() > 0] = -np.inf
    scores[:, 0] = -np.inf
    best = scores.max(axis=1)[top.users[top.ranks == 0]]
    np.testing.assert_allclose(top.scores[top.ranks == 0], best, rtol=1e-6)
    assert scorer.item_embeddings() is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RP3beta(beta=3), "beta from 0 to 2, found 3"),
        (lambda: RP3beta(neighbors=0), "neighbors >= 1"),
        (lambda: UserKNN(0), "neighbors >= 1, found 0"),
        (lambda: LowPass(0), "rank >= 1, found 0"),
    ],
)
def test_values_out_of_range_are_refused(make, message):
    with pytest.raises(UserError, match=message):
        make()


def test_item_knn_and_rp3beta_do_not_share_settings():
    assert ItemKNN().settings() == {"neighbors": 100, "shrink": 0.0, "max_history": 10_000}
    assert RP3beta().settings() == {"neighbors": 100, "beta": 0.3, "max_history": 10_000}
