import numpy as np
from scipy import sparse

from recbole_dtlns.data.histories import shortened_histories
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.false_negatives.candidates.item_knn import ItemKNN
from recbole_dtlns.trees.sources import graph_vectors, item_graph

MATRIX = sparse.csr_matrix(np.repeat([[1.0], [0.0], [1.0]], 40, axis=1) * (np.arange(40) % [[1], [1], [2]] == 0))


def test_long_rows_keep_a_random_choice_and_short_ones_everything():
    short = shortened_histories(MATRIX, 25)
    assert np.diff(short.indptr).tolist() == [25, 0, 20]
    assert short.has_sorted_indices
    assert ((short > 0) > (MATRIX > 0)).nnz == 0
    np.testing.assert_array_equal(short[2].indices, MATRIX[2].indices)
    assert short[0].indices.tolist() != list(range(25))
    np.testing.assert_array_equal(shortened_histories(MATRIX, 25).indices, short.indices)
    assert shortened_histories(MATRIX, 40) is MATRIX


def test_graph_and_neighbours_count_no_pair_that_was_left_out():
    rows, columns = MATRIX.nonzero()
    view = TrainSplit.from_pairs(rows.astype(str), columns.astype(str))
    assert item_graph(view.matrix[1:, 1:], 5).nnz < item_graph(view.matrix[1:, 1:]).nnz
    whole, cut = (ItemKNN(max_history=most).fit(view) for most in (None, 5))
    assert cut._weights.nnz < whole._weights.nnz
    assert "max_history" not in graph_vectors(view, 40).decides  # nothing was cut, so the cache knows the tree already
    assert graph_vectors(view, 5).decides["max_history"] == 5
