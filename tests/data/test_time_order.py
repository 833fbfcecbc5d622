"""What RecBole's 32-bit times do to the order of a file is told."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recbole_dtlns.data.time_order import misplaced, warn_of_lost_order

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("users", "times", "count"),
    [
        ("aaa", [2, 1, 0], 0),  # 32 bits hold small numbers
        ("aaa", [NOW, NOW + 1, NOW + 2], 0),  # in order already
        ("aaa", [NOW + 2, NOW + 1, NOW], 2),
        ("aba", [NOW + 2, NOW + 1, NOW], 1),  # only the user's own
        ("aa", [NOW + 1000, NOW], 0),
        ("aa", [NOW, np.nan], 0),
    ],
)
def test_misplaced(users: str, times: list[float], count: int) -> None:
    assert misplaced(list(users), np.array(times, dtype=np.float64)) == count


def test_the_file_and_the_cure_are_named(caplog: pytest.LogCaptureFixture) -> None:
    frame = pd.DataFrame({"user_id": ["a", "a", "b"], "timestamp": [NOW + 1, NOW, NOW]})
    warn_of_lost_order(Path("x.inter"), frame, "user_id", "timestamp")
    assert "x.inter: RecBole holds times in 32 bits, and so puts 1 of 3 interactions" in caplog.text
    assert "Sort the file by timestamp" in caplog.text
