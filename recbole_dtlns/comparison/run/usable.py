"""Whether a `result.json` can stand in tables and be calculated with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recbole_dtlns.errors import UserError
from recbole_dtlns.files.run_folder import RESULT, read_result

WHAT_TO_DO = "Remove that folder to run it again, or choose another run_dir."
# Fields without which a result.json cannot stand in any table, and their types.
_FIELDS: dict[str, tuple[type, ...]] = {
    "model": (str,),
    "dataset": (str,),
    "judge": (str,),
    "protocol": (str,),
    "seed": (int,),
    "best_valid_result": (dict, type(None)),
    "data": (dict,),
    "seconds": (dict,),
    "versions": (dict,),
    "config": (dict,),
    "marks": (list,),
}


def usable_result(folder: Path) -> dict[str, Any]:
    """The `result.json` of a folder.

    Raises:
        UserError: it is not JSON, or a field, or a value in it that is calculated with, is missing or of another type.
    """
    result = read_result(folder)
    path = folder / RESULT
    if not isinstance(result, dict):
        raise UserError(f"{path} is damaged: it holds no object. {WHAT_TO_DO}")
    wrong = [name for name, kinds in _FIELDS.items() if not isinstance(result.get(name), kinds)]
    wrong = wrong or _wrong_values(result)
    if wrong:
        raise UserError(f"{path} is damaged: missing or of the wrong type: {', '.join(wrong)}. {WHAT_TO_DO}")
    return result


def _wrong_values(result: Mapping[str, Any]) -> list[str]:
    """Names of values inside the fields that tables and comparisons cannot use."""
    wrong = []
    for name in ("seconds", "best_valid_result", "test_result"):
        held = {} if result.get(name) is None else result[name]
        if not isinstance(held, dict):
            wrong.append(name)
        else:
            wrong += [f"{name}.{key}" for key, value in held.items() if not _is_number(value)]
    hashes = ("split_hash", "train_hash")
    wrong += [f"data.{key}" for key in hashes if not isinstance(result["data"].get(key), (str, type(None)))]
    external = result.get("external") or []
    if not isinstance(external, list) or not all(map(_is_external, external)):
        wrong.append("external")
    return wrong


def _is_external(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("kind"), str)
        and isinstance(entry.get("sha256"), (str, type(None)))
    )


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))
