"""What a language model is shown of a user: paths, and titles where it reads them, of history and candidates."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from recbole_dtlns.false_negatives.judges.base import JudgeContext
from recbole_dtlns.llm.prompts import ShownItem, path_texts


def questions_by_user(
    context: JudgeContext, users: np.ndarray, items: np.ndarray, titles: bool = False
) -> Iterator[tuple[slice, list[ShownItem], list[ShownItem]]]:
    """Group pairs by user, in their order.

    Args:
        context: histories, codes and titles.
        users: int64 [n], pairs of a user side by side.
        items: int64 [n].
        titles: whether titles are shown.

    Yields:
        The positions of one user's pairs; the user's history, sorted by code and then by title, so that what is asked
        depends on these alone; the candidates.

    Raises:
        UserError: codes that may not enter a prompt.
    """
    starts = [*np.flatnonzero(np.diff(users, prepend=-1)).tolist(), len(users)]
    for start, stop in pairwise(starts):
        row = int(users[start])
        history = context.matrix.indices[context.matrix.indptr[row] : context.matrix.indptr[row + 1]]
        shown = _shown(context, history, titles)
        codes = np.concatenate([context.co[history], context.se[history]], axis=1)
        title = np.unique([item.title for item in shown], return_inverse=True)[1].reshape(-1)
        ordered = [shown[place] for place in np.lexsort((title, *codes.T[::-1]))]
        yield slice(start, stop), ordered, _shown(context, items[start:stop], titles)


def _shown(context: JudgeContext, items: np.ndarray, titles: bool) -> list[ShownItem]:
    texts = context.titles[items].tolist() if titles and context.titles is not None else [""] * len(items)
    return list(map(ShownItem, path_texts(context.co[items]), path_texts(context.se[items]), texts))
