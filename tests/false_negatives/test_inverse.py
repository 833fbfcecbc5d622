"""The inverse of a positive definite matrix, tile by tile."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from recbole_dtlns.data import blocks as blocks_module
from recbole_dtlns.false_negatives.candidates import inverse as inverse_module
from recbole_dtlns.false_negatives.candidates.inverse import invert


def positive_definite(size, seed=0):
    rows = np.random.default_rng(seed).standard_normal((2 * size, size)).astype(np.float32)
    return rows.T @ rows + np.eye(size, dtype=np.float32)


@pytest.mark.parametrize("size", [1, 15, 16, 17, 63, 130])
def test_it_is_the_inverse_and_symmetric(size, monkeypatch):
    monkeypatch.setattr(inverse_module, "_TILE", 16)
    matrix = positive_definite(size)
    expected = np.linalg.inv(matrix.astype(np.float64))
    invert(matrix)
    np.testing.assert_allclose(matrix, expected, atol=1e-5 * np.abs(expected).max())
    assert (matrix == matrix.T).all()


def twins():
    """Each item is there four times: products with an inverse of a tile would be off by .007."""
    rows = np.random.default_rng(0).random((20_000, 64)) < 0.3
    return rows[:, np.arange(64) // 4], 10.0


def near_twins():
    """All items are one, each without two users of a hundred."""
    generator = np.random.default_rng(0)
    users = generator.random(20_000) < 0.3
    return users[:, None] & (generator.random((20_000, 64)) > 0.02), 100.0


@pytest.mark.parametrize(("case", "error"), [(twins, 5e-4), (near_twins, 5e-5)])
def test_items_that_are_alike_cost_no_more_digits_than_with_lapack(case, error, monkeypatch):
    monkeypatch.setattr(inverse_module, "_TILE", 16)
    rows, l2 = case()
    rows = rows.astype(np.float32)
    matrix = rows.T @ rows + np.float32(l2) * np.eye(64, dtype=np.float32)
    expected = np.linalg.inv(matrix.astype(np.float64))
    invert(matrix)
    assert np.abs(matrix - expected).max() < error * np.abs(expected).max()


def test_many_copies_of_popular_items_can_be_solved():
    """One of popularity 40,000 has 300 copies, one l2 apart; seen in bundles and variants of a product."""
    rows = np.random.default_rng(0).random((50_000, 300)) < 0.8
    rows = rows[:, np.r_[np.arange(300), np.repeat(0, 300)]].astype(np.float32)
    matrix = rows.T @ rows + np.float32(10) * np.eye(600, dtype=np.float32)
    invert(matrix)
    assert np.isfinite(matrix).all()


def test_the_upper_triangle_is_not_read(monkeypatch):
    monkeypatch.setattr(inverse_module, "_TILE", 16)
    matrix = positive_definite(50)
    lower = np.tril(matrix) + np.triu(np.full_like(matrix, np.nan), 1)
    invert(matrix)
    invert(lower)
    assert matrix.tobytes() == lower.tobytes()


def test_the_bytes_do_not_depend_on_the_number_of_threads(monkeypatch):
    """Whether threads are those of the tiles or of BLAS."""
    inverses = set()
    for tiles, blas in ((1, 1), (3, 1), (2, 2)):
        for module in (blocks_module, inverse_module):
            monkeypatch.setattr(module, "openmp_threads", lambda tiles=tiles: tiles)
        matrix = positive_definite(1300)
        with threadpool_limits(blas, "blas"):
            invert(matrix)
        inverses.add(matrix.tobytes())
    assert len(inverses) == 1


@pytest.mark.parametrize("row", [3, 40])
def test_a_matrix_that_is_not_positive_definite_is_refused(row, monkeypatch):
    monkeypatch.setattr(inverse_module, "_TILE", 16)
    matrix = positive_definite(50)
    matrix[row, row] = -1
    with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
        invert(matrix)
    matrix[row, row] = np.nan
    with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
        invert(matrix)
