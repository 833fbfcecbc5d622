"""How a function of another package is replaced, once; see `compat`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def wrap_once(owner: Any, name: str, wrapper: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Replace `owner.name` by `wrapper(owner.name)` unless that has been done."""
    stock = getattr(owner, name)
    if not getattr(stock, "_recbole_dtlns", False):
        fixed = wrapper(stock)
        fixed._recbole_dtlns = True  # type: ignore[attr-defined]
        setattr(owner, name, fixed)
