import logging
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from recbole_dtlns.data.train_split import PAD
from recbole_dtlns.errors import UserError
from recbole_dtlns.trees import eigen
from recbole_dtlns.trees.vectors import read_vectors, svd_vectors

KNOWN = np.array([PAD, "a", "b", "c"])


def interactions(n_users: int, n_items: int, seed: int, density: float = 0.2) -> sparse.csr_matrix:
    return sparse.csr_matrix((np.random.default_rng(seed).random((n_users, n_items)) < density).astype(np.float32))


def test_svd_has_the_likeness_of_the_dense_decomposition():
    train = interactions(40, 15, 0)
    dense = train.toarray().astype(float)
    users, items = np.maximum(dense.sum(axis=1), 1), dense.sum(axis=0)
    _, values, right = np.linalg.svd(dense / np.sqrt(users[:, None] * items))
    expected = right[1:7].T * values[1:7] ** 2
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    vectors = svd_vectors(train, 6)
    np.testing.assert_allclose(vectors @ vectors.T, expected @ expected.T, atol=1e-9)


def test_iterative_equals_dense_and_repeats_exactly(monkeypatch):
    train = interactions(60, 30, 1)
    dense = svd_vectors(train, 5)
    monkeypatch.setattr(eigen, "DENSE_SIZE", 0)
    iterative = svd_vectors(train, 5)
    np.testing.assert_allclose(iterative, dense, atol=1e-4)
    np.testing.assert_array_equal(svd_vectors(train, 5), iterative)


def test_groups_that_share_no_user_are_apart():
    train = sparse.csr_matrix(sparse.block_diag([interactions(20, 10, 2, 0.5), interactions(20, 12, 3, 0.5)]))
    vectors = svd_vectors(train, 8)
    np.testing.assert_allclose(vectors[:10] @ vectors[10:].T, 0, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1)


def test_items_and_users_without_interaction():
    inner = interactions(20, 10, 4)
    assert (inner.getnnz(axis=0) > 0).all()
    wider = sparse.csr_matrix(sparse.block_diag([np.zeros((3, 1)), inner, np.zeros((1, 2))]))
    vectors = svd_vectors(wider, 4)
    assert not vectors[[0, -1, -2]].any()
    np.testing.assert_allclose(vectors[1:-2], svd_vectors(inner, 4), atol=1e-9)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (2, 3)])
def test_tiny_matrices(shape):
    vectors = svd_vectors(sparse.csr_matrix(np.ones(shape)), 4)
    assert vectors.shape == (shape[1], 4)
    assert not vectors.any()  # all items are alike


def test_no_interactions():
    assert not svd_vectors(sparse.csr_matrix((3, 2)), 4).any()


def test_values_count_as_ones_and_stay_unchanged():
    train = interactions(30, 12, 5)
    weighed = train.astype(np.float64)
    weighed.data[:] = np.arange(1, weighed.nnz + 1)
    before = weighed.data.copy()
    np.testing.assert_array_equal(svd_vectors(weighed, 4), svd_vectors(train, 4))
    np.testing.assert_array_equal(weighed.data, before)


def save(folder: Path, values: np.ndarray, tokens: str) -> Path:
    np.save(folder / "vectors.npy", values)
    (folder / "vectors.tokens.txt").write_text(tokens, encoding="utf-8")
    return folder / "vectors.npy"


def atomic(folder: Path, text: str) -> Path:
    (folder / "data.itememb").write_bytes(text.encode())
    return folder / "data.itememb"


def test_array_in_the_order_of_the_known_items(tmp_path):
    path = save(tmp_path, np.array([[1, 2], [3, 4], [5, 6]], dtype=np.float32), "c\na\nb\n")
    vectors, missing = read_vectors(path, KNOWN)
    assert vectors.dtype == np.float64
    assert vectors.tolist() == [[3, 4], [5, 6], [1, 2]]
    assert missing.dtype == bool
    assert not missing.any()


def test_feature_embedding_file_of_recbole(tmp_path):
    path = atomic(tmp_path, "iid:token\titem_emb:float_seq\nb\t0.5 -1e-3\nc\t2 3\n\na\t1 1\n")
    vectors, missing = read_vectors(path, KNOWN)
    assert vectors.tolist() == [[1, 1], [0.5, -0.001], [2, 3]]
    assert not missing.any()


def test_missing_items_get_the_mean_of_the_known_and_are_reported(tmp_path, caplog):
    path = save(tmp_path, np.array([[1.0, 2.0], [3.0, 4.0], [90.0, 90.0]]), "c\na\nforeign")
    with caplog.at_level(logging.WARNING):
        vectors, missing = read_vectors(path, KNOWN, drop_unknown=True)
    assert vectors.tolist() == [[3, 4], [2, 3], [1, 2]]
    assert missing.tolist() == [False, True, False]
    assert "1 of 3 items have no vector" in caplog.text
    assert "1 vectors of items outside the training split are dropped" in caplog.text


def test_unknown_items_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"1 item not in the training split: foreign\. .*allow_foreign=true"):
        read_vectors(save(tmp_path, np.eye(2), "a\nforeign\n"), KNOWN)


def test_no_known_item(tmp_path):
    with pytest.raises(UserError, match="no vector of any of the 3 items"):
        read_vectors(save(tmp_path, np.eye(2), f"x\n{PAD}\n"), KNOWN, drop_unknown=True)


@pytest.mark.parametrize(
    ("values", "tokens", "message"),
    [
        (np.eye(2), "a\n", "vectors.tokens.txt has 1 lines, but .*vectors.npy has 2 rows"),
        (np.eye(3), "a\nb\na\n", "vectors.tokens.txt, line 3: item 'a' is already in line 1"),
        (np.array([[1.0], [np.nan]]), "a\nb\n", "row 1 \\(item 'b'\\) holds NaN or infinity"),
        (np.zeros(3), "a\nb\nc\n", "holds float64 of shape \\(3,\\); expected numbers of shape"),
        (np.zeros((3, 0)), "a\nb\nc\n", "of shape \\(3, 0\\)"),
        (np.array([["x"]]), "a\n", "holds <U1"),
        (np.array([[None]], dtype=object), "a\n", "cannot be read as a numeric array"),
    ],
)
def test_bad_arrays_are_refused(tmp_path, values, tokens, message):
    with pytest.raises(UserError, match=message):
        read_vectors(save(tmp_path, values, tokens), KNOWN)


def test_files_that_are_missing_or_damaged(tmp_path):
    path = save(tmp_path, np.eye(2), "a\nb\n")
    path.with_suffix(".tokens.txt").unlink()
    with pytest.raises(UserError, match=r"vectors.tokens.txt cannot be read .*item tokens, one a line"):
        read_vectors(path, KNOWN)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(UserError, match="cannot be read as a numeric array"):
        read_vectors(path, KNOWN)
    with pytest.raises(UserError, match=r"absent\.emb cannot be read"):
        read_vectors(tmp_path / "absent.emb", KNOWN)


HEADER = "iid:token\titem_emb:float_seq\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: '' is no header of item vectors"),
        ("a\t1 2\n", "line 1: 'a\\t1 2' is no header"),
        ("item_emb:float_seq\tiid:token\n", "is no header"),
        (HEADER, "has a header but no vectors"),
        (HEADER + "a\t1 2\nb\t1 2 3\n", "line 3: 'b\\t1 2 3' should hold a token, a tab and 2 finite numbers"),
        (HEADER + "a\t1 x\n", "line 2: 'a\\t1 x' should hold a token, a tab and some finite numbers"),
        (HEADER + "a\t1 2\n\nb\t1 inf\n", "line 4: 'b\\t1 inf' should hold"),
        (HEADER + "a 1 2\n", "line 2: 'a 1 2' should hold"),
        (HEADER + "a\t1 2\n\na\t1 2\n", "line 4: item 'a' is already in line 2"),
    ],
)
def test_bad_feature_files_are_refused(tmp_path, text, message):
    with pytest.raises(UserError, match=re.escape(message)):
        read_vectors(atomic(tmp_path, text), KNOWN)


def test_an_archive_of_arrays_is_no_array(tmp_path):
    with (tmp_path / "vectors.npy").open("wb") as file:
        np.savez(file, vectors=np.eye(2))
    (tmp_path / "vectors.tokens.txt").write_text("a\nb")
    with pytest.raises(UserError, match=r"vectors\.npy holds .*; expected numbers of shape"):
        read_vectors(tmp_path / "vectors.npy", np.array(["[PAD]", "a", "b"]))
