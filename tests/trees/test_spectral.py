import logging

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse.linalg import ArpackNoConvergence

from recbole_dtlns.trees import eigen
from recbole_dtlns.trees.eigen import leading_eigenvectors, with_fixed_signs
from recbole_dtlns.trees.spectral import spectral_embedding, unit_rows


def graph(weights: np.ndarray) -> sparse.csr_matrix:
    weights = np.triu(weights, 1)
    return sparse.csr_matrix((weights + weights.T).astype(np.float32))


def blocks(sizes: list[int], between: float, seed: int = 0) -> tuple[sparse.csr_matrix, np.ndarray]:
    label = np.repeat(np.arange(len(sizes)), sizes)
    rng = np.random.default_rng(seed)
    same = label[:, None] == label[None, :]
    return graph(np.where(same, 0.5 + 0.5 * rng.random(same.shape), between * rng.random(same.shape))), label


@pytest.fixture(params=["dense", "iterative"])
def solver(request, monkeypatch):
    if request.param == "iterative":
        monkeypatch.setattr(eigen, "DENSE_SIZE", 0)
        monkeypatch.setattr(eigen, "FALLBACK_SIZE", 0)  # a failure must show
    return request.param


def test_two_blocks_are_told_apart_by_the_first_column(solver):
    weights, label = blocks([20, 25], between=0.02)
    first = spectral_embedding(weights, 1)[:, 0]
    assert len(set(np.sign(first[label == 0]))) == 1
    np.testing.assert_array_equal(np.sign(first) == np.sign(first[0]), label == 0)


def test_columns_are_the_eigenvectors_after_the_trivial_one(solver):
    weights, _ = blocks([12, 9, 14], between=0.1)
    dense = weights.toarray().astype(np.float64)
    scale = 1 / np.sqrt(dense.sum(axis=1))
    laplacian = np.eye(len(dense)) - scale[:, None] * dense * scale
    values, vectors = np.linalg.eigh(laplacian)
    expected = unit_rows(with_fixed_signs(vectors[:, 1:6]) * (1 - values[1:6]))
    np.testing.assert_allclose(spectral_embedding(weights, 5), expected, atol=1e-4)


def test_same_result_again_also_after_other_work(solver):
    weights, _ = blocks([30, 30, 10, 2, 2], between=0.0)
    first = spectral_embedding(weights, 8)
    np.random.rand(10)
    spectral_embedding(blocks([40, 10], between=0.3)[0], 8)
    np.testing.assert_array_equal(spectral_embedding(weights, 8), first)


def test_order_of_items_does_not_matter(solver):
    weights, _ = blocks([15, 20, 10], between=0.2)
    order = np.random.default_rng(1).permutation(45)
    plain, moved = spectral_embedding(weights, 2), spectral_embedding(weights[order][:, order], 2)
    np.testing.assert_allclose(moved @ moved.T, (plain @ plain.T)[np.ix_(order, order)], atol=1e-4)


def test_rows_have_length_one_and_isolated_items_are_zero(solver):
    weights, _ = blocks([10, 12], between=0.05)
    isolated = sparse.csr_matrix(sparse.block_diag([np.zeros((2, 2)), weights, np.zeros((1, 1))]))
    embedding = spectral_embedding(isolated, 4)
    assert embedding.dtype == np.float64
    assert not embedding[[0, 1, -1]].any()
    np.testing.assert_allclose(np.linalg.norm(embedding[2:-1], axis=1), 1)
    np.testing.assert_array_equal(embedding[2:-1], spectral_embedding(weights, 4))


def test_every_component_is_apart_and_the_largest_keeps_its_structure(solver):
    inner, label = blocks([20, 25], between=0.02)
    small = [np.ones((size, size)) - np.eye(size) for size in (2, 3, 2, 4)]
    weights = sparse.csr_matrix(sparse.block_diag([small[0], inner, *small[1:]]))
    component = np.repeat(np.arange(5), [2, 45, 3, 2, 4])
    embedding = spectral_embedding(weights, 16)
    likeness = embedding @ embedding.T
    other = component[:, None] != component[None, :]
    np.testing.assert_allclose(likeness[other], 0, atol=1e-5)
    large = embedding[component == 1]
    assert (large[label == 0] @ large[label == 1].T).mean() < (large[label == 0] @ large[label == 0].T).mean() - 0.5


def test_hundreds_of_small_components_leave_room_for_the_largest(solver):
    inner, label = blocks([30, 30], between=0.02)
    pair = np.array([[0, 1], [1, 0]])
    weights = sparse.csr_matrix(sparse.block_diag([inner, *[pair] * 200]))
    embedding = spectral_embedding(weights, 8)
    large, pairs = embedding[:60], embedding[60:].reshape(200, 2, 8)
    assert (large[label == 0] @ large[label == 1].T).mean() < (large[label == 0] @ large[label == 0].T).mean() - 0.5
    np.testing.assert_allclose(large[:, :4], large[:1, :4].repeat(60, axis=0), atol=1e-9)
    np.testing.assert_array_equal(pairs[:, 0], pairs[:, 1])
    assert (pairs[:, 0] @ pairs[:, 0].T - np.eye(200)).max() < 1 - 1e-4, "no two components are alike"


def test_two_equal_components_are_treated_alike(solver):
    inner, label = blocks([20, 20], between=0.02)
    embedding = spectral_embedding(sparse.csr_matrix(sparse.block_diag([inner, inner])), 6)
    first, second = embedding[:40], embedding[40:]
    assert (first @ second.T).max() < 0.5 + 1e-4, "insides may look alike, components never"
    for half in (first, second):
        assert (half[label == 0] @ half[label == 1].T).mean() < (half[label == 0] @ half[label == 0].T).mean() - 0.3


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_tiny_graphs(size):
    complete = graph(np.ones((size, size)))
    embedding = spectral_embedding(complete, 4)
    assert embedding.shape == (size, 4)
    assert np.isfinite(embedding).all()
    assert not embedding.any()  # all items are alike


def test_star_tells_nothing():
    star = np.zeros((7, 7))
    star[0, 1:] = 0.3
    assert not spectral_embedding(graph(star), 4).any()


def test_no_items_and_no_links():
    assert spectral_embedding(sparse.csr_matrix((0, 0)), 4).shape == (0, 4)
    assert not spectral_embedding(sparse.csr_matrix((6, 6)), 4).any()


def test_regular_graph_with_repeated_eigenvalues_does_not_stop_the_iteration(monkeypatch):
    monkeypatch.setattr(eigen, "DENSE_SIZE", 0)
    complete = graph(np.ones((60, 60)))
    embedding = spectral_embedding(complete, 8)
    assert np.isfinite(embedding).all()


def no_convergence(values, vectors):
    def eigsh(*args, **kwargs):
        raise ArpackNoConvergence("no convergence", values, vectors)

    return eigsh


def test_small_graph_falls_back_to_the_full_decomposition(monkeypatch):
    weights, _ = blocks([20, 25], between=0.1)
    expected = spectral_embedding(weights, 3)
    monkeypatch.setattr(eigen, "DENSE_SIZE", 0)
    monkeypatch.setattr(eigen, "eigsh", no_convergence(np.zeros(0), np.zeros((45, 0))))
    np.testing.assert_allclose(spectral_embedding(weights, 3), expected, atol=1e-9)


def test_large_graph_uses_what_converged_and_says_so(monkeypatch, caplog):
    weights, _ = blocks([20, 25], between=0.1)
    expected = spectral_embedding(weights, 3)[:, :1]
    monkeypatch.setattr(eigen, "DENSE_SIZE", 0)
    values, vectors = leading_eigenvectors(lambda x: weights.toarray().astype(float) @ x, 45, 1)
    monkeypatch.setattr(eigen, "FALLBACK_SIZE", 0)
    monkeypatch.setattr(eigen, "eigsh", no_convergence(values, vectors))
    with caplog.at_level(logging.WARNING):
        embedding = spectral_embedding(weights, 3)
    assert "Only 1 of 3 eigenvectors" in caplog.text
    assert embedding.shape == (45, 3)
    assert not embedding[:, 1:].any()
    assert expected.shape == (45, 1)


def test_sign_rule():
    turned = with_fixed_signs(np.array([[1.0, -2.0, 3.0], [-4.0, 2.0, -3.0 * (1 + 1e-15)], [0.5, 1.0, 0.0]]))
    np.testing.assert_allclose(turned, [[-1, 2, 3], [4, -2, -3], [-0.5, -1, 0]])


def test_leading_eigenvectors_are_sorted_and_cut():
    values, vectors = leading_eigenvectors(lambda x: np.diag([0.1, 0.9, -0.5]) @ x, 3, 5)
    np.testing.assert_allclose(values, [0.9, 0.1, -0.5])
    np.testing.assert_allclose(vectors, [[0, 1, 0], [1, 0, 0], [0, 0, 1]])
    none = leading_eigenvectors(lambda x: x, 3, 0)
    assert (none[0].shape, none[1].shape) == ((0,), (3, 0))


@pytest.mark.parametrize("count", [2, 3])
def test_nearly_all_eigenvectors_are_had_where_arpack_takes_no_such_number(count, monkeypatch):
    monkeypatch.setattr(eigen, "DENSE_SIZE", 0)
    values, _ = leading_eigenvectors(lambda x: np.diag([0.1, 0.9, -0.5]) @ x, 3, count)
    np.testing.assert_allclose(values, [0.9, 0.1, -0.5][:count])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_graph_stays_as_it_is(dtype):
    weights = blocks([6, 7], between=0.1)[0].astype(dtype)
    before = weights.copy()
    spectral_embedding(weights, 3)
    np.testing.assert_array_equal(weights.data, before.data)
