import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbole_dtlns.config.budget import Budget, BudgetOfSome

HISTORY = np.array([0, 1, 2, 3, 10, 11])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5", [5, 5, 5, 5, 5, 5]),
        (5, [5, 5, 5, 5, 5, 5]),
        ("0", [0, 0, 0, 0, 0, 0]),
        ("50%", [0, 1, 1, 2, 5, 6]),
        ("5+50%", [5, 5, 6, 6, 10, 10]),
        ("0+50%", [0, 0, 1, 1, 5, 5]),
        (" 2 + 12.5 % ", [2, 2, 2, 2, 3, 3]),
        ("200%", [0, 2, 4, 6, 20, 22]),
    ],
)
def test_forms(text, expected):
    of = Budget.parse(text).of(HISTORY)
    assert of.dtype == np.int64
    assert of.tolist() == expected


def test_shares_are_exact_where_floats_are_not():
    assert Budget.parse("7%").of(np.array([100, 700])).tolist() == [7, 49]  # 0.07 * 100 > 7 in floats
    assert Budget.parse("0+29%").of(np.array([100])).tolist() == [29]  # 0.29 * 100 < 29 in floats


@given(
    st.one_of(
        st.integers(0, 10**6).map(str),
        st.decimals(0, 1000, places=2).map(lambda share: f"{share}%"),
        st.tuples(st.integers(0, 99), st.decimals(0, 1000, places=3)).map(lambda both: f"{both[0]}+{both[1]}%"),
    )
)
def test_str_round_trips(text):
    budget = Budget.parse(text)
    assert Budget.parse(str(budget)) == budget
    assert Budget.parse(budget) is budget


def test_str_is_what_was_written():
    assert [str(Budget.parse(text)) for text in ("5", "50%", "5+50%", "0+2.5%", "0%")] == [
        "5",
        "50%",
        "5+50%",
        "0+2.5%",
        "0%",
    ]


@pytest.mark.parametrize("text", ["", "five", "-1", "5.5", 5.5, "50%+5", "%", "5+", "5+5", True, None, "1e3", "٥"])
def test_other_texts_are_refused_with_the_forms(text):
    with pytest.raises(ValueError, match=r"such as 5, .* 50%, or both as in 5\+50%; found"):
        Budget.parse(text)


def test_budgets_of_other_users_differ():
    some, others = (BudgetOfSome(5, chosen=np.array(chosen)) for chosen in ([False, True], [False, False]))
    assert some != others
    assert some == some
    assert len({some, others}) == 2
    assert some.of(np.array([0, 3])).tolist() == [0, 5]
