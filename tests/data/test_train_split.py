"""The training split in a numbering of its own, whole and with pairs taken out."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_dtlns.data.train_split import TrainSplit

PAIRS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=40, unique=True)


@settings(deadline=None)
@given(PAIRS, st.integers(0, 2**40))
def test_a_split_without_some_pairs_is_that_of_the_tokens_left(pairs, bits):
    users, items = np.array(pairs).T.astype(str)
    full = TrainSplit.from_pairs(users, items)
    out = np.array([bits >> place & 1 for place in range(len(pairs))], dtype=bool)
    rows, columns = full.matrix.nonzero()
    before = full.matrix.copy()
    left, expected = full.without(out), TrainSplit.from_pairs(full.users[rows[~out]], full.items[columns[~out]])
    assert left.train_hash == expected.train_hash
    for name in ("users", "items"):
        np.testing.assert_array_equal(getattr(left, name), getattr(expected, name))
        assert getattr(left, name).dtype == getattr(expected, name).dtype
    for name in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(left.matrix, name), getattr(expected.matrix, name))
        assert getattr(left.matrix, name).dtype == getattr(expected.matrix, name).dtype
    assert left.matrix.shape == expected.matrix.shape
    assert left.matrix.has_canonical_format
    assert (full.matrix != before).nnz == 0
