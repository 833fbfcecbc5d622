"""Fixes of RecBole's models; see `compat`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from recbole_dtlns.compat.wrapping import wrap_once


def apply_models() -> None:
    """Put these fixes in force; calling it again changes nothing."""
    _build_adjacency_from_arrays()
    _count_all_of_pops_items()
    _take_no_more_prototypes_than_nodes()
    _sample_no_more_nodes_than_there_are()


def _build_adjacency_from_arrays() -> None:
    """Reason: these models collect their graph in Python dictionaries, some 10 seconds for a million pairs.

    Affects: any stack. Goes when RecBole builds adjacency from COO. Entries and their order are RecBole's.
    """
    from recbole.model.general_recommender import GCMC, NGCF, LightGCN

    for model in (LightGCN, NGCF, GCMC):
        wrap_once(model, "get_norm_adj_mat", _from_arrays)


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


def _count_all_of_pops_items() -> None:
    """Two faults of `Pop`. An item that stands several times in a batch is counted once, so that metrics depend on
    `train_batch_size` (RUCAIBox/RecBole#2198, #1844). And the loader's random negatives are counted as interactions.

    Affects: any stack. Goes when RecBole counts each positive row.
    """
    from recbole.model.general_recommender import Pop

    wrap_once(Pop, "__init__", _with_label_field)
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

    wrap_once(NCL, "run_kmeans", _at_most_one_each)


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


def _sample_no_more_nodes_than_there_are() -> None:
    """Reason: DGCF draws as many users and as many items for its correlation loss as the larger side has in a batch;
    with many more items than users that is more than there are users, and `random.sample` refuses in the first epoch.

    Affects: any stack. Goes when RecBole draws no more than there are.
    """
    from recbole.model.general_recommender import DGCF

    wrap_once(DGCF, "__init__", _with_a_sample_that_is_there)


def _with_a_sample_that_is_there(stock: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(stock)
    def fixed(self: Any, config: Any, dataset: Any) -> None:
        stock(self, config, dataset)
        self.cor_batch_size = min(self.cor_batch_size, self.n_users, self.n_items)

    return fixed
