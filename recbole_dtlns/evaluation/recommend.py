"""Lists for users from a trained run, in the data set's own tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from scipy import sparse

from recbole_dtlns.data.augmented import positives_matrix
from recbole_dtlns.data.tokens import internal_ids, tokens_of
from recbole_dtlns.errors import UserError
from recbole_dtlns.training.ranking import all_scores
from recbole_dtlns.wording import counted

Row = tuple[str, str, int, float]
_CELLS = 2**24  # scores held at a time


def recommend(
    model: Any, seen: sparse.csr_matrix, dataset: Any, topk: int, users: Sequence[str] | None = None
) -> Iterator[Row]:
    """The best unseen items of each user, best first.

    Args:
        model: trained, in evaluation mode.
        seen: pairs left out, CSR [U, I] in internal ids.
        dataset: RecBole's data set, for tokens.
        topk: items of a list; a user with fewer unseen items gets what exists.
        users: tokens; None: every user, in the order of tokens.

    Yields:
        (user token, item token, rank from 1, score).

    Raises:
        UserError: a user that the data set does not know, or topk below 1.
    """
    if topk < 1:
        raise UserError(f"--topk={topk}: expected a whole number from 1.")
    ids = _user_ids(dataset, users)
    user_tokens, item_tokens = tokens_of(dataset, "user"), tokens_of(dataset, "item")
    topk = min(topk, dataset.item_num - 1)
    for block in np.array_split(ids, max(1, -(-len(ids) * dataset.item_num // _CELLS))):
        scores = all_scores(model, block, dataset.uid_field, dataset.iid_field, dataset.item_num)
        rows, columns = seen[block].nonzero()
        scores[rows, columns] = -torch.inf
        scores[:, 0] = -torch.inf
        best, items = scores.topk(topk, dim=1)
        for row, user in enumerate(block):
            for rank, (item, score) in enumerate(zip(items[row].tolist(), best[row].tolist(), strict=True), 1):
                if score > -torch.inf:
                    yield str(user_tokens[user]), str(item_tokens[item]), rank, score


def seen_pairs(parts: Sequence[Any]) -> sparse.csr_matrix:
    """What the run knew of each user: train and valid pairs, CSR [U, I]."""
    return (positives_matrix(parts[0]) + positives_matrix(parts[1])).tocsr()


def _user_ids(dataset: Any, users: Sequence[str] | None) -> np.ndarray:
    if users is None:
        return np.argsort(tokens_of(dataset, "user")[1:], kind="stable") + 1
    ids = internal_ids(dataset, "user", np.asarray(users, dtype=str))
    unknown = [user for user, number in zip(users, ids, strict=True) if number == 0]
    if unknown:
        hint = "" if len(users) == 1 else " With --users, a token with a comma in it stands in quotation marks."
        raise UserError(
            f"{dataset.dataset_name} does not have {counted(len(unknown), 'user')} of these: {', '.join(unknown[:5])}. "
            f"Check the tokens.{hint}"
        )
    return ids
