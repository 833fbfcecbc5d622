import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_dtlns.trees.index_tree import build_codes
from recbole_dtlns.trees.lcp import common_prefix, lcp_similarity
from recbole_dtlns.trees.similarity import TreeSimilarity

paths = st.lists(st.lists(st.integers(0, 2), max_size=5), min_size=1, max_size=12)


def matrix(codes: list[list[int]], depth: int = 6) -> np.ndarray:
    """Padding row 0, then the codes; one column more than the longest."""
    return np.array([[-1] * depth] + [code + [-1] * (depth - len(code)) for code in codes], dtype=np.int16)


def brute_force(a: list[int], b: list[int]) -> int:
    shared = 0
    while shared < min(len(a), len(b)) and a[shared] == b[shared]:
        shared += 1
    return shared


def similarity(a: list[int], b: list[int], normalize: str, depth: int = 6) -> np.float32:
    bottom = depth if normalize == "depth" else max(min(len(a), len(b)), 1)
    return np.float32(brute_force(a, b)) / np.float32(bottom)


@given(paths)
@settings(max_examples=100, deadline=None)
def test_common_prefix_equals_brute_force_and_is_symmetric(codes):
    rows = matrix(codes)
    shared = common_prefix(rows[:, None], rows[None])
    assert shared.dtype == np.int64
    expected = [[brute_force(a, b) for b in [[], *codes]] for a in [[], *codes]]
    np.testing.assert_array_equal(shared, expected)
    np.testing.assert_array_equal(shared, shared.T)


@given(paths, st.sampled_from(["min", "depth"]))
@settings(max_examples=100, deadline=None)
def test_similarity_equals_brute_force_and_torch_equals_numpy(codes, normalize):
    rows = matrix(codes)
    expected = np.array([[similarity(a, b, normalize) for b in [[], *codes]] for a in [[], *codes]])
    result = lcp_similarity(rows[:, None], rows[None], normalize)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, expected)
    every = torch.arange(len(rows))
    on_device = TreeSimilarity(rows, "cpu", normalize)(every, every.expand(len(rows), -1))
    assert on_device.dtype == torch.float32
    np.testing.assert_array_equal(on_device.numpy(), expected)


@pytest.mark.parametrize("normalize", ["min", "depth"])
def test_range_and_same_leaf_in_a_real_tree(normalize):
    codes = build_codes(np.random.default_rng(0).standard_normal((200, 4)), leaf_size=6)
    sims = lcp_similarity(codes[:, None], codes[None], normalize)
    same_leaf = (codes[:, None] == codes[None]).all(axis=-1)
    assert sims.min() == 0
    assert sims.max() == 1
    if normalize == "min":
        np.testing.assert_array_equal(sims == 1, same_leaf)
    else:
        full = same_leaf & (codes[:, -1] >= 0)
        np.testing.assert_array_equal(sims == 1, full)


def test_known_values():
    a, b = matrix([[0, 1, 2], [0, 1]], depth=4)[1:]
    assert lcp_similarity(a, b) == 1
    assert lcp_similarity(a, b, "depth") == np.float32(0.5)
    c = matrix([[0, 2, 2]], depth=4)[1]
    assert lcp_similarity(a, c) == np.float32(1 / 3)


def test_missing_codes_are_similar_to_nothing_not_even_to_themselves():
    rows = matrix([[0], []])
    for normalize in ("min", "depth"):
        assert lcp_similarity(rows[2], rows, normalize).tolist() == [0, 0, 0]
        result = TreeSimilarity(rows, "cpu", normalize)(torch.tensor([0, 2]), torch.tensor([[0, 2, 1], [0, 2, 1]]))
        assert not result.any()


def test_shapes_of_positives_and_candidates():
    rng = np.random.default_rng(1)
    rows = matrix([rng.integers(0, 2, rng.integers(1, 6)).tolist() for _ in range(30)])
    tree = TreeSimilarity(torch.as_tensor(rows))
    positives, candidates = torch.randint(0, 31, (4,)), torch.randint(0, 31, (4, 7))
    expected = lcp_similarity(rows[positives][:, None], rows[candidates])
    np.testing.assert_array_equal(tree(positives, candidates).numpy(), expected)
    np.testing.assert_array_equal(tree(positives[:, None], candidates).numpy(), expected)
    np.testing.assert_array_equal(
        tree(positives, positives).numpy(), expected := lcp_similarity(rows[positives], rows[positives])
    )
    assert expected.shape == (4,)
    assert tree(positives, candidates[..., None]).shape == (4, 7, 1)
    history = torch.randint(0, 31, (4, 3))
    pairs = tree(history[:, :, None], candidates[:, None, :]).numpy()
    np.testing.assert_array_equal(pairs, lcp_similarity(rows[history][:, :, None], rows[candidates][:, None]))
    assert tree(positives[:0], candidates[:0]).shape == (0, 7)


@pytest.mark.parametrize("dtype", [torch.int8, torch.int16, torch.int64])
def test_type_of_the_codes_does_not_matter(dtype):
    codes = torch.tensor([[-1, -1], [0, 1], [0, 127]], dtype=dtype)
    assert TreeSimilarity(codes)(torch.tensor([1]), torch.tensor([[1, 2, 0]])).tolist() == [[1.0, 0.5, 0.0]]


def test_large_digits_and_deep_codes():
    deep = np.full((3, 300), 32767, dtype=np.int16)
    deep[0] = -1
    deep[2, -1] = 0
    assert TreeSimilarity(deep, normalize="depth")(torch.tensor([1]), torch.tensor([[1, 2]])).tolist() == [
        [1.0, pytest.approx(299 / 300)]
    ]


def test_unknown_normalisation():
    for call in (
        lambda: lcp_similarity(np.zeros((1, 1)), np.zeros((1, 1)), "max"),
        lambda: TreeSimilarity(matrix([[0]]), "cpu", "max"),
    ):
        with pytest.raises(ValueError, match="normalize is 'max'; expected 'min' or 'depth'"):
            call()


@pytest.mark.parametrize(("depth", "children"), [(40, 4), (9, 1000), (70, 2)])
@pytest.mark.parametrize("normalize", ["min", "depth"])
def test_codes_that_fill_more_than_one_number(depth: int, children: int, normalize: str) -> None:
    rng = np.random.default_rng(0)
    codes = np.repeat(rng.integers(0, children, (4, depth)), 15, axis=0)
    for row, code in enumerate(codes):  # four trunks that are left, and that end, at any depth
        code[rng.integers(0, depth)] = rng.integers(0, children)
        code[rng.integers(0 if row % 5 == 0 else depth // 2, depth + 1) :] = -1
    codes[0] = -1
    everything = torch.arange(len(codes))
    similarity = TreeSimilarity(codes, normalize=normalize)(everything, everything.expand(len(codes), -1))
    assert torch.equal(similarity, torch.as_tensor(lcp_similarity(codes[:, None], codes[None], normalize)))
