"""Versions of what decides a result."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from recbole_dtlns.version import __version__

_PACKAGES = ("recbole", "torch", "numpy", "scipy", "pandas", "scikit-learn", "transformers", "bitsandbytes")


def versions() -> dict[str, str | None]:
    """Versions of Python, of this package and of what decides a result; None for what is not installed."""
    by_package: dict[str, str | None] = {"python": platform.python_version(), "recbole_dtlns": __version__}
    for name in _PACKAGES:
        try:
            by_package[name] = version(name)
        except PackageNotFoundError:
            by_package[name] = None
    return by_package
