"""The one form of numbers."""

import pytest

from recbole_dtlns.comparison.number_text import percent_text, tick_text


@pytest.mark.parametrize(
    ("value", "text"), [(-2.5, "−2.5"), (-0.5, "−.5"), (0.25, ".25"), (12000.0, "12,000"), (0.0, "0")]
)
def test_a_tick_has_one_minus_sign_and_no_zero_before_the_point(value: float, text: str) -> None:
    assert tick_text(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.0, "0.0 %"), (-0.0001, "0.0 %"), (0.125, "+12.5 %"), (-0.5, "−50.0 %")])
def test_a_change_of_nothing_has_no_sign(value: float, text: str) -> None:
    assert percent_text(value, sign=True) == text
