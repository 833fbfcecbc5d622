"""Checksums of the files that a finished run leaves: what is read later is what was written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from recbole_dtlns.errors import UserError
from recbole_dtlns.files.cache import CHECKSUMS, file_hash, write_atomically


def write_with_checksums(path: Path, content: bytes, others: Iterable[str]) -> None:
    """Write the last file of a folder, and before it the checksums of it and of the others that are there.

    A folder whose last file is there so has them.
    """
    there = [path.parent / name for name in others if (path.parent / name).is_file()]
    hashes = {path.name: hashlib.sha256(content).hexdigest(), **{other.name: file_hash(other) for other in there}}
    write_atomically(path.parent / CHECKSUMS, (json.dumps(hashes, indent=1) + "\n").encode())
    write_atomically(path, content)


def refuse_changed(path: Path, or_missing: bool = False) -> None:
    """Raise UserError if a file is not as its run wrote it; files that no checksum names are taken as they are.

    Args:
        path: of the file.
        or_missing: whether a file that its run has written and that is gone is refused too.
    """
    listed = path.parent / CHECKSUMS
    if not listed.is_file() or not (or_missing or path.is_file()):
        return
    try:
        expected = dict(json.loads(listed.read_text(encoding="utf-8"))).get(path.name)
    except (ValueError, TypeError):
        raise UserError(f"{listed} is damaged. Restore it, or remove it to go on without checksums.") from None
    if expected is not None and not path.is_file():
        raise UserError(
            f"{path} is missing: its run has written it. Restore it or repeat the run; if you have removed it "
            f"yourself, remove {CHECKSUMS}."
        )
    if expected is not None and expected != file_hash(path):
        raise UserError(
            f"{path} is damaged: it is not as its run has written it. Restore it or repeat the run; if you have "
            f"changed it yourself, remove {CHECKSUMS}."
        )
