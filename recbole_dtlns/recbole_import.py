"""When the fixes of `compat` are put in force: as soon as RecBole is imported, by whomever.

Importing this package is light (no torch, no RecBole), so that `--help` answers at once. What it does instead is to
watch for the import of RecBole: the fixes are in force before any module of RecBole can be used.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

INSTALL_RECBOLE = "pip install --no-deps recbole==1.2.1"


def fix_recbole_when_imported() -> None:
    """Put the fixes in force now if RecBole is imported already, else at the moment when it is.

    Raises:
        ImportError: RecBole is not installed; the message holds the command that installs it.
    """
    if "recbole" in sys.modules:
        _apply()
        return
    if importlib.util.find_spec("recbole") is None:
        raise ImportError(
            "recbole_dtlns extends RecBole 1.2.1, which is not installed. pip cannot resolve RecBole's pin of ray on "
            f"Python 3.12 and later, so install it without its dependencies (ours cover them):\n    {INSTALL_RECBOLE}"
        )
    if not any(isinstance(finder, _RecBoleFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _RecBoleFinder())


def _apply() -> None:
    from recbole_dtlns import compat

    compat.apply()


class _RecBoleFinder(MetaPathFinder):
    """Finds the package `recbole` where the other finders do, and has the fixes follow its import."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of `recbole`; None for any other name, its submodules among them."""
        if fullname != "recbole":
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        specs = (finder.find_spec(fullname, path, target) for finder in others)
        spec = next((spec for spec in specs if spec is not None), None)
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = _followed_by_fixes(spec.loader.exec_module)  # type: ignore[method-assign,assignment]
        return spec


def _followed_by_fixes(stock: Callable[[ModuleType], None]) -> Callable[[ModuleType], None]:
    def exec_module(module: ModuleType) -> None:
        stock(module)
        _apply()

    return exec_module
