"""Times that RecBole's 32 bits cannot tell apart: interactions that it puts in another order than the file says."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

logger = logging.getLogger(__name__)


def warn_of_lost_order(path: Path, frame: pd.DataFrame, user_field: str, time_field: str) -> None:
    """Say how many interactions RecBole's order by time leaves behind a later one of the same user.

    RecBole orders by float32, in which times of today differ by 128 seconds at least, and leaves equal ones in the
    order of the file. A file that is in the order of time is not concerned.
    """
    count = misplaced(frame[user_field], frame[time_field].to_numpy(np.float64))
    if count:
        logger.warning(
            "%s: RecBole holds times in 32 bits, and so puts %d of %d interactions before an earlier one of the same "
            "user. Sort the file by %s to have the true order.",
            *(path, count, len(frame), time_field),
        )


def misplaced(users: Any, times: np.ndarray) -> int:
    """How many rows stand, in the order by float32, right before a row of the same user with a smaller time.

    Args:
        users: tokens [E].
        times: float64 [E]; a missing time is no time and not counted.

    O(E log E).
    """
    numbers = pd.factorize(pd.Series(users))[0]
    order = np.lexsort([times.astype(np.float32), numbers])  # stable, as RecBole's sort is
    same_user = numbers[order][1:] == numbers[order][:-1]
    return int((same_user & (times[order][1:] < times[order][:-1])).sum())
