"""Tokens that differ by their form alone are told, others are not."""

from types import SimpleNamespace

import pytest

from recbole_dtlns.data.like_tokens import warn_of_like_tokens


def data(users: list[str], items: list[str]) -> SimpleNamespace:
    names = {"user": ["[PAD]", *users], "item": ["[PAD]", *items]}
    return SimpleNamespace(uid_field="user", iid_field="item", field2id_token=names)


@pytest.mark.parametrize("other", ["5.0", "05", " 5", "5\u00a0", "5.00"])
def test_a_number_in_two_forms(other: str, caplog: pytest.LogCaptureFixture) -> None:
    warn_of_like_tokens(data(["5", "7", other], ["a"]))
    (message,) = caplog.messages
    assert message.startswith(
        f"1 of 3 users have a token that differs from another one by its form alone, such as '5' and {other!a}."
    )


def test_a_long_row_of_zeros_is_read_in_no_time(caplog: pytest.LogCaptureFixture) -> None:
    """A form that backtracks would take minutes."""
    warn_of_like_tokens(data(["0" * 100_000 + "x", "0" * 100_000, "0"], ["a"]))
    assert "1 of 3 users" in caplog.text


def test_accents_of_items(caplog: pytest.LogCaptureFixture) -> None:
    warn_of_like_tokens(data(["u"], ["caf\u00e9", "cafe\u0301", "cafe"]))
    assert "1 of 3 items" in caplog.text
    assert "'caf\\xe9' and 'cafe\\u0301'" in caplog.text


def test_other_tokens_are_different(caplog: pytest.LogCaptureFixture) -> None:
    warn_of_like_tokens(data(["5", "50", "5.5", "0", "00a", "0a", "A", "a", "1e5", "100000", "-5"], ["5", "7"]))
    assert not caplog.messages
