"""Fixes of RecBole's data sets, loaders and metrics; see `compat`."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recbole_dtlns.compat.reading import fast_parser
from recbole_dtlns.compat.wrapping import wrap_once

logger = logging.getLogger(__name__)


def apply_data() -> None:
    """Put these fixes in force; calling it again changes nothing."""
    _fix_dataset()
    _fix_interaction_sort()
    _fix_coverage_metrics()
    _fix_dynamic_sampling()


def _fix_dataset() -> None:
    """Five faults of `Dataset`.

    `_load_feat` lets pandas misread malformed files without a word: see `data/atomic_check.py`. Goes when it checks.

    `_fill_nan` fills a copy: silent under the copy-on-write of pandas >= 3, a warning before. Goes when it assigns.
    `_download` ends in `torch.distributed.barrier()` without a process group, so a first download always raises.
    Goes when RecBole guards the call.
    `_filter_inter_by_user_or_item` and `_filter_link` leave out interactions without a word. Goes when they count them.
    """
    from recbole.data.dataset import Dataset, KnowledgeBasedDataset

    Dataset._fill_nan = _fill_nan
    wrap_once(Dataset, "_load_feat", _with_a_check)
    wrap_once(Dataset, "_download", _without_barrier)
    without_row = (
        "the .user or .item file has no row for their user or item. filter_inter_by_user_or_item=false keeps them."
    )
    wrap_once(Dataset, "_filter_inter_by_user_or_item", _with_a_count(without_row))
    without_link = "the .link file has no row for their item, or the .kg file none for its entity."
    wrap_once(KnowledgeBasedDataset, "_filter_link", _with_a_count(without_link))


def _fill_nan(self: Any) -> None:
    import numpy as np
    from recbole.utils import FeatureType

    for name in self.feat_name_list:
        frame = getattr(self, name)
        for field in frame:
            kind = self.field2type[field]
            if kind == FeatureType.TOKEN:
                frame[field] = frame[field].fillna(0)
            elif kind == FeatureType.FLOAT:
                frame[field] = frame[field].fillna(frame[field].mean())
            else:
                empty = np.array([], dtype=np.int64 if kind == FeatureType.TOKEN_SEQ else np.float64)
                frame[field] = [empty if isinstance(value, float) else value for value in frame[field]]


def _with_a_check(stock: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(stock)
    def fixed(self: Any, filepath: Any, source: Any) -> Any:
        from recbole_dtlns.data.atomic_loading import load_checked

        return load_checked(stock, self, Path(filepath), source, fast_parser)

    return fixed


def _with_a_count(reason: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A filter that says how many interactions it leaves out, and why."""

    def wrapped(stock: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(stock)
        def fixed(self: Any) -> None:
            before = len(self.inter_feat)
            stock(self)
            if len(self.inter_feat) < before:
                left_out = before - len(self.inter_feat)
                logger.warning("%d of %d interactions are left out: %s", left_out, before, reason)

        return fixed

    return wrapped


def _no_barrier(*arguments: Any, **options: Any) -> None:
    """A single process waits for nobody."""


def _without_barrier(stock: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(stock)
    def fixed(self: Any) -> Any:
        import torch.distributed as dist

        if not dist.is_available() or dist.is_initialized():
            return stock(self)
        barrier = dist.barrier
        dist.barrier = _no_barrier
        try:
            return stock(self)
        finally:
            dist.barrier = barrier

    return fixed


def _fix_interaction_sort() -> None:
    """Reason: `Interaction.sort` hands a tensor to `np.argsort`, which numpy 2 deprecates and will refuse.

    Affects: every evaluation. Goes when RecBole converts first.
    """
    from recbole.data.interaction import Interaction

    wrap_once(Interaction, "sort", _on_numpy_keys)


def _on_numpy_keys(stock: Callable[..., Any]) -> Callable[..., Any]:
    import numpy as np

    @functools.wraps(stock)
    def fixed(self: Any, by: Any, ascending: Any = True) -> None:
        if not isinstance(by, str) or ascending is not True or self.interaction[by].dim() != 1:
            stock(self, by, ascending)
            return
        self._reindex(np.argsort(self.interaction[by].numpy(), kind="stable"))

    return fixed


def _fix_coverage_metrics() -> None:
    """Reason: the collector calls `.cpu()` on an int and a Counter, so ItemCoverage, GiniIndex and others crash.

    Affects: any stack. Goes when the collector moves tensors only.
    """
    import copy

    import torch
    from recbole.evaluator.collector import Collector

    per_batch = ("rec.topk", "rec.meanrank", "rec.score", "rec.items", "data.label")

    def get_data_struct(self: Any) -> Any:
        collected = self.data_struct._data_dict
        for key, value in collected.items():
            if torch.is_tensor(value):
                collected[key] = value.cpu()
        result = copy.deepcopy(self.data_struct)
        for key in per_batch:
            collected.pop(key, None)
        return result

    Collector.get_data_struct = get_data_struct


def _fix_dynamic_sampling() -> None:
    """Reason: dynamic sampling picks from ids on the CPU by positions on the model's device, which a GPU refuses.

    Affects: every GPU. Goes when RecBole moves the positions.
    """
    from recbole.data.dataloader.abstract_dataloader import NegSampleDataLoader

    wrap_once(NegSampleDataLoader, "_neg_sampling", _with_scores_on_the_cpu)


def _with_scores_on_the_cpu(stock: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(stock)
    def fixed(self: Any, inter_feat: Any) -> Any:
        if not self.neg_sample_args.get("dynamic", False) or self.model.device.type == "cpu":
            return stock(self, inter_feat)
        predict = self.model.predict
        self.model.predict = lambda rows: predict(rows).cpu()
        try:
            return stock(self, inter_feat)
        finally:
            del self.model.predict

    return fixed
