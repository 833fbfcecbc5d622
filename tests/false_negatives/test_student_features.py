import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from recbole_dtlns.false_negatives.judges import JudgeContext
from recbole_dtlns.false_negatives.student import features
from recbole_dtlns.false_negatives.student.features import feature_names, pair_features


def random_codes(rng, count, depth):
    codes = rng.integers(0, 2, (count, depth)).astype(np.int16)
    codes[np.arange(depth) >= rng.integers(0, depth + 1, count)[:, None]] = -1
    codes[0] = -1
    return codes


def random_context(seed, users=12, items=20, depths=(4, 3), density=0.6):
    rng = np.random.default_rng(seed)
    dense = rng.random((users, items)) < rng.random((users, 1)) * density
    dense[0] = dense[:, 0] = dense[3] = False
    return JudgeContext(sparse.csr_matrix(dense.astype(np.float32)), *(random_codes(rng, items, d) for d in depths))


def digits(code):
    return [digit for digit in code.tolist() if digit >= 0]


def prefix(a, b):
    shared = 0
    while shared < min(len(a), len(b)) and a[shared] == b[shared]:
        shared += 1
    return shared


def slowly(context, user, item):
    """The features of one pair by plain loops: name -> value."""
    history = context.matrix[user].indices.tolist()
    features, shared = {}, {}
    for view, codes in (("co", context.co), ("se", context.se)):
        mine, others = digits(codes[item]), [digits(codes[other]) for other in history]
        lcp = shared[view] = [prefix(mine, other) for other in others]
        relative = [length / max(1, min(len(mine), len(other))) for length, other in zip(lcp, others, strict=True)]
        ordered = [*sorted(lcp, reverse=True), 0, 0]
        features |= {
            f"{view}_max": ordered[0],
            f"{view}_second": ordered[1],
            f"{view}_mean": sum(lcp) / max(1, len(lcp)),
            f"{view}_relative_max": max(relative, default=0),
            f"{view}_relative_mean": sum(relative) / max(1, len(lcp)),
        }
        for level in range(1, codes.shape[1] + 1):
            features[f"{view}_share_{level}"] = sum(length >= level for length in lcp) / max(1, len(lcp))
            features[f"{view}_digit_{level}"] = codes[item][level - 1]
        features[f"{view}_length"] = len(mine)
    both = list(zip(shared["co"], shared["se"], strict=True))
    features["both_sum"] = max((a + b for a, b in both), default=0)
    features["both_least"] = max((min(pair) for pair in both), default=0)
    features["both_share"] = sum(min(pair) > 0 for pair in both) / max(1, len(both))
    features["history"] = len(history)
    return features


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), chunk=st.sampled_from([1, 30, 1 << 18]))
def test_features_equal_a_plain_computation(seed, chunk):
    context = random_context(seed)
    rng = np.random.default_rng(seed)
    users, items = rng.integers(0, 12, 40), rng.integers(0, 20, 40)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "_CHUNK", chunk)
        computed = pair_features(context, users, items)
    names = feature_names(context)
    expected = [slowly(context, user, item) for user, item in zip(users.tolist(), items.tolist(), strict=True)]
    assert computed.dtype == np.float32
    assert len(set(names)) == len(names)
    assert set(names) == set(expected[0])
    np.testing.assert_allclose(computed, [[row[name] for name in names] for row in expected], atol=1e-6)


def test_a_known_pair():
    codes = np.array([[-1, -1], [0, 1], [0, 0], [1, -1]], dtype=np.int16)
    context = JudgeContext(sparse.csr_matrix(np.array([[0, 0, 0, 0], [0, 0, 1, 1]])), codes, codes[:, :1])
    by_name = dict(zip(feature_names(context), pair_features(context, np.array([1]), np.array([1]))[0], strict=True))
    assert (by_name["co_max"], by_name["co_second"], by_name["co_mean"]) == (1, 0, 0.5)
    assert (by_name["co_relative_max"], by_name["co_relative_mean"]) == (0.5, 0.25)
    assert (by_name["co_share_1"], by_name["co_share_2"], by_name["both_sum"], by_name["history"]) == (0.5, 0, 2, 2)
    assert (by_name["co_digit_2"], by_name["co_length"], by_name["se_digit_1"], by_name["se_length"]) == (1, 2, 0, 1)


def test_only_codes_are_seen():
    """Other numbers for the items, with their codes and pairs, change nothing."""
    context = random_context(1)
    order = np.concatenate([[0], np.random.default_rng(0).permutation(np.arange(1, 20))])
    matrix = context.matrix[:, order]
    matrix.sort_indices()
    other = JudgeContext(matrix, context.co[order], context.se[order])
    users, items = np.repeat(np.arange(12), 19), np.tile(np.arange(1, 20), 12)
    np.testing.assert_allclose(
        pair_features(context, users, order[items]), pair_features(other, users, items), atol=1e-6
    )


def test_only_the_codes_of_compared_items_are_read():
    """Work must not grow with the number of items: no block may look at the whole table."""

    class Rows(np.ndarray):
        largest = 0

        def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
            Rows.largest = max(Rows.largest, self.shape[0])
            plain = [np.asarray(argument) if isinstance(argument, Rows) else argument for argument in inputs]
            kwargs = {
                name: tuple(map(np.asarray, argument)) if name == "out" else argument
                for name, argument in kwargs.items()
            }
            return getattr(ufunc, method)(*plain, **kwargs)

    context = random_context(3, items=500, density=0.05)
    watched = JudgeContext(context.matrix, context.co.view(Rows), context.se.view(Rows))
    users, items = np.array([1, 2]), np.array([7, 8])
    np.testing.assert_array_equal(pair_features(watched, users, items), pair_features(context, users, items))
    assert 0 < Rows.largest <= max(2, context.matrix[[1, 2]].nnz) < 500


def test_no_pairs():
    context, none = random_context(2), np.zeros(0, dtype=np.int64)
    assert pair_features(context, none, none).shape == (0, len(feature_names(context)))
