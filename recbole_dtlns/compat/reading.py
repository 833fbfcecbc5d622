"""Slow spots of RecBole's reading, made fast with the same result; see `compat`.

They are felt where there are millions of interactions: `benchmarks/reading.py`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from recbole_dtlns.compat.wrapping import StandIn, wrap_once

_ROWS: ContextVar[int | None] = ContextVar("_ROWS", default=None)  # of the file that the C parser may read


def apply_reading() -> None:
    """Put these fixes in force; calling it again changes nothing."""
    from recbole.data.dataset import Dataset

    _use_fast_parser()
    wrap_once(Dataset, "split_by_ratio", _split_at_once)
    wrap_once(Dataset, "_filter_by_inter_num", _unless_all_are_kept)


@contextmanager
def fast_parser(rows: int) -> Iterator[None]:
    """Within it RecBole's data set reads files with the C parser of pandas, in place of its Python parser.

    For files that both read alike (`AtomicContents.plain`). Where the C parser raises, or finds another number of rows,
    the Python parser reads after all. Goes when RecBole asks for the C parser.

    Args:
        rows: that each file has.
    """
    before = _ROWS.set(rows)
    try:
        yield
    finally:
        _ROWS.reset(before)


def _use_fast_parser() -> None:
    from recbole.data.dataset import dataset

    if isinstance(dataset.pd, StandIn):
        return
    pandas = dataset.pd

    def read_csv(path: Any, **options: Any) -> Any:
        rows = _ROWS.get()
        if rows is not None:
            with suppress(ValueError):  # pandas' ParserError is one
                frame = pandas.read_csv(path, **{**options, "engine": "c"})
                if len(frame) == rows:
                    return frame
                del frame
        return pandas.read_csv(path, **options)

    dataset.pd = StandIn(pandas, read_csv=read_csv)


def _split_at_once(stock: Callable[..., Any]) -> Callable[..., Any]:
    """`Dataset.split_by_ratio` goes through all interactions in Python; this does not, and gives the same parts.

    Goes when RecBole's own takes seconds for ten million interactions.
    """

    @functools.wraps(stock)
    def fixed(self: Any, ratios: list[float], group_by: str | None = None) -> list[Any]:
        import torch
        from recbole.data.dataset import Dataset
        from recbole.data.interaction import Interaction

        keys = None if group_by is None else self.inter_feat[group_by].numpy()
        own_groups = type(self)._grouped_index is not Dataset._grouped_index
        if keys is None or len(keys) == 0 or keys.dtype.kind != "i" or keys.ndim != 1 or own_groups:
            return list(stock(self, ratios, group_by))
        shares = [ratio / sum(ratios) for ratio in ratios]
        rows, part = _rows_and_parts(keys, shares, self._calcu_split_ids)
        self._drop_unused_col()
        columns = self.inter_feat.interaction
        parts = []
        for number in range(len(ratios)):
            chosen = torch.from_numpy(rows[part == number])
            parts.append(self.copy(Interaction({name: values[chosen] for name, values in columns.items()})))
        return parts

    return fixed


def _rows_and_parts(keys: Any, shares: list[float], split_ids: Callable[..., list[int]]) -> tuple[Any, Any]:
    """Rows, groups of equal keys together in the order of their first rows, and the part that each goes to.

    Args:
        keys: of the groups, int64 [E].
        shares: of the parts, with the sum 1.
        split_ids: (tot, ratios) -> where all parts but the first begin in a group of so many rows.

    Returns:
        int64 [E] and int16 [E]. O(E log E).
    """
    import numpy as np

    _, first, group, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(first)  # groups by their first rows
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    rows = np.argsort(place[group], kind="stable")
    sizes = counts[order]
    distinct, size = np.unique(sizes, return_inverse=True)
    begins = np.array([split_ids(tot=int(total), ratios=shares) for total in distinct.tolist()], dtype=np.int64)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    part = np.zeros(len(rows), dtype=np.int16)
    for begin in begins[size].T:  # one of each group
        part += within >= np.repeat(begin, sizes)
    return rows, part


def _unless_all_are_kept(stock: Callable[..., Any]) -> Callable[..., Any]:
    """`Dataset._filter_by_inter_num` counts all interactions in Python, though its start values filter nothing.

    Goes when RecBole looks at the intervals first.
    """

    @functools.wraps(stock)
    def fixed(self: Any) -> None:
        intervals = [self.config[f"{side}_inter_num_interval"] for side in ("user", "item")]
        if any(interval not in (None, "[0,inf)") for interval in intervals):
            stock(self)

    return fixed
