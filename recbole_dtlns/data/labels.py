"""Interactions with a label of 0, or a rating below `threshold`, that would count as positives all the same."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from recbole.data.dataloader import UserDataLoader
from recbole.data.utils import get_dataloader
from recbole.utils import InputType, ModelType

from recbole_dtlns.data.atomic_check import AtomicContents
from recbole_dtlns.errors import UserError

logger = logging.getLogger(__name__)


def positive_from(config: Any) -> dict[str, float]:
    """Fields that say whether an interaction is a positive one, and the least value of these: labels, thresholds."""
    bounds = {str(config["LABEL_FIELD"]): math.nextafter(0, 1)}
    return bounds | {str(name): float(value) for name, value in (config["threshold"] or {}).items()}


def reads_labels(config: Any) -> bool:
    """Whether the model is trained on labels: a pointwise one for which no negatives are drawn."""
    return (
        config["MODEL_INPUT_TYPE"] == InputType.POINTWISE
        and config["MODEL_TYPE"] != ModelType.TRADITIONAL
        and not (config["MODEL_TYPE"] == ModelType.SEQUENTIAL and config["loss_type"] == "CE")  # over all items
        and config["train_neg_sample_args"]["distribution"] == "none"
        and get_dataloader(config, "train") is not UserDataLoader
    )


def check_labels(config: Any, dataset: Any) -> None:
    """Find out, before anything is computed, whether labels are there and mean what the run takes them for.

    Args:
        config: our configuration.
        dataset: RecBole's, loaded and filtered, not built; its `checked_files` say what the files held.

    Raises:
        UserError: labels are read and there are none; or interactions with label 0 would be positives and
            `ignore_labels` does not ask for that.
    """
    label, threshold, frame = config["LABEL_FIELD"], config["threshold"], dataset.inter_feat
    files = list(getattr(dataset, "checked_files", {}).values())
    labelled = "labeled" in config["eval_args"]["mode"].values()
    if label not in frame and (labelled or reads_labels(config)):
        raise UserError(_no_labels(config, frame, labelled))
    if labelled and reads_labels(config):
        return
    below = _sum_by_name(files)
    field = next(iter(threshold), label) if threshold else label
    if label in frame:
        count, of = (_not_positive(dataset, label) if below.get(field) else 0), len(frame)
    else:
        count, of = below.get(label, 0), sum(contents.rows for contents in files if label in contents.header.types)
    if count == 0:
        return
    meant = label in frame or "LABEL_FIELD" in config.external_config_dict
    message = _message(config, files, field, count, of)
    if meant and not config.settings.ignore_labels:
        raise UserError(f"{message} To take them as positives all the same, set ignore_labels=true.")
    logger.warning(message)


def _not_positive(dataset: Any, label: str) -> int:
    """Interactions whose label is 0 or less; tokens are numbers by then."""
    values = dataset.inter_feat[label]
    if label in dataset.field2id_token:
        values = np.asarray(dataset.field2id_token[label])[values].astype(np.float64)
    return int((values <= 0).sum())


def _sum_by_name(files: Iterable[AtomicContents]) -> dict[str, int]:
    total: dict[str, int] = {}
    for contents in files:
        for name, count in contents.below.items():
            total[name] = total.get(name, 0) + count
    return total


def _message(config: Any, files: Iterable[AtomicContents], field: str, count: int, of: int) -> str:
    threshold: Mapping[str, float] = config["threshold"] or {}
    what = f"{field} below {threshold[field]:g} (threshold)" if field in threshold else f"{field} 0 (LABEL_FIELD)"
    if config["benchmark_filename"] is not None:
        cure = "delete their lines (RecBole filters nothing in files that are split already)"
    else:
        kinds = [contents.header.types[field] for contents in files if field in contents.header.types]
        kept = f"'[{threshold[field]:g},inf)'" if field in threshold else "'(0,inf)'"
        loaded = (config["load_col"] or {}).get("inter", "*")
        names = [] if loaded == "*" or field in loaded else [*loaded, field]
        load = f"--load_col=\"{{'inter': {names}}}\" " if names else ""
        cure = f"give {load}--val_interval=\"{{'{field}': {kept if kinds[:1] != ['token'] else ['1']}}}\""
    return (
        f"{count} of {of} interactions have {what}, and {config['model']} with eval_args.mode "
        f"{config['eval_args']['mode']['test']} trains on them and ranks them as positives like all others. To leave "
        f"them out, {cure}."
    )


def _no_labels(config: Any, frame: Any, labelled: bool) -> str:
    label, rating = config["LABEL_FIELD"], config["RATING_FIELD"]
    why = "eval_args.mode is labeled" if labelled else f"{config['model']} learns labels (no negatives are drawn)"
    return (
        f"{why}, but the interactions have no {label} (LABEL_FIELD); loaded are {', '.join(map(str, frame.columns))}. "
        f"Name the field in load_col, or make labels of a rating: --threshold=\"{{'{rating}': 3}}\" with {rating} in "
        "load_col. Without labels, let negatives be drawn (train_neg_sample_args) and rank with eval_args.mode full."
    )
