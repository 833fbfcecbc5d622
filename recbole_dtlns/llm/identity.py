"""What a model on this machine is called and how it is told from another: names and hashes, never its folders."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from recbole_dtlns.files.cache import file_hash

_WEIGHTS = frozenset({".safetensors", ".bin", ".pt", ".pth"})
_SETTINGS = frozenset({".json", ".jinja", ".model", ".txt", ".tiktoken"})
_SAMPLE = 1_000_000


def file_identity(path: Path) -> str:
    """`sha256:` and the hash of a whole file, 64 hexadecimal digits."""
    return f"sha256:{file_hash(path)}"


def folder_identity(folder: Path) -> str:
    """`sha256:` and a hash over a model's folder, 64 hexadecimal digits.

    Hashed, in the order of their names: of configuration, tokenizer and chat template files (`.json`, `.jinja`,
    `.model`, `.txt`, `.tiktoken`) name and content; of weight files (`.safetensors`, `.bin`, `.pt`, `.pth`) name, size
    and the first and last million bytes, so that models of many GB cost no minutes. Other files and sub-folders do not
    count.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if path.suffix not in _WEIGHTS | _SETTINGS or not path.is_file():
            continue
        content = path.read_bytes() if path.suffix in _SETTINGS else _ends(path)
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        digest.update(content)
    return f"sha256:{digest.hexdigest()}"


def _ends(path: Path) -> bytes:
    with path.open("rb") as file:
        first = file.read(_SAMPLE)
        file.seek(max(path.stat().st_size - _SAMPLE, 0), os.SEEK_SET)
        return first + file.read()
