"""Both trees as files in the form of the authors' `*_paths.txt`, which `codes_co` and `codes_se` read again."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

from recbole_dtlns.errors import UserError
from recbole_dtlns.files.cache import write_atomically
from recbole_dtlns.files.origin import sidecar
from recbole_dtlns.files.partial import clear_partials
from recbole_dtlns.trees.codes import CodeTable, write_codes
from recbole_dtlns.trees.stage import Trees

logger = logging.getLogger(__name__)

CO_FILE, SE_FILE = "co_paths.txt", "emb_paths.txt"


def check_folder(key: str, folder: str | None) -> None:
    """Raise UserError, before any work, where the folder that `key` names cannot be made or written."""
    if folder is None:
        return
    there = next(path for path in (Path(folder).absolute(), *Path(folder).absolute().parents) if path.exists())
    if not there.is_dir():
        named = folder if there == Path(folder).absolute() else f"{folder}: {there}"
        raise UserError(f"{key}={named} is a file; expected a folder, which is made where it is missing.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UserError(f"{key}={folder}: {there} cannot be written. Name another folder.")


def export_codes(folder: str, trees: Trees, train_hash: str, about: dict[str, Any]) -> None:
    """Write both trees, and beside each a `.json` that holds `train_hash` and what the tree was made from.

    Args:
        folder: where `co_paths.txt` (structural) and `emb_paths.txt` (semantic) go.
        trees: both.
        train_hash: identity of the training split; another split refuses the files.
        about: what decided the trees, JSON values.

    Raises:
        UserError: a token with a line end, or the folder cannot be written.
    """
    clear_partials(Path(folder))
    for name, table, source in ((CO_FILE, trees.co, "item graph"), (SE_FILE, trees.se, trees.vector_origin)):
        write_tree(Path(folder) / name, table, {**about, "source": source, "train_hash": train_hash})
    logger.info("Wrote the codes of both trees to %s and %s in %s.", CO_FILE, SE_FILE, folder)


def write_tree(path: Path, table: CodeTable, about: dict[str, Any]) -> None:
    """Write a tree, and a `.json` beside it with its number of items and what is known `about` it, JSON values.

    Raises:
        UserError: a token with a line end, or the files cannot be written.
    """
    broken = [token for token in table.tokens[table.lengths > 0].tolist() if {"\n", "\r"} & set(token)]
    if broken:
        raise UserError(f"Codes: the item {broken[0]!r} holds a line end, and a line stands for an item.")
    try:
        sidecar(path).unlink(missing_ok=True)
        write_codes(path, table)
        described = {**about, "items": int((table.lengths > 0).sum())}
        write_atomically(sidecar(path), json.dumps(described, indent=1, default=str).encode())
    except OSError as error:
        raise UserError(f"The codes {path} cannot be written ({error.strerror}).") from error
