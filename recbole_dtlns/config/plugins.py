"""Samplers, judges and adapters from a user's own files: the only files of a run that are program code."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from hashlib import sha256
from importlib.machinery import SourceFileLoader
from pathlib import Path, PurePath
from types import CodeType
from typing import Any

from recbole_dtlns.config.permissions import is_allowed
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.paths import refuse_blanks

_CONTENT: dict[str, str] = {}
"""SHA-256 of the content that each plugin was loaded with, by the name of its module."""


class _LoaderOf(SourceFileLoader):
    """Runs the content that was hashed; a compiled copy on disk may be of an earlier one."""

    def __init__(self, name: str, path: str, content: bytes) -> None:
        super().__init__(name, path)
        self._content = content

    def get_code(self, fullname: str) -> CodeType:
        """The program, compiled anew."""
        code: CodeType = self.source_to_code(self._content, self.path)
        return code


def load_plugins(names: Any) -> None:
    """Import each of the Python files named, separated by spaces or commas; they add to our tables themselves.

    Raises:
        UserError: a file is missing, has a blank in its path, importing it raises, or it has changed since this process
            loaded it.
    """
    listed = plugin_names(names)
    refuse_blanks("plugins", str(names or ""), listed)
    for name in listed:
        path = Path(name)
        if not path.is_file():
            several = " Blanks and commas separate files." if len(listed) > 1 else ""
            raise UserError(f"plugins: there is no file {name}.{several} Give the path of a Python file.")
        module_name = _module_name(path)
        if module_name in sys.modules:
            _refuse_changed(name, path, module_name)
            continue
        spec = importlib.util.spec_from_file_location(module_name, path.resolve())
        if spec is None or spec.loader is None:
            raise UserError(f"plugins: {name} is not a Python file.")
        try:
            content = path.read_bytes()
            if isinstance(spec.loader, SourceFileLoader):
                spec.loader = _LoaderOf(module_name, str(path.resolve()), content)
            module = importlib.util.module_from_spec(spec)
            sys.modules[module_name] = module
            _CONTENT[module_name] = sha256(content).hexdigest()
            spec.loader.exec_module(module)
        except Exception as error:
            sys.modules.pop(module_name, None)
            is_ours = isinstance(error, UserError)
            what = f"{name}: {error}" if is_ours else f"importing {name} raised {type(error).__name__}: {error}"
            raise UserError(f"plugins: {what}") from error


def _refuse_changed(name: str, path: Path, module_name: str) -> None:
    """Raise UserError where the program that this process runs is no longer what stands in the file."""
    if _CONTENT.get(module_name) != sha256(path.read_bytes()).hexdigest():
        raise UserError(
            f"plugins: {name} has changed since this process loaded it, and what was loaded would run. Start a new "
            "process (in a notebook: restart the kernel)."
        )


def load_allowed(named: Any, given: Any, allowed: bool, where: str) -> None:
    """Import the plugins that the user gave, else those that a file names where the user allows it.

    Args:
        named: plugins that a file names; None: none.
        given: plugins of the command line or of Python, which win; None: none.
        allowed: `allow_plugins`.
        where: the file, for the message.

    Raises:
        UserError: a file names plugins that are neither allowed nor loaded, or as `load_plugins`.
    """
    if given is not None:
        load_plugins(given)
    elif allowed or are_loaded(named):
        load_plugins(named)
    else:
        raise UserError(
            f"{where} names plugins, {', '.join(plugin_names(named))}. They are program code, so a file alone never "
            f"loads them. If you trust them, repeat the command with --allow_plugins, or name them yourself: "
            f"--plugins={','.join(plugin_names(named))}"
        )


def load_named(*given: Mapping[str, Any] | None, named: Any, where: str) -> None:
    """`load_allowed` with `plugins` and `allow_plugins` from flags or keys of Python, the first that has them."""
    own = next((keys["plugins"] for keys in given if keys and "plugins" in keys), None)
    load_allowed(named, own, is_allowed("allow_plugins", *given), where)


def are_loaded(names: Any) -> bool:
    """Whether each of the files has been imported already; true where there are none."""
    return all(_module_name(Path(name)) in sys.modules for name in plugin_names(names))


def loaded_content(names: Any) -> list[tuple[str, str]]:
    """Path and SHA-256 of each of the files named, as it was when it was loaded; those not loaded are left out."""
    contents = ((name, _CONTENT.get(_module_name(Path(name)))) for name in plugin_names(names))
    return [(name, content) for name, content in contents if content is not None]


def content_of(kind: type) -> str | None:
    """What stands for the program of a class from a plugin: SHA-256 of the file, or of all files it derives from.

    None for a class that no plugin has a part in. Modules that a plugin imports do not count.
    """
    modules = dict.fromkeys(base.__module__ for base in kind.__mro__)
    contents = [_CONTENT[module] for module in modules if module in _CONTENT]
    return "+".join(contents) or None


def with_content(about: Mapping[str, Any], kind: type) -> dict[str, Any]:
    """What decides the answers of a class, and under `plugin` its `content_of`, where a plugin has a part in it."""
    content = content_of(kind)
    return dict(about) if content is None else {**about, "plugin": content}


def plugin_names(names: Any) -> list[str]:
    """The files that the key `plugins` names; raises UserError for another value than text."""
    if not isinstance(names, (str, PurePath, type(None))):
        raise UserError(f"plugins={names!r}: expected the path of a Python file, or several with commas between.")
    return str(names or "").replace(",", " ").split()


def _module_name(path: Path) -> str:
    """Two files of one name are two plugins, and one file is loaded once, however its path is written."""
    path = path.resolve()
    return f"recbole_dtlns_plugin_{path.stem}_{sha256(str(path).encode()).hexdigest()[:8]}"
