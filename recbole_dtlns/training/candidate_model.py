"""Candidates from a RecBole recommender that has seen nothing but train."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from recbole.config import Config as StockConfig
from recbole.data import create_dataset
from recbole.data.dataloader import TrainDataLoader
from recbole.data.utils import get_dataloader
from recbole.sampler import Sampler
from recbole.utils import ModelType, get_model, get_trainer, init_seed
from torch.utils.tensorboard import SummaryWriter

from recbole_dtlns.config.config_files import typed
from recbole_dtlns.config.nearest import nearest
from recbole_dtlns.data.tokens import positions, tokens_of
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.run_log import without_tensorboard
from recbole_dtlns.training.ranking import all_scores

logger = logging.getLogger(__name__)

EPOCHS = 50  # a fixed number, as there is nothing held out to stop on; candidate_config may set another


class _ConfigOfItsOwn(StockConfig):
    """RecBole's Config without the command line of the run that asks for candidates."""

    def _load_cmd_line(self) -> dict[str, Any]:
        return {}

    def _load_variable_config_dict(self, config_dict: dict[str, Any]) -> dict[str, Any]:
        """Values as the literals that they spell; RecBole's own reader evaluates text as Python code."""
        return {key: typed(key, value) for key, value in config_dict.items()}


@dataclass(frozen=True)
class TrainedModel:
    """A trained recommender, asked in the view's numbering.

    Attributes:
        model: in evaluation mode.
        users: internal id of each user of the view, int64 [U + 1]; 0 for padding.
        items: internal id of each item of the view, int64 [I + 1]; 0 for padding.
        user_field, item_field: names of the two columns.
        n_items: items of the model, padding included.
    """

    model: Any
    users: np.ndarray
    items: np.ndarray
    user_field: str
    item_field: str
    n_items: int

    def score_block(self, users: np.ndarray) -> np.ndarray:
        """Scores of every item for users int64 [n] of the view: float32 [n, I + 1]; column 0 is meaningless."""
        scores = all_scores(self.model, self.users[users], self.user_field, self.item_field, self.n_items)
        result: np.ndarray = scores.numpy()[:, self.items]
        return result

    def item_embeddings(self) -> np.ndarray | None:
        """The model's item embedding table in the view's order, float [I + 1, C], row 0 padding; None without one."""
        table = getattr(getattr(self.model, "item_embedding", None), "weight", None)
        if table is None or len(table) < len(self.items):
            return None
        rows: np.ndarray = table.detach().cpu().numpy()[self.items].copy()
        rows[0] = 0
        return rows


def train_candidate_model(name: str, view: TrainSplit, keys: Mapping[str, Any]) -> TrainedModel:
    """Train a RecBole general recommender on every training pair for a fixed number of epochs.

    Args:
        name: of the model.
        view: the training split.
        keys: its configuration, `candidate_config`; nothing of the run's own configuration reaches it.

    Raises:
        UserError: no such general recommender, or a key that it cannot use.
    """
    with tempfile.TemporaryDirectory() as folder:
        config = _configuration(name, view, keys, Path(folder))
        init_seed(config["seed"], config["reproducibility"])
        train = create_dataset(config).build()[0]
        loader = _loader(config, train)
        try:
            model = get_model(name)(config, train).to(config["device"])
            with without_tensorboard():
                trainer = get_trainer(config["MODEL_TYPE"], name)(config, model)
        except (TypeError, ValueError) as error:
            raise UserError(
                f"candidate_config: {name} cannot be made with these keys: {error}. Correct them."
            ) from error
        trainer.tensorboard = SummaryWriter(folder)
        logger.info("Training the candidate model %s on train alone, %d epochs.", name, config["epochs"])
        trainer.fit(loader, None, verbose=False, saved=False, show_progress=config["show_progress"])
        trainer.tensorboard.close()
    return wrap_model(model, train, view)


def wrap_model(model: Any, dataset: Any, view: TrainSplit) -> TrainedModel:
    """A model over RecBole's numbering, to be asked in the view's."""
    model.eval()
    users = positions(tokens_of(dataset, "user"), view.users)
    items = positions(tokens_of(dataset, "item"), view.items)
    return TrainedModel(model, users, items, dataset.uid_field, dataset.iid_field, dataset.item_num)


def _configuration(name: str, view: TrainSplit, keys: Mapping[str, Any], folder: Path) -> StockConfig:
    home = folder / "train"
    home.mkdir()
    rows, columns = view.matrix.nonzero()
    pairs = "\n".join(map("\t".join, zip(view.users[rows].tolist(), view.items[columns].tolist(), strict=True)))
    (home / "train.inter").write_text(f"user_id:token\titem_id:token\n{pairs}\n", encoding="utf-8")
    fixed = {
        "data_path": str(folder),
        "checkpoint_dir": str(folder / "saved"),
        "eval_args": {"split": {"RS": [1.0, 0.0, 0.0]}, "order": "RO", "group_by": "user", "mode": "full"},
        "load_col": {"inter": ["user_id", "item_id"]},
        "show_progress": False,
    }
    try:
        config = _ConfigOfItsOwn(name, "train", config_dict={"epochs": EPOCHS, **keys, **fixed})
    except (ValueError, KeyError, TypeError, AttributeError, NotImplementedError) as error:
        raise UserError(
            f"candidate_source={name} cannot be configured: {error}. Give EASE, ItemKNN, file or the name of a RecBole "
            "general recommender, and its keys in candidate_config."
        ) from error
    read_keys = {key for listed in config.parameters.values() for key in listed} | set(config.internal_config_dict)
    unknown = [str(key) for key in keys if key not in read_keys]
    if unknown:
        raise UserError(f"candidate_config: unknown key {unknown[0]!r} for {name}{nearest(unknown[0], read_keys)}")
    if config["MODEL_TYPE"] not in {ModelType.GENERAL, ModelType.TRADITIONAL}:
        raise UserError(f"candidate_source={name} is not a general recommender. Give EASE, ItemKNN, BPR, LightGCN, ...")
    return config


def _loader(config: StockConfig, train: Any) -> Any:
    kind = get_dataloader(config, "train")
    drawn = kind is TrainDataLoader and config["train_neg_sample_args"]["distribution"] != "none"
    sampler = Sampler(["train"], [train], "uniform").set_phase("train") if drawn else None
    return kind(config, train, sampler, shuffle=True)
