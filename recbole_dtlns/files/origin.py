"""Where an input made elsewhere comes from, and whether it may be used with this training split."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from recbole_dtlns.errors import UserError
from recbole_dtlns.files.result_schema import External


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
        Without marks; `train_hash` is None where the file carries none.

    Raises:
        UserError: the file is missing, its `.json` cannot be read, or it was made from another training split.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{kind}: there is no file {path}. Give the path of an existing file.")
    made_from = _recorded_hash(kind, sidecar(path))
    foreign = made_from is not None and made_from != train_hash
    if foreign and not allow_foreign:
        raise UserError(
            f"{kind}: {path} was made from another training split (train_hash {made_from[:12]}, this run has "  # type: ignore[index]
            f"{train_hash[:12]}), so it may know pairs that are held out here. Make it again from this split, or set "
            "allow_foreign=true to use it and have the result marked."
        )
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


def _recorded_hash(kind: str, about: Path) -> str | None:
    if not about.is_file():
        return None
    try:
        recorded = json.loads(about.read_text(encoding="utf-8"))["train_hash"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{kind}: {about} should be JSON with a train_hash, but reading it gave: {error!r}. Restore the file, or "
            "remove it to use the data without a recorded origin."
        ) from error
    return None if recorded is None else str(recorded)
