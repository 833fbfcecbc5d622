"""Metric values of every user, which statistics need: `per_user.npz`."""

from __future__ import annotations

import functools
import io
import logging
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from recbole_dtlns.data.tokens import tokens_of
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.arrays import save_arrays
from recbole_dtlns.files.cache import write_atomically

logger = logging.getLogger(__name__)

PER_USER = "per_user.npz"


@contextmanager
def captured(evaluator: Any) -> Iterator[dict[str, np.ndarray]]:
    """Keep what RecBole's evaluator averages over users: `recall@20` and so on, float32 [n] in the loader's order.

    Metrics that are no mean over users (coverage, Gini index, GAUC) have no such values.
    """
    columns: dict[str, np.ndarray] = {}
    metrics = [metric for metric in evaluator.metric_class.values() if hasattr(metric, "topk_result")]
    for metric in metrics:
        metric.topk_result = functools.partial(_keep, metric.topk_result, metric.topk, columns)
    try:
        yield columns
    finally:
        for metric in metrics:
            del metric.topk_result


def _keep(stock: Any, topk: list[int], columns: dict[str, np.ndarray], name: str, values: Any) -> Any:
    if np.ndim(values) == 2:  # [n, largest k]
        columns.update({f"{name}@{k}": values[:, k - 1].astype(np.float32) for k in topk})
    return stock(name, values)


def evaluated_users(loader: Any) -> np.ndarray:
    """Tokens of the rows that a loader's evaluation ranks for, str [n] in its order.

    One row a user; sequential data have one a held-out interaction.
    """
    part = loader._dataset
    rows = part.inter_feat[part.uid_field] if getattr(loader, "is_sequential", False) else loader.uid_list
    users: np.ndarray = tokens_of(part, "user")[np.asarray(rows)]
    return users


def write_per_user(path: Path, loader: Any, values: Mapping[str, np.ndarray]) -> None:
    """Write the users and their values as one compressed npz; nothing where metrics are not by user (AUC, LogLoss)."""
    if not values:
        return
    users = evaluated_users(loader)
    wrong = [name for name, column in values.items() if len(column) != len(users)]
    if wrong:
        logger.warning("%s does not have one value a user: no %s is written.", wrong[0], path.name)
        return
    content = io.BytesIO()
    save_arrays(content, {"users": users, **values}, compressed=True)
    write_atomically(path, content.getvalue())


def read_per_user(path: Path) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Users, str [n], and their values by metric, float32 [n] each.

    Raises:
        UserError: no such file, or a damaged one.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            columns = {name: arrays[name] for name in arrays.files}
        return columns.pop("users"), columns
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path} cannot be read ({error}). Repeat the run that made it.") from error
