"""RecBole's reading of atomic files, with every file checked before and its rows counted after."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from recbole.utils import ModelType

from recbole_dtlns.data.atomic_check import AtomicContents, Wanted, check_atomic
from recbole_dtlns.data.atomic_header import AtomicFormat, AtomicHeader
from recbole_dtlns.data.labels import positive_from
from recbole_dtlns.data.time_order import warn_of_lost_order
from recbole_dtlns.errors import UserError

# What a file must have, by its ending: the keys that name the fields.
_REQUIRED = {
    "inter": ("USER_ID_FIELD", "ITEM_ID_FIELD"),
    "user": ("USER_ID_FIELD",),
    "item": ("ITEM_ID_FIELD",),
    "kg": ("HEAD_ENTITY_ID_FIELD", "TAIL_ENTITY_ID_FIELD", "RELATION_ID_FIELD"),
    "link": ("ITEM_ID_FIELD", "ENTITY_ID_FIELD"),
}


def load_checked(
    stock: Callable[..., Any],
    dataset: Any,
    path: Path,
    source: Any,
    fast_parser: Callable[[int], AbstractContextManager[None]],
) -> Any:
    """`Dataset._load_feat`, which `stock` is, between two checks.

    What each file held is kept in `dataset.checked_files`, by path.

    Args:
        stock: RecBole's own method.
        dataset: the data set that reads.
        path: the file.
        source: RecBole's `FeatureSource`, or the ending of the file.
        fast_parser: within it RecBole reads a plain file of so many rows faster.

    Raises:
        UserError: the file is malformed, lacks a field, or RecBole reads other rows than it holds.
    """
    ending = str(getattr(source, "value", source))
    loaded = columns_to_load(dataset.config, ending)
    if loaded == []:
        return stock(dataset, str(path), source)  # RecBole does not open it
    checked = vars(dataset).setdefault("checked_files", {})
    if path not in checked:  # a part may stand for all three
        checked[path] = check_file(dataset.config, path, ending)
    contents = checked[path]
    parser = fast_parser(contents.rows) if contents.plain else nullcontext()
    with _encoding(dataset.config, path), _in_our_words(contents.header), parser:
        frame = stock(dataset, str(path), source)
    if frame is not None and len(frame) != contents.rows:
        raise UserError(
            f"{path} has {contents.rows} rows and RecBole reads {len(frame)} of them. Expected one row a line: look "
            "for quotation marks and odd characters, or send the file with a report of this fault."
        )
    sorted_before = dataset.config["rm_dup_inter"]  # by RecBole, in 64 bits
    if ending == "inter" and frame is not None and not sorted_before and _is_ordered(dataset.config):
        warn_of_lost_order(path, frame, dataset.config["USER_ID_FIELD"], dataset.config["TIME_FIELD"])
    return frame


def check_file(config: Any, path: Path, ending: str) -> AtomicContents:
    """Check one file for a configuration, RecBole's or ours; `ending` is `inter`, `user`, ...

    Raises:
        UserError: the file is malformed or lacks a field.
    """
    loaded = columns_to_load(config, ending)
    ids = {config[key] for key in _REQUIRED.get(ending, ()) if config[key]}
    presplit = config["benchmark_filename"] is not None
    empty_ids = not presplit and ending in {"inter", "user", "item"}
    once = config[_REQUIRED[ending][0]] if ending in {"user", "item", "link"} else None
    wanted = Wanted(loaded, ids, once, empty_ids, positive_from(config) if ending == "inter" else {})
    contents = check_atomic(path, atomic_format(config), wanted)
    _check_fields(config, contents.header, ending, loaded)
    return contents


def missing_features(config: Any, folder: Path, name: str) -> list[str]:
    """A line for each `.user` or `.item` file whose fields the user's `load_col` names and that a folder lacks."""
    given = getattr(config, "external_config_dict", {}).get("load_col") or {}
    paths = {ending: folder / f"{name}.{ending}" for ending in ("user", "item") if given.get(ending)}
    return [
        f"load_col names {given[ending]} under {ending}, but there is no file {path}: RecBole goes without them."
        for ending, path in paths.items()
        if folder.is_dir() and not path.is_file()
    ]


def files_to_read(config: Any, folder: Path, name: str) -> list[tuple[Path, str]]:
    """Files of a folder that RecBole will read for a configuration, with their endings."""
    parts = config["benchmark_filename"] or [""]
    files = [(folder / ".".join(filter(None, (name, part, "inter"))), "inter") for part in parts]
    endings = ["user", "item", *(config["additional_feat_suffix"] or [])]
    if config["MODEL_TYPE"] == ModelType.KNOWLEDGE:
        endings += ["kg", "link"]
    files += [(folder / f"{name}.{ending}", ending) for ending in endings]
    return [(path, ending) for path, ending in files if path.is_file() and columns_to_load(config, ending) != []]


def atomic_format(config: Any) -> AtomicFormat:
    """Separators and encoding of a configuration."""
    return AtomicFormat(config["field_separator"], config["seq_separator"], config["encoding"] or "utf-8")


def columns_to_load(config: Any, ending: str) -> list[str] | None:
    """Fields of the files with an ending that `load_col` and `unload_col` name; None: all; empty: no file is read.

    With `unload_col` alone the answer is None too: what is not loaded is checked all the same.
    """
    if config["load_col"] is None:
        return None
    named = config["load_col"].get(ending, [])
    return None if named == "*" else list(named)


def _check_fields(config: Any, header: AtomicHeader, ending: str, loaded: list[str] | None) -> None:
    """Raise UserError if a field that RecBole needs is not in the header, not loaded, or no token."""
    unloaded = set((config["unload_col"] or {}).get(ending, ()))
    for key in _REQUIRED.get(ending, ()):
        name = config[key]
        if name is None:
            continue
        if name not in header.types:
            raise header.error(
                f"has the fields {', '.join(header.names)}; expected {name}:token ({key}).",
                f"Set {key} to the name of that field here, or rename it. The separator is "
                f"{config['field_separator']!r} (field_separator).",
            )
        if header.types[name] != "token":
            raise header.error(f"has {name} ({key}) as {header.types[name]}; expected {name}:token.", "Correct it.")
        if (loaded is not None and name not in loaded) or name in unloaded:
            raise UserError(f"load_col leaves out {name} ({key}) of {header.path}. Name it under {ending} in load_col.")
    absent = [name for name in loaded or [] if name not in header.types]
    given = getattr(config, "external_config_dict", {})
    if absent and "load_col" in given:
        raise header.error(
            f"lacks {', '.join(absent)}, which load_col names; it has {', '.join(header.names)}.", "Correct load_col."
        )
    if ending == "inter":
        _check_time(config, header, loaded, unloaded)


def _check_time(config: Any, header: AtomicHeader, loaded: list[str] | None, unloaded: set[str]) -> None:
    """Raise UserError if interactions are put in the order of their times, and these are not loaded."""
    if not _is_ordered(config):
        return
    sequential = config["MODEL_TYPE"] == ModelType.SEQUENTIAL
    name = config["TIME_FIELD"]
    why = f"{config['model']} reads sequences" if sequential else "eval_args.order is TO"
    if name not in header.types:
        raise header.error(
            f"has no {name} (TIME_FIELD), but {why}. Found {', '.join(header.names)}.",
            "Set TIME_FIELD to the field that holds the time"
            f"{', or choose a model that needs none' if sequential else ', or order: RO'}.",
        )
    if header.types[name] != "float":
        raise header.error(
            f"has {name} (TIME_FIELD) as {header.types[name]}, but {why}, and RecBole keeps tokens in the "
            f"order of the file. Expected {name}:float.",
            "Write the times as numbers, such as seconds since 1970.",
        )
    if (loaded is not None and name not in loaded) or name in unloaded:
        raise UserError(
            f"load_col leaves out {name} (TIME_FIELD) of {header.path}, but {why}. Name it in load_col, for example "
            f"--load_col=\"{{'inter': ['{config['USER_ID_FIELD']}', '{config['ITEM_ID_FIELD']}', '{name}']}}\"."
        )


def _is_ordered(config: Any) -> bool:
    """Whether RecBole puts interactions in the order of their times."""
    by_time = config["MODEL_TYPE"] == ModelType.SEQUENTIAL or config["eval_args"]["order"] == "TO"
    return config["benchmark_filename"] is None and by_time


@contextmanager
def _encoding(config: Any, path: Path) -> Iterator[None]:
    """UTF-8 unless `encoding` says otherwise, with or without a byte-order mark."""
    before = config["encoding"]
    with path.open("rb") as file:
        marked = file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8
    if before is None or (marked and codecs.lookup(before).name == "utf-8"):
        config["encoding"] = "utf-8-sig" if marked else "utf-8"
    try:
        yield
    finally:
        config["encoding"] = before


@contextmanager
def _in_our_words(header: AtomicHeader) -> Iterator[None]:
    """What RecBole and pandas raise over a file, with its name and header."""
    try:
        yield
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError) as error:
        complaint = error.args[0] if error.args else error
        raise UserError(
            f"RecBole cannot read {header.path}: {complaint}. The header is {header.line[:200]!r}; expected values of "
            "the types that it names, and in load_col names that it has."
        ) from error
