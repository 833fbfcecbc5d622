"""Every fix that RecBole 1.2.1 needs on current Pythons.

Only `compat_loading` and `compat_display`, which are called here, patch packages too.

`apply()` runs when RecBole is imported after this package, or this package after RecBole (`recbole_import`), so the
fixes are in force in spawned processes too: they unpickle objects of ours and import the package to do so.
`recbole.quick_start`, which needs ray, is never imported.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recbole_dtlns.compat_display import apply_display
from recbole_dtlns.compat_loading import apply_loading


def apply() -> None:
    """Put every fix in force; calling it again changes nothing."""
    _restore_numpy_names()
    _quiet_known_warnings()
    _fix_config()
    _fix_adjacency_builders()
    _build_adjacency_from_arrays()
    apply_loading(_wrap_once)
    _fix_dataset()
    _fix_interaction_sort()
    _fix_coverage_metrics()
    _count_all_of_pops_items()
    _take_no_more_prototypes_than_nodes()
    _fix_dynamic_sampling()
    apply_display(_wrap_once)


def _restore_numpy_names() -> None:
    """Reason: RecBole reads `np.float`, `np.int`, `np.object` and `np.str`, which numpy 1.24 removed.

    Affects: numpy >= 1.24. Goes when RecBole uses the builtin types.
    """
    import numpy as np

    for name, value in {"float": np.float64, "int": np.int64, "object": np.object_, "str": np.str_}.items():
        if name not in vars(np):
            setattr(np, name, value)
    for name, value in {"bool": np.bool_, "long": np.int64}.items():
        if name not in vars(np):  # numpy 2 has these two again
            setattr(np, name, value)


def _quiet_known_warnings() -> None:
    """Reason: RecBole imports `torch.cuda.amp`, deprecated since torch 2.4; users cannot act on the warning."""
    warnings.filterwarnings("ignore", category=FutureWarning, message=r".*torch\.cuda\.amp.*")
    warnings.filterwarnings("ignore", category=FutureWarning, message=r".*GradScaler.*")
    warnings.filterwarnings("ignore", category=UserWarning, message=r".*torch\.sparse\.SparseTensor.*")
    warnings.filterwarnings("ignore", category=UserWarning, message=r".*Sparse CSR tensor support.*")


def _fix_config() -> None:
    """Reason: `Config` reads `np.float_`, `np.complex_` and `np.unicode_`, so every configuration fails.

    Affects: numpy >= 2. Goes when RecBole drops `compatibility_settings`.
    """
    from recbole.config import Config

    Config.compatibility_settings = lambda self: _restore_numpy_names()


def _fix_adjacency_builders() -> None:
    """Reason: LightGCN, NGCF, NCL, GCMC, SpectralCF and KGIN fill a `dok_matrix` through its removed `_update`.

    Affects: scipy >= 1.13. Goes when RecBole builds adjacency from COO.
    """
    from scipy.sparse import dok_matrix

    if not hasattr(dok_matrix, "_update"):
        dok_matrix._update = lambda self, data: self._dict.update(data)


def _build_adjacency_from_arrays() -> None:
    """Reason: these models collect their graph in Python dictionaries, some 10 seconds for a million pairs.

    Affects: any stack. Goes when RecBole builds adjacency from COO. Entries and their order are RecBole's.
    """
    from recbole.model.general_recommender import GCMC, NGCF, LightGCN

    for model in (LightGCN, NGCF, GCMC):
        _wrap_once(model, "get_norm_adj_mat", _from_arrays)


def _from_arrays(stock: Callable[..., Any]) -> Callable[..., Any]:
    import numpy as np
    import torch
    from scipy import sparse

    @functools.wraps(stock)
    def fixed(self: Any) -> Any:
        n = self.n_users + self.n_items
        users, items = (side.astype(np.int64) for side in (self.interaction_matrix.row, self.interaction_matrix.col))
        first = np.sort(np.unique(users * n + items, return_index=True)[1])  # a pair counts once, where it first occurs
        users, items = users[first], items[first] + self.n_users
        both = sparse.coo_matrix(
            (np.ones(2 * len(first), dtype=np.float32), (np.r_[users, items], np.r_[items, users])), shape=(n, n)
        )
        both.has_canonical_format = True  # nothing is left to add up, so rows keep the order of their entries
        both = both.tocsr()
        degrees = np.diff(both.indptr) + 1e-7
        scale = sparse.diags(np.power(degrees, -0.5))
        scaled = sparse.coo_matrix(scale * both * scale)
        entries = torch.LongTensor(np.array([scaled.row, scaled.col]))
        return torch.sparse_coo_tensor(entries, torch.FloatTensor(scaled.data), scaled.shape, check_invariants=False)

    return fixed


def _fix_dataset() -> None:
    """Three faults of `Dataset`.

    `_load_feat` lets pandas misread malformed files without a word: see `data/atomic_check.py`. Goes when it checks.

    `_fill_nan` fills a copy: silent under the copy-on-write of pandas >= 3, a warning before. Goes when it assigns.
    `_download` ends in `torch.distributed.barrier()` without a process group, so a first download always raises.
    Goes when RecBole guards the call.
    """
    from recbole.data.dataset import Dataset

    Dataset._fill_nan = _fill_nan
    _wrap_once(Dataset, "_load_feat", _with_a_check)
    _wrap_once(Dataset, "_download", _without_barrier)


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

        return load_checked(stock, self, Path(filepath), source)

    return fixed


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

    _wrap_once(Interaction, "sort", _on_numpy_keys)


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
        held = self.data_struct._data_dict
        for key, value in held.items():
            if torch.is_tensor(value):
                held[key] = value.cpu()
        result = copy.deepcopy(self.data_struct)
        for key in per_batch:
            held.pop(key, None)
        return result

    Collector.get_data_struct = get_data_struct


def _fix_dynamic_sampling() -> None:
    """Reason: dynamic sampling picks from ids on the CPU by positions on the model's device, which a GPU refuses.

    Affects: every GPU. Goes when RecBole moves the positions.
    """
    from recbole.data.dataloader.abstract_dataloader import NegSampleDataLoader

    _wrap_once(NegSampleDataLoader, "_neg_sampling", _with_scores_on_the_cpu)


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


def _count_all_of_pops_items() -> None:
    """Two faults of `Pop`. An item that stands several times in a batch is counted once, so that metrics depend on
    `train_batch_size` (RUCAIBox/RecBole#2198, #1844). And the loader's random negatives are counted as interactions.

    Affects: any stack. Goes when RecBole counts each positive row.
    """
    from recbole.model.general_recommender import Pop

    _wrap_once(Pop, "__init__", _with_label_field)
    Pop.calculate_loss = _count_positives


def _with_label_field(stock: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(stock)
    def fixed(self: Any, config: Any, dataset: Any) -> None:
        stock(self, config, dataset)
        self.LABEL = config["LABEL_FIELD"]

    return fixed


def _count_positives(self: Any, interaction: Any) -> Any:
    import torch

    items = interaction[self.ITEM_ID]
    if self.LABEL in interaction.interaction:
        items = items[interaction[self.LABEL] > 0]
    self.item_cnt += torch.bincount(items, minlength=self.n_items).unsqueeze(1)
    self.max_cnt = torch.max(self.item_cnt, dim=0)[0]
    return torch.nn.Parameter(torch.zeros(1)).to(self.device)


def _take_no_more_prototypes_than_nodes() -> None:
    """Reason: NCL asks faiss for `num_clusters` (1000) prototypes of users, which faiss refuses where there are fewer
    users, as in ml-100k (943): the model cannot be trained with its own start values.

    Affects: any stack. Goes when RecBole takes no more prototypes than there are users or items.
    """
    from recbole.model.general_recommender import NCL

    _wrap_once(NCL, "run_kmeans", _at_most_one_each)


def _at_most_one_each(stock: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(stock)
    def fixed(self: Any, x: Any) -> Any:
        wanted = self.k
        self.k = min(wanted, len(x))
        try:
            return stock(self, x)
        finally:
            self.k = wanted

    return fixed


def _wrap_once(owner: Any, name: str, wrapper: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Replace `owner.name` by `wrapper(owner.name)` unless that has been done."""
    stock = getattr(owner, name)
    if not getattr(stock, "_recbole_dtlns", False):
        fixed = wrapper(stock)
        fixed._recbole_dtlns = True  # type: ignore[attr-defined]
        setattr(owner, name, fixed)
