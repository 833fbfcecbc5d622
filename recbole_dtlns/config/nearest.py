"""Names that are near to one that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def near_names(name: str, names: Iterable[str], most: int = 3) -> list[str]:
    """The known names nearest to this one, the nearest first; case does not matter."""
    by_case: dict[str, str] = {}
    for each in names:
        by_case.setdefault(each.lower(), each)
    return [by_case[match] for match in difflib.get_close_matches(name.lower(), list(by_case), n=most)]


def nearest(name: str, names: Iterable[str]) -> str:
    """`; did you mean a, b?`, or nothing when no known name is near."""
    near = near_names(name, names)
    return f"; did you mean {', '.join(near)}?" if near else ""
