"""A finished run, loaded again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from recbole_dtlns.compat import trusted_load
from recbole_dtlns.config import Config
from recbole_dtlns.data.build import build_split
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.inferred import read_inferred
from recbole_dtlns.identification import identify
from recbole_dtlns.plugins import load_plugins
from recbole_dtlns.run_folder import INFERRED, cache_folder
from recbole_dtlns.trainer import CHECKPOINT
from recbole_dtlns.training import prepare


def load_data_and_model(run_dir: str | Path) -> tuple[Config, Any, Any, Any, Any, Any]:
    """Load a finished run: the counterpart of RecBole's function of this name.

    Args:
        run_dir: folder of a run that kept its checkpoint.

    Returns:
        config, model (best epoch, in evaluation mode), dataset, train_data, valid_data, test_data.

    Raises:
        UserError: the folder holds no checkpoint, or the data is no longer what the run was trained on.
    """

    path = Path(run_dir) / CHECKPOINT
    if not path.is_file():
        raise UserError(f"{run_dir} holds no {CHECKPOINT}, so there is no trained model in it.")
    with trusted_load():
        checkpoint = torch.load(path, map_location="cpu")
    config = checkpoint["config"]
    load_plugins(config.settings.plugins)
    cache_dir = cache_folder(config.settings.cache_dir, config.dataset)
    split = build_split(config, cache_dir)
    inferred = read_inferred(Path(run_dir) / INFERRED) if (Path(run_dir) / INFERRED).is_file() else None
    trees = None
    if config.plan.tree_view:
        trees = identify(split.view, config.settings, config.plan, cache_dir).trees
    prepared = prepare(config, split, inferred, trees)
    prepared.model.load_state_dict(checkpoint["state_dict"])
    prepared.model.load_other_parameter(checkpoint.get("other_parameter"))
    prepared.model.eval()
    return config, prepared.model, split.dataset, prepared.train_data, prepared.valid_data, prepared.test_data
