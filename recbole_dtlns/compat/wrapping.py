"""How a function of another package is replaced, once; see `compat`."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any


def wrap_once(owner: Any, name: str, wrapper: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Replace `owner.name` by `wrapper(owner.name)` unless that has been done."""
    stock = getattr(owner, name)
    if not getattr(stock, "_recbole_dtlns", False):
        fixed = wrapper(stock)
        fixed._recbole_dtlns = True  # type: ignore[attr-defined]
        setattr(owner, name, fixed)


class StandIn(types.ModuleType):
    """A module of which some names mean something else."""

    def __init__(self, module: types.ModuleType, **others: Any) -> None:
        super().__init__(module.__name__)
        self._module = module
        vars(self).update(others)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)
