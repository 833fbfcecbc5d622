"""Where an input made elsewhere comes from, and whether it may be used with this training split."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recbole_dtlns.errors import UserError
from recbole_dtlns.files.result_schema import External

GROWN_FROM = "grown_from"
"""In the `.json` beside a file: the files that it has grown from, a list of `file`, `sha256` and `train_hash`."""


def sidecar(path: Path) -> Path:
    """The `.json` beside a file that we wrote: `x.tsv` -> `x.tsv.json`."""
    return path.with_name(path.name + ".json")


def external_input(kind: str, path: str | Path, train_hash: str, allow_foreign: bool) -> External:
    """Describe a file made elsewhere for `external` in result.json, or refuse it.

    Args:
        kind: the key that named it: `codes_co`, `judge_file`, `candidate_file`, `item_vectors`, ...
        path: the file.
        train_hash: identity of the training split in use.
        allow_foreign: take a file that was made from another training split all the same.

    Returns:
        Without marks; `train_hash` is None where the file carries none. A file that was made for this split but has
        grown from files of another one is `foreign` too.

    Raises:
        UserError: the file is missing, its `.json` cannot be read, or it was made from another training split.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{kind}: there is no file {path}. Give the path of an existing file.")
    recorded = recorded_origin(kind, sidecar(path))
    made_from = recorded.get("train_hash")
    foreign = made_from is not None and made_from != train_hash
    if foreign and not allow_foreign:
        raise UserError(
            f"{kind}: {path} was made from another training split (train_hash {made_from[:12]}, this run has "  # type: ignore[index]
            f"{train_hash[:12]}), so it may know pairs that are held out here. Make it again from this split, or set "
            "allow_foreign=true to use it and have the result marked."
        )
    foreign = foreign or any(hash_before != train_hash for hash_before in grown_from(recorded))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {
        "kind": kind,
        "file": path.name,
        "sha256": digest,
        "train_hash": made_from,
        "foreign": foreign,
        "marks": None,
        "dropped": None,
    }


def recorded_threshold(path: str | Path, kind: str) -> float | None:
    """The lowest probability that was accepted where a file of verdicts was made by the same kind of decision.

    None where the `.json` beside the file says nothing of it.
    """
    about = sidecar(Path(path))
    recorded = json.loads(about.read_text(encoding="utf-8")) if about.is_file() else {}
    decision = recorded.get("decision") if isinstance(recorded, dict) else None
    if not isinstance(decision, dict) or decision.get("kind") != kind:
        return None
    threshold = decision.get("threshold")
    return float(threshold) if isinstance(threshold, (int, float)) and 0 <= threshold <= 1 else None


def grown_from(recorded: Mapping[str, Any]) -> list[str | None]:
    """The `train_hash` of each file that a file has grown from, the first one first; None = it carried none.

    Args:
        recorded: what stands in the `.json` beside the file.
    """
    return [entry.get("train_hash") if isinstance(entry, dict) else None for entry in earlier_files(recorded)]


def earlier_files(recorded: Mapping[str, Any]) -> list[Any]:
    """The files that a file has grown from, as they stand in the `.json` beside it; a value that is no list is one."""
    earlier = recorded.get(GROWN_FROM)
    return earlier if isinstance(earlier, list) else [] if earlier is None else [earlier]


def recorded_origin(kind: str, about: Path) -> dict[str, Any]:
    """What the `.json` beside a file says, with its `train_hash` as text or None; empty where there is none."""
    if not about.is_file():
        return {}
    try:
        recorded = dict(json.loads(about.read_text(encoding="utf-8")))
        made_from = recorded["train_hash"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{kind}: {about} should be JSON with a train_hash, but reading it gave: {error!r}. Restore the file, or "
            "remove it to use the data without a recorded origin."
        ) from error
    return {**recorded, "train_hash": None if made_from is None else str(made_from)}
