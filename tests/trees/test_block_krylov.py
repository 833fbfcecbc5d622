import hashlib
import logging
from pathlib import Path

import numpy as np
import pytest
import recbole
from scipy import sparse

from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.trees import block_krylov, eigen
from recbole_dtlns.trees.index_tree import build_codes
from recbole_dtlns.trees.sources import graph_vectors, item_vectors
from recbole_dtlns.trees.spectral import spectral_embedding

SIZE, COUNT = 600, 5


@pytest.fixture
def operator() -> np.ndarray:
    basis = np.linalg.qr(np.random.default_rng(1).standard_normal((SIZE, SIZE)))[0]
    values = np.concatenate([[0.95, 0.9, 0.8, 0.7, 0.6], np.linspace(0.4, -1, SIZE - COUNT)])
    return ((basis * values) @ basis.T).astype(np.float32)


def test_equals_the_full_decomposition(operator):
    values, vectors = block_krylov.block_krylov(lambda x: operator @ x, SIZE, COUNT, tolerance=1e-4)
    expected = np.linalg.eigh(operator.astype(np.float64))
    assert values.dtype == vectors.dtype == np.float32
    np.testing.assert_allclose(values, expected[0][::-1][:COUNT], atol=1e-4)
    same = np.abs(np.sum(vectors * expected[1][:, ::-1][:, :COUNT], axis=0))
    np.testing.assert_allclose(same, 1, atol=1e-4)


@pytest.mark.parametrize("tolerance", [0.3, 0.1, 0.03, 0.01, 0.001])
def test_every_vector_keeps_the_tolerance_and_comes_again_to_the_last_bit(operator, tolerance):
    values, vectors = block_krylov.block_krylov(lambda x: operator @ x, SIZE, COUNT, tolerance)
    assert (np.linalg.norm(operator @ vectors - vectors * values, axis=0) <= tolerance * 1.01).all()
    again = block_krylov.block_krylov(lambda x: operator @ x, SIZE, COUNT, tolerance)
    assert np.array_equal(values, again[0])
    assert np.array_equal(vectors, again[1])


def test_stops_when_the_residual_is_small_and_says_when_it_never_is(operator, caplog):
    products = []

    def multiply(block: np.ndarray) -> np.ndarray:
        products.append(block.shape[1])
        return operator @ block

    block_krylov.block_krylov(multiply, SIZE, COUNT, tolerance=1e-2)
    loose = len(products)
    assert "residual" not in caplog.text
    with caplog.at_level(logging.WARNING):
        block_krylov.block_krylov(multiply, SIZE, COUNT, tolerance=0)
    assert len(products) - loose > 2 * loose
    assert "a residual of 0.000" in caplog.text


def test_a_large_graph_is_embedded_as_by_arpack(monkeypatch):
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(6), 100)
    upper = np.triu(rng.random((600, 600)) < np.where(group[:, None] == group, 0.3, 0.01), 1)
    graph = sparse.csr_matrix((upper + upper.T).astype(np.float32))
    exact = spectral_embedding(graph, 5)
    monkeypatch.setattr(eigen, "ARPACK_SIZE", 512)
    rough = spectral_embedding(graph, 5)
    assert (exact.dtype, rough.dtype) == (np.float64, np.float32)
    np.testing.assert_allclose(rough @ rough.T, exact @ exact.T, atol=0.1)


def test_the_cache_tells_solvers_apart(monkeypatch):
    view = TrainSplit.from_pairs(np.array(["1", "1", "2"]), np.array(["a", "b", "a"]))
    sources = graph_vectors(view), item_vectors("svd", view, False, None)
    assert [source.decides for source in sources] == [{"vectors": "item graph"}, {"vectors": "svd"}]
    monkeypatch.setattr(eigen, "ARPACK_SIZE", 1)
    large = graph_vectors(view), item_vectors("svd", view, False, None)
    assert all("float32" in source.decides["solver"] for source in large)


def test_codes_of_ml_100k_are_those_of_version_2():
    """Raise `stage.VERSION` and these digests together, when there is a reason for other codes."""
    file = Path(recbole.__file__).parent / "dataset_example/ml-100k/ml-100k.inter"
    pairs = np.loadtxt(file, skiprows=1, dtype=str, delimiter="\t", usecols=(0, 1))
    view = TrainSplit.from_pairs(pairs[:, 0], pairs[:, 1])
    for source, digest in (
        (graph_vectors(view), "a9c619dca5483867"),
        (item_vectors("svd", view, False, None), "45e19d22541f1f04"),
    ):
        codes = build_codes(source.vectors())
        assert hashlib.sha256(codes.tobytes()).hexdigest().startswith(digest), source.origin
