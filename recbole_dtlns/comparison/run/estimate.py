"""How long what is left will take, from what has been finished."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

Group = tuple[str, str]  # data set and model: runs of one are about as long


class Estimate:
    """Mean seconds of finished runs by data set and model, times the runs that are left.

    Args:
        left: the group of every run that is not finished yet.
        jobs: runs at a time.
    """

    def __init__(self, left: Iterable[Group], jobs: int) -> None:
        self._left, self._jobs = Counter(left), jobs
        self._seconds: dict[Group, list[float]] = defaultdict(list)

    def finished(self, group: Group, seconds: float | None) -> None:
        """One run less is left; `seconds` of None (a failed run) tells nothing of the others."""
        self._left[group] -= 1
        if seconds is not None:
            self._seconds[group].append(seconds)

    def seconds_left(self) -> float | None:
        """Seconds until all runs are done; None while no run has been finished.

        A group without a finished run is taken to be like the mean of all.
        """
        every = [value for values in self._seconds.values() for value in values]
        if not every:
            return None
        total = 0.0
        for group, count in self._left.items():
            measured = self._seconds.get(group) or every
            total += max(count, 0) * sum(measured) / len(measured)
        return total / self._jobs


def spoken(seconds: float) -> str:
    """`34 s`, `41 min`, `2 h 5 min`, `3 d 4 h`."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"
