"""A finished run, loaded again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from recbole_dtlns.config.config_files import read_yaml
from recbole_dtlns.config.plugins import load_allowed
from recbole_dtlns.config.run_config import Config
from recbole_dtlns.data.build import BuiltSplit, build_split
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.inferred import read_inferred
from recbole_dtlns.files.run_checksums import refuse_changed
from recbole_dtlns.files.run_folder import CHECKPOINT, CONFIG, INFERRED, cache_folder
from recbole_dtlns.files.run_log import without_tensorboard
from recbole_dtlns.files.saved_state import read_state, trusting
from recbole_dtlns.training.assemble import Prepared, prepare
from recbole_dtlns.training.trainer import RUN_CONFIG, SPLIT_HASH


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


class _RunConfig(Config):
    """The configuration of a finished run, from the keys that it saved."""

    def __init__(self, saved: Mapping[str, Any], model: Any) -> None:
        self._saved = dict(saved)
        super().__init__(self._saved.pop("model") if model is None else model, self._saved.pop("dataset"))

    def _load_config_files(self, file_list: Any) -> dict[str, Any]:
        return dict(self._saved)

    def _check_keys(self) -> None:
        """Nothing to do: the keys were checked when the run began."""


def load_run(
    run_dir: str | Path,
    *,
    model: Any = None,
    plugins: str | None = None,
    allow_plugins: bool = False,
    trust_checkpoint: bool = False,
) -> LoadedRun:
    """Load a run from its folder; nothing is identified or trained again, and no code in the folder runs.

    Args:
        run_dir: folder of a run that kept its checkpoint.
        model: the class of the model where it is neither RecBole's nor ours.
        plugins: Python files that the run needs; None: those that it names, if `allow_plugins` or loaded already.
        allow_plugins: load the plugins that the run names. They are program code.
        trust_checkpoint: read a checkpoint of Python objects, as earlier versions wrote them. It can run code.

    Raises:
        UserError: the folder holds no readable checkpoint, its plugins are not allowed, or the data is no longer what
            the run was trained on.
    """
    path = Path(run_dir) / CHECKPOINT
    if not path.is_file():
        raise UserError(f"{run_dir} holds no {CHECKPOINT}, so there is no trained model in it.")
    with trusting(trust_checkpoint):
        checkpoint = read_state(path, advice="Restore it, or train again.")
        saved = _saved_keys(Path(run_dir), checkpoint)
        load_allowed(saved.get("plugins"), plugins, allow_plugins, str(run_dir))
        config = _config_of(saved, model, run_dir)
        split = build_split(config, cache_folder(config.settings.cache_dir, config.dataset))
        if checkpoint["other_parameter"].get(SPLIT_HASH) != split.split_hash:
            raise UserError(
                f"The data of {config.dataset} is no longer what {run_dir} was trained on. Restore the files."
            )
        inferred = Path(run_dir) / INFERRED
        refuse_changed(inferred, or_missing=True)
        positives = read_inferred(inferred) if inferred.is_file() else None
        with without_tensorboard():
            prepared = prepare(config, split, positives, None, for_training=False)
    prepared.model.load_state_dict(checkpoint["state_dict"])
    prepared.model.load_other_parameter(on_device(checkpoint["other_parameter"], config["device"]))
    prepared.model.eval()
    return LoadedRun(config, split, prepared)


def load_data_and_model(run_dir: str | Path, **options: Any) -> tuple[Config, Any, Any, Any, Any, Any]:
    """The counterpart of RecBole's function of this name.

    Args:
        run_dir: folder of a run that kept its checkpoint.
        options: see `load_run`.

    Returns:
        config, model (best epoch, in evaluation mode), dataset, train_data, valid_data, test_data.
    """
    run = load_run(run_dir, **options)
    ready = run.prepared
    return run.config, ready.model, run.split.dataset, ready.train_data, ready.valid_data, ready.test_data


def _config_of(saved: Mapping[str, Any], model: Any, run_dir: str | Path) -> Config:
    try:
        return _RunConfig(saved, model)
    except UserError as error:
        data_path = saved.get("data_path")
        if isinstance(data_path, str) and not Path(data_path).is_dir():
            raise UserError(
                f"{run_dir} was trained on data in {data_path}, and seen from here ({Path.cwd()}) there is no such "
                f"folder. Start the command where the run was started, or put the data there. ({error})"
            ) from error
        raise


def _saved_keys(run_dir: Path, checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Every key of the run; one of an earlier version has them in its configuration file alone."""
    saved = checkpoint["other_parameter"].get(RUN_CONFIG)
    return dict(read_yaml(run_dir / CONFIG) if saved is None else saved)


def on_device(values: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    """The same with every tensor on a device: tables that models keep for evaluation (LightGCN) and counts (Pop)."""
    return {name: value.to(device) if isinstance(value, torch.Tensor) else value for name, value in values.items()}
