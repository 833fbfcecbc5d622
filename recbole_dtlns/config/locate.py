"""Where the files of a data set are, or where they will be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from recbole_dtlns.config.nearest import near_names
from recbole_dtlns.config.recbole_files import recbole_folder
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.paths import user_path

PARTS = ("train", "valid", "test")
Kind = Literal["atomic", "text", "bundled", "download"]
BUNDLED = "ml-100k"
DOWNLOAD_ALIASES = {"amazon-sports": "amazon-sports-outdoors", "amazon-toys": "amazon-toys-games"}


@dataclass(frozen=True)
class DataLocation:
    """One data set on disk, or on its way there.

    Attributes:
        kind: `atomic` (RecBole's files), `text` (`train.txt` ...), `bundled` (inside RecBole) or `download`.
        name: the name that RecBole must use; the files of `folder` are called so.
        folder: where the files are or will be; RecBole's final `data_path`.
        presplit: whether train, valid and test are files of their own, so that RecBole splits and filters nothing.
    """

    kind: Kind
    name: str
    folder: Path
    presplit: bool


def locate(
    dataset: str,
    data_path: str | None,
    default_data_path: str = "dataset",
    benchmark_filename: Sequence[str] | None = None,
) -> DataLocation:
    """Find a data set by name.

    In this order: the folder of that name under `data_path` (if set); RecBole's bundled `ml-100k`; the folder under
    the default path (if `data_path` is not set), as stock RecBole would; RecBole's download table. Names in
    DOWNLOAD_ALIASES are looked up under both names. Nothing is written or fetched.

    Args:
        dataset: the name as the user typed it.
        data_path: what the user set, or None.
        default_data_path: where RecBole keeps downloads.
        benchmark_filename: the user's own names of pre-split parts, if set.

    Raises:
        UserError: unknown name, a path in place of a name, or a folder without usable files.
    """
    _refuse_paths(dataset)
    root = user_path(default_data_path if data_path is None else data_path)
    names = [dataset, *([DOWNLOAD_ALIASES[dataset]] if dataset in DOWNLOAD_ALIASES else [])]
    if not (data_path is None and dataset == BUNDLED):
        for name in names:
            if (root / name).exists():
                return _inside(root / name, name, benchmark_filename)
    if dataset == BUNDLED and data_path is not None and not root.is_dir():
        raise UserError(f"data_path={data_path}: there is no such folder. Name the folder above that of {dataset}.")
    if dataset == BUNDLED:
        return DataLocation("bundled", BUNDLED, recbole_folder() / "dataset_example" / BUNDLED, False)
    _refuse_path_one_too_deep(root, dataset)
    if names[-1] in known_downloads():
        return DataLocation("download", names[-1], root / names[-1], False)
    raise UserError(_unknown(dataset, root, data_path is not None))


def known_downloads() -> list[str]:
    """Names in RecBole's download table."""
    return list(yaml.safe_load((recbole_folder() / "properties/dataset/url.yaml").read_text(encoding="utf-8")))


def how_to_supply(name: str) -> str:
    """The sentence that says how a user supplies files of their own."""
    return (
        f"To supply the files yourself, put train.txt, valid.txt and test.txt (`user item` or `user item item ...` a "
        f"line), or RecBole's {name}.inter or {name}.train.inter, {name}.valid.inter and {name}.test.inter, into a "
        f"folder DATA/{name} and pass --data_path=DATA --dataset={name}."
    )


def _inside(folder: Path, name: str, benchmark: Sequence[str] | None) -> DataLocation:
    """What an existing folder holds; atomic files go before text. Raises UserError for neither."""
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    parts = [f"{name}.{part}.inter" for part in (benchmark or PARTS)]
    if f"{name}.inter" in names and not benchmark:
        return DataLocation("atomic", name, folder, False)
    if set(parts) <= set(names):
        return DataLocation("atomic", name, folder, True)
    if not set(parts) & set(names) and not benchmark and {f"{part}.txt" for part in PARTS} & set(names):
        return DataLocation("text", name, folder, True)
    shown = ", ".join(names[:10]) + (" ..." if len(names) > 10 else "")
    expected = f"{', '.join(parts)} (benchmark_filename)" if benchmark else f"{name}.inter; or {', '.join(parts)}"
    text = "" if benchmark else "; or train.txt, valid.txt and test.txt"
    again = " An interrupted download may have left it: delete the folder to download again."
    raise UserError(
        f"{folder} is {'no folder' if not folder.is_dir() else 'there without usable files'}: found "
        f"{shown or 'nothing'}; expected {expected}{text}. Rename or add the files."
        f"{again if name in known_downloads() and not benchmark else ''}"
    )


def _refuse_paths(dataset: str) -> None:
    """Raise UserError where a path was given as name."""
    path = Path(dataset)
    if path.name != dataset or dataset in {"", "..", "."} or "\\" in dataset:
        advice = f"--data_path={path.parent} --dataset={path.name}" if path.name else "--dataset=NAME"
        raise UserError(f"--dataset={dataset} is no name. Expected the name of a data set: pass {advice}.")


def _refuse_path_one_too_deep(root: Path, dataset: str) -> None:
    """Raise UserError where `root` is itself the data set's folder, before anything is downloaded into it."""
    if any((root / name).is_file() for name in ("train.txt", f"{dataset}.inter", f"{dataset}.train.inter")):
        above = root.resolve()
        raise UserError(
            f"The data path {root} holds data files itself; expected the folder above, with a folder {dataset} in it. "
            f"Pass --data_path={root.parent if root.name else above.parent} --dataset={above.name}."
        )


def _unknown(dataset: str, root: Path, explicit: bool) -> str:
    """Message for a name that nothing stands for."""
    folders = [path.name for path in root.iterdir() if path.is_dir()] if root.is_dir() else []
    near = sorted(near_names(dataset, {*folders, BUNDLED, *DOWNLOAD_ALIASES, *known_downloads()}, most=5))
    return (
        f"The data set {dataset} was not found: no folder {root / dataset}"
        f"{'' if root.is_dir() else f' ({root} does not exist)'}{'' if explicit else ' (data_path is not set)'}, and "
        f"the name is neither bundled with RecBole nor in its download table."
        f"{' Near names: ' + ', '.join(near) + '.' if near else ''} {how_to_supply(dataset)}"
    )
