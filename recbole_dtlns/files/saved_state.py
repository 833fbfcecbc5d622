"""Saved states (`checkpoint.pth`, `resume.pth`): written whole, with a checksum, and read without running any code.

A file is what `torch.save` writes, a zip archive, whose comment is the SHA-256 of the rest. Every reader of such
archives reads it; ours looks at the checksum first.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import torch

from recbole_dtlns.errors import UserError
from recbole_dtlns.files.cache import write_atomically
from recbole_dtlns.files.plain_values import from_plain, to_plain

_MARK = b"dtlns-sha256:"
_COMMENT_BYTES = len(_MARK) + 64
_BLOCK = 1 << 22
_trusted: ContextVar[bool] = ContextVar("trusted", default=False)


@contextmanager
def trusting(trust: bool) -> Iterator[None]:
    """Inside the block `read_state` reads files of Python objects, which can run code, if `trust` says so."""
    token = _trusted.set(trust)
    try:
        yield
    finally:
        _trusted.reset(token)


def is_trusting() -> bool:
    """Whether the block at work reads files of Python objects."""
    return _trusted.get()


def write_state(path: Path, state: Any, place: str = "the state") -> None:
    """Write a state, whole or not at all. Memory: the size of the file.

    Raises:
        UserError: it holds objects that are neither tensors nor plain values.
        OSError: the file cannot be written.
    """
    content = io.BytesIO()
    torch.save(to_plain(state, place), content)
    buffer = content.getbuffer()
    comment = _MARK + hashlib.sha256(buffer).hexdigest().encode()
    write_atomically(path, [buffer[:-2], len(comment).to_bytes(2, "little"), comment])


def read_state(path: Path, device: Any = "cpu", ours: bool = True, advice: str = "Restore it.") -> Any:
    """Read a state that `write_state` wrote, or any file of tensors and plain values.

    Args:
        path: the file.
        device: where tensors go.
        ours: whether only a file with our checksum is read.
        advice: what to do where the file is damaged.

    Raises:
        UserError: the file is missing, damaged, or (unless within `trusting(True)`) holds Python objects.
    """
    if not path.is_file():
        raise UserError(f"{path} is no file. Give the path of a saved state. {advice}")
    expected, actual = _checksums(path)
    if expected is not None and expected != actual:
        raise UserError(f"{path} is damaged: its checksum is not the one that it was written with. {advice}")
    if expected is None and is_trusting():
        return _read(path, device, advice, weights_only=False)
    if expected is None and ours:
        raise UserError(_refusal(path, "has no checksum: it is damaged, or an earlier version wrote it", advice))
    try:
        return from_plain(_read(path, device, advice, weights_only=True))
    except pickle.UnpicklingError:
        raise UserError(_refusal(path, "holds Python objects, which can run code when they are read", advice)) from None


def _read(path: Path, device: Any, advice: str, weights_only: bool) -> Any:
    try:
        return torch.load(path, map_location=device, weights_only=weights_only)
    except pickle.UnpicklingError as error:
        if weights_only and "eights" in str(error):
            raise
        raise UserError(f"{path} cannot be read ({_first_line(error)}). {advice}") from error
    except Exception as error:  # torch raises many kinds for a damaged file
        raise UserError(f"{path} cannot be read ({_first_line(error)}). {advice}") from error


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:200]}"


def _refusal(path: Path, what: str, advice: str) -> str:
    return f"{path} {what}. {advice} If you made the file yourself, --trust_checkpoint=true reads it all the same."


def _checksums(path: Path) -> tuple[str | None, str]:
    """(the checksum that the file carries, None without; that of its content). O(bytes)."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _COMMENT_BYTES - 2))
        end = file.read()
        marked = len(end) == _COMMENT_BYTES + 2 and end[2 : 2 + len(_MARK)] == _MARK
        if not marked:
            return None, ""
        file.seek(0)
        digest, left = hashlib.sha256(), size - len(end)
        while block := file.read(min(left, _BLOCK)):
            digest.update(block)
            left -= len(block)
    digest.update(b"\0\0" if end[:2] == _COMMENT_BYTES.to_bytes(2, "little") else end[:2])
    return end[2 + len(_MARK) :].decode(errors="replace"), digest.hexdigest()
