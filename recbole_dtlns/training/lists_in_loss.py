"""From the judged lists of the offline stage, by token, to tables in RecBole's ids and their part of the loss."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch

from recbole_dtlns.config.run_config import Config
from recbole_dtlns.data.augmented import positives_matrix
from recbole_dtlns.data.build import BuiltSplit
from recbole_dtlns.data.tokens import internal_ids
from recbole_dtlns.false_negatives.lists import JudgedLists
from recbole_dtlns.processes.group import this_rank
from recbole_dtlns.samplers.parts.history import History
from recbole_dtlns.training.list_loss import ListLoss, ListSettings

logger = logging.getLogger(__name__)


def make_list_loss(config: Config, split: BuiltSplit, lists: JudgedLists | None) -> ListLoss | None:
    """The loss of the judged lists; None where there are none, or where they are switched off.

    Args:
        config, split: of the run.
        lists: of the offline stage.
    """
    settings, device = config.settings, config["device"]
    if lists is None or not settings.augment_loss or settings.list_weight == 0:
        return None
    if len(lists) == 0:
        logger.warning("No user has a judged list: training runs without the list loss.")
        return None
    items, values = list_table(split.dataset, lists)
    # A seed of its own: with the sampler's, both would draw the same numbers.
    generator = torch.Generator(device=device)
    rank = this_rank()
    generator.manual_seed(int(np.random.SeedSequence((config["seed"] + rank.number, 1)).generate_state(1)[0]))
    n_users = max(1, settings.list_users // rank.size)  # of this rank's share of a batch
    logger.info("List loss: %d users have a list, of %.1f items in the mean.", *_list_counts(items))
    return ListLoss(
        torch.as_tensor(items, device=device),
        torch.as_tensor(values, device=device),
        History(positives_matrix(split.train), device),
        split.dataset.item_num,
        ListSettings(settings.list_weight, settings.list_temperature, n_users, settings.list_negatives),
        generator,
    )


def list_table(dataset: Any, lists: JudgedLists) -> tuple[np.ndarray, np.ndarray]:
    """The lists as two tables; L is the length of the longest list. O(n log n).

    Args:
        dataset: of RecBole; every user and item of the lists is in its training part.
        lists: sorted by user.

    Returns:
        Items int32 [U, L] and their values float32 [U, L], both 0 behind the end of a list.
    """
    users, items = internal_ids(dataset, "user", lists.users), internal_ids(dataset, "item", lists.items)
    lengths = np.bincount(users, minlength=dataset.user_num)
    first = np.concatenate([[True], lists.users[1:] != lists.users[:-1]]) if len(lists) else np.zeros(0, dtype=bool)
    starts = np.flatnonzero(first)
    places = np.arange(len(users)) - np.repeat(starts, np.diff([*starts, len(users)]))
    shape = (dataset.user_num, int(lengths.max(initial=0)))
    table, values = np.zeros(shape, dtype=np.int32), np.zeros(shape, dtype=np.float32)
    table[users, places], values[users, places] = items, lists.values
    return table, values


def _list_counts(items: np.ndarray) -> tuple[int, float]:
    lengths = (items > 0).sum(1)
    return int((lengths > 0).sum()), float(lengths[lengths > 0].mean())
