"""A few users with what they have in train and what was inferred for them, for a reader of the run's page."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from recbole_dtlns.data.item_text import ItemText
from recbole_dtlns.data.tokens import positions
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.false_negatives.inferred import InferredPositives
from recbole_dtlns.false_negatives.report.examples_file import HISTORY, INFERRED_EACH, Example, one_line
from recbole_dtlns.llm.prompts import path_texts
from recbole_dtlns.trees.lcp import lcp_similarity
from recbole_dtlns.trees.stage import Trees

USERS = 5

Names = Callable[[np.ndarray], list[str]]


def make_examples(
    view: TrainSplit, inferred: InferredPositives, trees: Trees | None, text: ItemText | None
) -> list[Example]:
    """Examples of users with inferred positives, at equal distances in the order of their tokens: none is picked.

    An item is called by its text, else by its token with its paths in the two trees, else by its token.
    O(n log n) for n inferred positives.
    """
    users = np.unique(inferred.users)
    chosen = users[np.linspace(0, len(users) - 1, min(USERS, len(users))).round().astype(np.int64)]
    names = _names(view, trees, text)
    return [_example(view, inferred, trees, names, user) for user in chosen]


def _example(view: TrainSplit, inferred: InferredPositives, trees: Trees | None, names: Names, user: str) -> Example:
    rows = np.flatnonzero(inferred.users == user)
    rows = rows[np.argsort(-inferred.probability[rows], kind="stable")]
    items = positions(view.items, inferred.items[rows])
    number = int(positions(view.users, np.array([user]))[0])
    history = view.matrix.indices[view.matrix.indptr[number] : view.matrix.indptr[number + 1]]
    nearest = _nearest(history, items, trees)[:HISTORY]
    return Example(
        user=one_line(str(user)),
        history=names(nearest),
        history_size=len(history),
        inferred=names(items[:INFERRED_EACH]),
        probability=[round(float(value), 4) for value in inferred.probability[rows[:INFERRED_EACH]]],
        inferred_size=len(rows),
    )


def _nearest(history: np.ndarray, items: np.ndarray, trees: Trees | None) -> np.ndarray:
    """The items of a history int [h], those first that share the longest path with one of `items` int [m]."""
    history = np.sort(history)
    if trees is None or not len(items):
        return history
    near = np.zeros(len(history), dtype=np.float32)
    for codes in (trees.co.codes, trees.se.codes):
        near = np.maximum(near, lcp_similarity(codes[history][:, None], codes[items][None]).max(axis=1))
    return history[np.argsort(-near, kind="stable")]


def _names(view: TrainSplit, trees: Trees | None, text: ItemText | None) -> Names:
    """What items, numbers of the view int [n], are called."""

    def named(items: np.ndarray) -> list[str]:
        tokens = [one_line(token) for token in view.items[items].tolist()]
        if text is not None:
            titles = map(one_line, text.of(view.items[items]))
            return [title or token for title, token in zip(titles, tokens, strict=True)]
        if trees is None:
            return tokens
        co, se = (path_texts(table.codes[items]) for table in (trees.co, trees.se))
        return [f"{token} (paths {a}, {b})" for token, a, b in zip(tokens, co, se, strict=True)]

    return named
