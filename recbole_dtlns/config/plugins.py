"""Samplers, judges and adapters from a user's own files."""

from __future__ import annotations

import importlib.util
import sys
from hashlib import sha256
from pathlib import Path

from recbole_dtlns.errors import UserError


def load_plugins(names: str | None) -> None:
    """Import each of the Python files named, separated by spaces or commas; they add to our tables themselves.

    Raises:
        UserError: a file is missing, or importing it raises.
    """
    for name in (names or "").replace(",", " ").split():
        path = Path(name)
        if not path.is_file():
            raise UserError(f"plugins: there is no file {name}. Give the path of a Python file.")
        path = path.resolve()
        # Two files of one name are two plugins, and one file is loaded once, however its path is written.
        module_name = f"recbole_dtlns_plugin_{path.stem}_{sha256(str(path).encode()).hexdigest()[:8]}"
        if module_name in sys.modules:
            continue
        spec = importlib.util.spec_from_file_location(module_name, path)
        if spec is None or spec.loader is None:
            raise UserError(f"plugins: {name} is not a Python file.")
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            del sys.modules[module_name]
            raise UserError(f"plugins: importing {name} raised {type(error).__name__}: {error}") from error
