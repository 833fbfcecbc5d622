"""What a language model is shown of a user: paths of the history and of the candidates."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from recbole_dtlns.false_negatives.judges.base import JudgeContext
from recbole_dtlns.llm.prompts import Paths, path_texts


def questions_by_user(
    context: JudgeContext, users: np.ndarray, items: np.ndarray
) -> Iterator[tuple[slice, list[Paths], list[Paths]]]:
    """Group pairs by user, in their order.

    Args:
        context: histories and codes.
        users: int64 [n], pairs of a user side by side.
        items: int64 [n].

    Yields:
        The positions of one user's pairs; the paths of the user's history, sorted by code, so that what is asked
        depends on codes alone; the paths of the candidates.

    Raises:
        UserError: codes that may not enter a prompt.
    """
    starts = [*np.flatnonzero(np.diff(users, prepend=-1)).tolist(), len(users)]
    for start, stop in pairwise(starts):
        row = int(users[start])
        history = context.matrix.indices[context.matrix.indptr[row] : context.matrix.indptr[row + 1]]
        codes = np.concatenate([context.co[history], context.se[history]], axis=1)
        history = history[np.lexsort(codes.T[::-1])]
        yield slice(start, stop), _paths(context, history), _paths(context, items[start:stop])


def _paths(context: JudgeContext, items: np.ndarray) -> list[Paths]:
    return list(zip(path_texts(context.co[items]), path_texts(context.se[items]), strict=True))
