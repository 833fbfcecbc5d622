"""Noise in the training split, for experiments on robustness; the evaluation keeps the real split.

The numeric functions number users and items as `TrainSplit` does, so that neither the order of rows nor RecBole's
numbers decide which pairs are drawn.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch
from recbole.data.interaction import Interaction, cat_interactions
from scipy import sparse

from recbole_dtlns.config.settings import Settings
from recbole_dtlns.data.augmented import filled, is_stored
from recbole_dtlns.data.tokens import internal_ids, positions, token_pairs, train_split
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.data.unseen import random_unseen
from recbole_dtlns.errors import UserError

logger = logging.getLogger(__name__)

ADDED, HIDDEN = "false_positives", "false_negatives"


def added_pairs(
    train: sparse.csr_matrix, held_out: sparse.csr_matrix, number: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Random pairs that stand in no part: users in proportion to their training pairs, items uniform, no pair twice.

    Every user keeps one item that stays unseen, as negatives must be drawn from something. Where that bounds a user,
    the others get more.

    Args:
        train: binary CSR [U, I]; row and column 0 are padding.
        held_out: the pairs of valid and test, CSR [U, I].
        number: how many pairs.
        rng: source of all randomness.

    Returns:
        users and items, int64 [number], sorted by user.

    Raises:
        UserError: there is no room for so many.
    """
    seen = (train + held_out).tocsr()
    activity = np.diff(train.indptr).astype(np.float64)
    room = np.where(activity > 0, np.maximum(seen.shape[1] - 2 - np.diff(seen.indptr), 0), 0).astype(np.int64)
    _require_room(number, int(room.sum()), int(train.nnz), "added to")
    counts = np.zeros(len(room), dtype=np.int64)
    while (missing := number - int(counts.sum())) > 0:
        share = np.where(counts < room, activity, 0)
        counts = np.minimum(counts + rng.multinomial(missing, share / share.sum()), room)
    return np.repeat(np.arange(len(counts)), counts), random_unseen(seen, counts, rng)


def hidden_pairs(train: sparse.csr_matrix, number: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Training pairs to hide, uniform, but for one pair that every user keeps.

    All pairs are put in a random order and hidden one after the other, passing over a user's last one. So the pairs of
    a lower rate are among those of a higher one.

    Args:
        train: binary CSR [U, I]; row and column 0 are padding.
        number: how many pairs.
        rng: source of all randomness.

    Returns:
        users and items, int64 [number], sorted by user, then item.

    Raises:
        UserError: fewer pairs can be hidden.
    """
    train = train.sorted_indices()
    users = np.repeat(np.arange(train.shape[0]), np.diff(train.indptr))
    order = rng.permutation(len(users))
    last = len(users) - 1 - np.unique(users[order][::-1], return_index=True)[1]  # the place of each user's last pair
    hideable = np.delete(order, last)
    _require_room(number, len(hideable), len(users), "hidden from")
    chosen = np.sort(hideable[:number])
    return users[chosen], train.indices[chosen].astype(np.int64)


def noisy_train(parts: list[Any], settings: Settings, split_seed: int) -> tuple[Any, dict[str, Any] | None]:
    """RecBole's training part with the noise that `noise_rate`, `noise_kind` and `noise_seed` ask for.

    Args:
        parts: built train, valid and test parts of a general recommender's data set; untouched.
        settings: our keys.
        split_seed: seed of the noise where `noise_seed` is not set.

    Returns:
        The part itself and None at `noise_rate` 0; else a copy of it, and `kind`, `rate`, `seed` and `pairs`, how many
        pairs were added or hidden.

    Raises:
        UserError: there is no room for so much noise.
    """
    train, rate, kind = parts[0], settings.noise_rate, settings.noise_kind
    if rate == 0:
        return train, None
    seed = split_seed if settings.noise_seed is None else settings.noise_seed
    view, rng = train_split(train), np.random.default_rng(seed)
    number = round(rate * view.matrix.nnz)
    if kind == ADDED:
        users, items = added_pairs(view.matrix, _held_out(view, parts[1:]), number, rng)
    else:
        users, items = hidden_pairs(view.matrix, number, rng)
    users = internal_ids(train, "user", view.users[users])
    items = internal_ids(train, "item", view.items[items])
    logger.warning(
        "Noise: %d random pairs are %s the %d training pairs (%s, seed %d). The ranking leaves out what the real split "
        "leaves out.",
        *(number, "added to" if kind == ADDED else "hidden from", view.matrix.nnz, kind, seed),
    )
    changed = with_pairs(train, users, items) if kind == ADDED else without_pairs(train, users, items)
    return changed, {"kind": kind, "rate": rate, "seed": seed, "pairs": number}


def with_pairs(train: Any, users: np.ndarray, items: np.ndarray) -> Any:
    """A copy of a built training part with these pairs (internal ids, int64 [n]) as further rows.

    Other columns hold what the rows of inferred positives hold, see `augment`.
    """
    real = train.inter_feat
    columns = {name: filled(column, len(users)) for name, column in real.interaction.items()}
    columns[train.uid_field], columns[train.iid_field] = torch.as_tensor(users), torch.as_tensor(items)
    return train.copy(cat_interactions([real, Interaction(columns)]))


def without_pairs(train: Any, users: np.ndarray, items: np.ndarray) -> Any:
    """A copy of a built training part without all rows of these pairs (internal ids, int64 [n])."""
    shape = (train.user_num, train.item_num)
    gone = sparse.csr_matrix((np.ones(len(users), dtype=np.int8), (users, items)), shape=shape)
    rows = train.inter_feat.interaction
    kept = torch.as_tensor(~is_stored(gone, rows[train.uid_field].numpy(), rows[train.iid_field].numpy()))
    return train.copy(Interaction({name: column[kept] for name, column in rows.items()}))


def _held_out(view: TrainSplit, parts: list[Any]) -> sparse.csr_matrix:
    """The pairs of valid and test in the numbering of train, CSR; users and items that train lacks are left out."""
    user_tokens, item_tokens = (np.concatenate(tokens) for tokens in zip(*map(token_pairs, parts), strict=True))
    users, items = positions(view.users, user_tokens), positions(view.items, item_tokens)
    in_train = (users > 0) & (items > 0)
    ones = np.ones(int(in_train.sum()), dtype=np.float32)
    return sparse.csr_matrix((ones, (users[in_train], items[in_train])), shape=view.matrix.shape)


def _require_room(number: int, room: int, pairs: int, what: str) -> None:
    if number > room:
        raise UserError(
            f"noise_rate asks for {number} pairs {what} the {pairs} of train, but only {room} can be. Set it to at "
            f"most {np.floor(1000 * room / pairs) / 1000:g}."
        )
