"""A finished run, loaded again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from recbole_dtlns.compat import trusted_load
from recbole_dtlns.config.plugins import load_plugins
from recbole_dtlns.config.run_config import Config
from recbole_dtlns.data.build import BuiltSplit, build_split
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.inferred import read_inferred
from recbole_dtlns.files.run_folder import INFERRED, cache_folder
from recbole_dtlns.training.assemble import Prepared, prepare
from recbole_dtlns.training.trainer import CHECKPOINT, SPLIT_HASH


@dataclass(frozen=True)
class LoadedRun:
    """A run as it was when it ended.

    Attributes:
        config: its configuration.
        split: its data; `split.parts` are train as it was trained on, valid and test.
        prepared: loaders, trainer, and the model of the best epoch in evaluation mode.
    """

    config: Config
    split: BuiltSplit
    prepared: Prepared


def load_run(run_dir: str | Path) -> LoadedRun:
    """Load a run from its folder; nothing is identified or trained again.

    Raises:
        UserError: the folder holds no readable checkpoint, or the data is no longer what the run was trained on.
    """
    path = Path(run_dir) / CHECKPOINT
    if not path.is_file():
        raise UserError(f"{run_dir} holds no {CHECKPOINT}, so there is no trained model in it.")
    checkpoint = _read(path)
    config = checkpoint["config"]
    config["device"] = torch.device("cuda" if config["use_gpu"] and torch.cuda.is_available() else "cpu")
    load_plugins(config.settings.plugins)
    split = build_split(config, cache_folder(config.settings.cache_dir, config.dataset))
    if checkpoint["other_parameter"].get(SPLIT_HASH) != split.split_hash:
        raise UserError(f"The data of {config.dataset} is no longer what {run_dir} was trained on. Restore the files.")
    inferred = Path(run_dir) / INFERRED
    prepared = prepare(config, split, read_inferred(inferred) if inferred.is_file() else None, None, for_training=False)
    prepared.model.load_state_dict(checkpoint["state_dict"])
    prepared.model.load_other_parameter(on_device(checkpoint["other_parameter"], config["device"]))
    prepared.model.eval()
    return LoadedRun(config, split, prepared)


def load_data_and_model(run_dir: str | Path) -> tuple[Config, Any, Any, Any, Any, Any]:
    """The counterpart of RecBole's function of this name; see `load_run`.

    Args:
        run_dir: folder of a run that kept its checkpoint.

    Returns:
        config, model (best epoch, in evaluation mode), dataset, train_data, valid_data, test_data.
    """
    run = load_run(run_dir)
    ready = run.prepared
    return run.config, ready.model, run.split.dataset, ready.train_data, ready.valid_data, ready.test_data


def on_device(values: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    """The same with every tensor on a device: tables that models keep for evaluation (LightGCN) and counts (Pop)."""
    return {name: value.to(device) if isinstance(value, torch.Tensor) else value for name, value in values.items()}


def _read(path: Path) -> dict[str, Any]:
    try:
        with trusted_load():
            checkpoint: dict[str, Any] = torch.load(path, map_location="cpu")
    except Exception as error:  # torch and pickle raise many kinds for a damaged file
        raise UserError(f"{path} cannot be read ({error}). Restore it, or train again.") from error
    return checkpoint
