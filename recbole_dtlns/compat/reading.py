"""Slow spots of RecBole's reading, made fast with the same result; see `compat`.

They are felt where there are millions of interactions: `benchmarks/reading.py`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from recbole_dtlns.compat.wrapping import StandIn, wrap_once


def apply_reading() -> None:
    """Put these fixes in force; calling it again changes nothing."""
    from recbole.data.dataset import Dataset

    wrap_once(Dataset, "split_by_ratio", _split_at_once)
    wrap_once(Dataset, "_filter_by_inter_num", _unless_all_are_kept)


@contextmanager
def fast_parser(rows: int) -> Iterator[None]:
    """Within it RecBole's data set reads files with the C parser of pandas, in place of its Python parser.

    Both read the same where a file has no quotation marks. Where the C parser refuses a number (`1_000`) or finds
    another number of rows, the Python parser reads. Goes when RecBole asks for the C parser.

    Args:
        rows: that each file has.
    """
    from recbole.data.dataset import dataset

    pandas = dataset.pd

    def read_csv(path: Any, **options: Any) -> Any:
        try:
            frame = pandas.read_csv(path, **{**options, "engine": "c"})
        except ValueError:  # pandas' ParserError is one
            return pandas.read_csv(path, **options)
        return frame if len(frame) == rows else pandas.read_csv(path, **options)

    dataset.pd = StandIn(pandas, read_csv=read_csv)
    try:
        yield
    finally:
        dataset.pd = pandas


def _split_at_once(stock: Callable[..., Any]) -> Callable[..., Any]:
    """`Dataset.split_by_ratio` goes through all interactions in Python; this does not, and gives the same parts.

    Goes when RecBole's own takes seconds for ten million interactions.
    """

    @functools.wraps(stock)
    def fixed(self: Any, ratios: list[float], group_by: str | None = None) -> list[Any]:
        if group_by is None or len(self.inter_feat) == 0:
            return list(stock(self, ratios, group_by))
        import torch
        from recbole.data.interaction import Interaction

        shares = [ratio / sum(ratios) for ratio in ratios]
        rows, part = _rows_and_parts(self.inter_feat[group_by].numpy(), shares, self._calcu_split_ids)
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
        keys: of the groups, [E].
        shares: of the parts, with the sum 1.
        split_ids: (tot, ratios) -> where all parts but the first begin in a group of so many rows.

    Returns:
        int64 [E] and int8 [E]. O(E log E).
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
    part = np.zeros(len(rows), dtype=np.int8)
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
