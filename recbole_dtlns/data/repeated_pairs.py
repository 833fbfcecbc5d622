"""Interactions that repeat a pair of a user and an item: RecBole may put one into train and the other into test."""

from __future__ import annotations

import logging
from typing import Any

from recbole.utils import ModelType

logger = logging.getLogger(__name__)
KEEP_ONE = "--rm_dup_inter=first keeps one of each"


def is_split_by_rows(config: Any) -> bool:
    """Whether RecBole splits interactions that `rm_dup_inter` may thin out: not files that are split, or sequences."""
    return config["benchmark_filename"] is None and config["MODEL_TYPE"] != ModelType.SEQUENTIAL


def warn_of_repeated_pairs(dataset: Any) -> None:
    """Say how many interactions of a filtered data set, which is not built, have the pair of an earlier one. O(E)."""
    if not is_split_by_rows(dataset.config):
        return
    frame = dataset.inter_feat
    count = int(frame.duplicated([dataset.uid_field, dataset.iid_field]).sum())
    if count:
        logger.warning(
            "%s: %d of %d interactions repeat the user and the item of another one. RecBole may put one into train "
            "and the other into valid or test, where it is no new item: %s.",
            *(dataset.dataset_name, count, len(frame), KEEP_ONE),
        )
