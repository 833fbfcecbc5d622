import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from recbole_dtlns.trees.item_graph import cooccurrence_bound, jaccard_graph, strongest_links

matrices = st.tuples(st.integers(1, 8), st.integers(1, 9)).flatmap(lambda s: arrays(np.int8, s, elements=st.booleans()))


def brute_force(train: np.ndarray) -> np.ndarray:
    weights = np.zeros((train.shape[1],) * 2)
    for i, j in np.ndindex(*weights.shape):
        either = np.sum((train[:, i] + train[:, j]) > 0)
        if i != j and either:
            weights[i, j] = np.sum(train[:, i] * train[:, j]) / either
    return weights


def test_known_weights():
    train = sparse.csr_matrix(np.array([[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 0]], dtype=np.float32))
    expected = [[0, 2 / 3, 1 / 3, 0], [2 / 3, 0, 2 / 3, 0], [1 / 3, 2 / 3, 0, 0], [0, 0, 0, 0]]
    graph = jaccard_graph(train)
    assert graph.dtype == np.float32
    assert graph.format == "csr"
    assert graph.nnz == 6
    np.testing.assert_allclose(graph.toarray(), expected, rtol=1e-6)


@given(matrices, st.sampled_from([1, 5, 1000]))
@settings(max_examples=60, deadline=None)
def test_equals_brute_force_in_blocks_of_any_size(train, block_entries):
    graph = jaccard_graph(sparse.csr_matrix(train), block_entries=block_entries)
    np.testing.assert_allclose(graph.toarray(), brute_force(train), rtol=1e-6)
    assert (graph != graph.T).nnz == 0
    assert graph.diagonal().sum() == 0
    assert graph.has_canonical_format
    assert graph.nnz + np.count_nonzero(train.any(axis=0)) <= cooccurrence_bound(sparse.csr_matrix(train))


@given(matrices, st.integers(1, 4), st.sampled_from([1, 1000]))
@settings(max_examples=60, deadline=None)
def test_cap_keeps_a_pair_that_either_end_ranks_high(train, cap, block_entries):
    full = brute_force(train).astype(np.float32)
    kept = np.zeros_like(full)
    for row, weights in enumerate(full):
        best = [column for column in np.argsort(-weights, kind="stable")[:cap] if weights[column] > 0]
        kept[row, best] = weights[best]
    graph = jaccard_graph(sparse.csr_matrix(train), max_neighbors=cap, block_entries=block_entries)
    np.testing.assert_allclose(graph.toarray(), np.maximum(kept, kept.T), rtol=1e-6)


def test_order_of_items_and_users_does_not_matter():
    rng = np.random.default_rng(3)
    train = (rng.random((30, 20)) < 0.2).astype(np.float32)
    users, items = rng.permutation(30), rng.permutation(20)
    graph = jaccard_graph(sparse.csr_matrix(train)).toarray()
    moved = jaccard_graph(sparse.csr_matrix(train[users][:, items])).toarray()
    np.testing.assert_array_equal(moved, graph[np.ix_(items, items)])


def test_counts_repeated_pairs_and_stored_zeros_as_what_they_are():
    rows, columns, data = [0, 0, 0, 1, 1], [0, 0, 1, 1, 0], [1.0, 1.0, 1.0, 1.0, 0.0]
    train = sparse.csr_matrix((data, columns, [0, 3, 5]), shape=(2, 2))
    before = train.copy()
    assert jaccard_graph(train).toarray()[0, 1] == pytest.approx(1 / 2)
    np.testing.assert_array_equal(train.data, before.data)
    assert len(rows) == len(train.data)


def test_of_many_equal_links_the_lowest_columns_stay():
    train = sparse.csr_matrix(np.ones((2, 2000)))
    links = strongest_links(train, np.array([3, 1999]), np.arange(100, 1999), keep=3)
    assert links.indices.tolist() == [0, 1, 2] * 2
    assert links.data.tolist() == [1] * 6
    assert strongest_links(train, np.zeros(0, dtype=int), np.arange(3), keep=3).dtype == np.float32


def test_large_block_of_one_user():
    graph = jaccard_graph(sparse.csr_matrix(np.ones((1, 50))), block_entries=10)
    assert graph.nnz == 50 * 49
    assert set(graph.data) == {1.0}
