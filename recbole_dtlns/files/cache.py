"""Stage results on disk, found by what went into them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from recbole_dtlns.files.arrays import save_arrays
from recbole_dtlns.files.partial import partial_path

logger = logging.getLogger(__name__)
CHECKSUMS = "checksums.json"


def content_key(stage: str, parts: Mapping[str, Any]) -> str:
    """Hash of a stage's name and of everything that decides its result (JSON values), 16 hexadecimal digits."""
    text = json.dumps([stage, dict(parts)], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write_atomically(path: Path, content: bytes | Iterable[bytes | memoryview]) -> None:
    """Write a file, at once or in pieces, that is either whole or absent, also after a crash.

    Raises:
        OSError: it cannot be written; the error names the file, and what was there before is there still.
    """
    partial = partial_path(path)
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as file:
                file.writelines([content] if isinstance(content, bytes) else content)
            partial.replace(path)
        finally:
            with contextlib.suppress(OSError):
                partial.unlink()


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let every OSError inside the block name the file that was to be written, which a full disk's does not."""
    try:
        yield
    except OSError as error:
        if error.errno is not None:
            error.filename, error.filename2 = str(path), None
        raise


def file_hash(path: Path) -> str:
    """SHA-256 of a whole file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_checksums(folder: Path) -> None:
    """Write the hash of every file of a finished folder into its `checksums.json`."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != CHECKSUMS)
    hashes = {path.relative_to(folder).as_posix(): file_hash(path) for path in files}
    write_atomically(folder / CHECKSUMS, json.dumps(hashes, indent=1).encode())


def damage(folder: Path) -> str | None:
    """Why the files of a folder are not those of its `checksums.json`; None where they are. O(bytes)."""
    try:
        hashes = dict(json.loads((folder / CHECKSUMS).read_text(encoding="utf-8")))
        for name, expected in hashes.items():
            if file_hash(folder / name) != expected:
                return f"{name} has another checksum than when it was written"
    except (OSError, ValueError, TypeError) as error:
        return f"{CHECKSUMS} or a file that it names cannot be read: {error}"
    return None


def set_aside(folder: Path) -> None:
    """Remove a folder at once under its name; a process that reads it keeps what it has opened."""
    aside = partial_path(folder.with_name(f"{folder.name}.{uuid.uuid4().hex[:8]}"))
    with contextlib.suppress(FileNotFoundError):  # another process was first
        folder.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)


def publish(partial: Path, folder: Path) -> None:
    """Give a finished folder its name; where another process was first, its result counts, as it is the same."""
    try:
        partial.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


class StageCache:
    """One folder of `STAGE-KEY.npz` files, each with a readable `.json` beside it that holds its checksum."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def load(self, stage: str, key: str) -> dict[str, np.ndarray] | None:
        """Return the arrays saved under the key, or None; a damaged file counts as absent and is reported."""
        path = self._path(stage, key)
        if not path.is_file():
            return None
        try:
            expected = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["sha256"]
            if file_hash(path) != expected:
                raise ValueError("its checksum is not the one written beside it")
            with np.load(path, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays.files}
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("The cached stage %s cannot be trusted (%s); it is computed again.", path, error)
            return None

    def save(self, stage: str, key: str, arrays: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> Path:
        """Save named arrays (no objects) and, in a `.json` beside them, what they were made from."""
        path = self._path(stage, key)
        partial = partial_path(path, ".npz")
        with naming(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                save_arrays(partial, arrays)
                described = {**about, "sha256": file_hash(partial)}
                # The checksum first: who reads in between takes no healthy file for a damaged one.
                write_atomically(path.with_suffix(".json"), json.dumps(described, indent=1, default=str).encode())
                partial.replace(path)
            finally:
                with contextlib.suppress(OSError):
                    partial.unlink()
        return path

    def _path(self, stage: str, key: str) -> Path:
        return self.folder / f"{stage}-{key}.npz"
