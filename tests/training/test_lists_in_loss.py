"""Judged lists as tables in RecBole's numbering."""

from types import SimpleNamespace

import numpy as np

from recbole_dtlns.false_negatives.lists import JudgedLists
from recbole_dtlns.training.lists_in_loss import list_table

DATASET = SimpleNamespace(
    uid_field="u",
    iid_field="i",
    user_num=5,
    field2id_token={"u": ["[PAD]", "zoe", "ann", "bob", "cyd"], "i": ["[PAD]", "d", "b", "a", "c"]},
)


def test_each_list_is_in_its_users_row_in_the_order_of_the_judge() -> None:
    lists = JudgedLists(
        np.array(["ann", "ann", "bob", "zoe", "zoe", "zoe"]),
        np.array(["c", "a", "b", "d", "b", "a"]),
        np.array([0.9, 0.1, 0.4, 0.8, 0.7, 0.2], dtype=np.float32),
    )
    items, values = list_table(DATASET, lists)
    assert items.dtype == np.int32
    assert items.tolist() == [[0, 0, 0], [1, 2, 3], [4, 3, 0], [2, 0, 0], [0, 0, 0]]
    expected = [[0, 0, 0], [0.8, 0.7, 0.2], [0.9, 0.1, 0], [0.4, 0, 0], [0, 0, 0]]
    np.testing.assert_array_equal(values, np.array(expected, dtype=np.float32))


def test_no_list_at_all_is_a_table_without_columns() -> None:
    empty = np.zeros(0, dtype=str)
    items, values = list_table(DATASET, JudgedLists(empty, empty, np.zeros(0, dtype=np.float32)))
    assert items.shape == values.shape == (5, 0)
