"""RecBole's data loaders over the real split, and training loaders that leave negatives or weights to us."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from recbole.data.dataloader import FullSortEvalDataLoader, KnowledgeBasedDataLoader, TrainDataLoader
from recbole.data.interaction import Interaction
from recbole.data.utils import get_dataloader
from recbole.sampler import KGSampler
from recbole.utils import ModelType
from scipy import sparse

from recbole_dtlns.data.augmented import WEIGHT_FIELD
from recbole_dtlns.errors import UserError


class WeightedRows:
    """Mixin: after `draw_rows_by_weight`, each batch holds rows drawn with replacement in proportion to their weight.

    For models whose loss takes no weights: in expectation the loss is the same.
    """

    _row_weights: torch.Tensor | None = None

    @property
    def draws_by_weight(self) -> bool:
        """Whether rows are drawn by weight."""
        return self._row_weights is not None

    def draw_rows_by_weight(self) -> None:
        """Begin to draw rows by the weight column of the data set."""
        self._row_weights = self._dataset.inter_feat[WEIGHT_FIELD].double()  # type: ignore[attr-defined]

    def collate_fn(self, index: list[int]) -> Interaction:
        """A batch of the size asked for."""
        if self._row_weights is not None:
            generator = self.generator  # type: ignore[attr-defined]
            drawn = torch.multinomial(self._row_weights, len(index), replacement=True, generator=generator)
            index = drawn.tolist()
        return super().collate_fn(index)  # type: ignore[misc]


class StockNegatives(WeightedRows, TrainDataLoader):
    """RecBole's training loader, negatives included, over rows that may carry weights."""


class PositiveDataLoader(WeightedRows, TrainDataLoader):
    """Batches of positives without negatives; `train_batch_size` counts positives."""

    def _init_batch_size_and_step(self) -> None:
        self.step = self.config["train_batch_size"]
        self.set_batch_size(self.step)

    def collate_fn(self, index: list[int]) -> Interaction:
        """RecBole's own batch without its two detours by way of lists."""
        if self._row_weights is not None:
            return super().collate_fn(index)
        rows, places = self._dataset.inter_feat, torch.as_tensor(index)
        batch = self._dataset.join(Interaction({name: rows[name][places] for name in rows}))
        return self._neg_sampling(self.transform(self._dataset, batch))

    def _neg_sampling(self, inter_feat: Interaction) -> Interaction:
        return inter_feat


class KnowledgeLoader(KnowledgeBasedDataLoader):
    """RecBole's loader of knowledge-aware models, whose recommender part is one of the loaders above.

    Args:
        config: of the run.
        dataset: the training part.
        sampler: RecBole's sampler of the recommender part.
        kg_sampler: RecBole's sampler of the knowledge graph, which keeps drawing its own negatives.
        kind: class of the recommender part.
    """

    def __init__(self, config: Any, dataset: Any, sampler: Any, kg_sampler: Any, kind: type[WeightedRows]) -> None:
        super().__init__(config, dataset, sampler, kg_sampler, shuffle=config["shuffle"])
        self.general_dataloader: Any = kind(config, dataset, sampler, shuffle=config["shuffle"])  # type: ignore[call-arg]

    @property
    def draws_by_weight(self) -> bool:
        """Whether rows of the recommender part are drawn by weight."""
        return bool(self.general_dataloader.draws_by_weight)

    def draw_rows_by_weight(self) -> None:
        """Begin to draw rows of the recommender part by the weight column of the data set."""
        self.general_dataloader.draw_rows_by_weight()


def recommender_part(loader: Any) -> Any:
    """The loader of user-item rows: the loader itself, or that part of a knowledge-aware model's, in whatever state."""
    return getattr(loader, "general_dataloader", loader)


def weighted_loader(config: Any, dataset: Any, train: Any, sampler: Any, kind: type[WeightedRows]) -> Any:
    """A loader of `kind` over the training part, or for a knowledge-aware model one with such a recommender part."""
    if config["MODEL_TYPE"] != ModelType.KNOWLEDGE:
        return kind(config, train, sampler, shuffle=config["shuffle"])  # type: ignore[call-arg]
    return KnowledgeLoader(config, train, sampler, _triple_sampler(config, dataset), kind)


def stock_train_loader(config: Any, dataset: Any, train: Any, sampler: Any) -> Any:
    """The loader that RecBole itself would train with."""
    kind = get_dataloader(config, "train")
    if config["MODEL_TYPE"] != ModelType.KNOWLEDGE:
        return kind(config, train, sampler, shuffle=config["shuffle"])
    return kind(config, train, sampler, _triple_sampler(config, dataset), shuffle=True)


def _triple_sampler(config: Any, dataset: Any) -> KGSampler:
    arguments = config["train_neg_sample_args"]
    return KGSampler(dataset, arguments["distribution"], arguments["alpha"])


def evaluation_loaders(config: Any, parts: list[Any], samplers: tuple[Any, Any, Any]) -> tuple[Any, Any]:
    """RecBole's loaders of valid and test over the real split."""
    valid = get_dataloader(config, "valid")(config, parts[1], samplers[1], shuffle=False)
    test = get_dataloader(config, "test")(config, parts[2], samplers[2], shuffle=False)
    return valid, test


def mask_only(sampler: Any, part: Any, masked: sparse.csr_matrix) -> None:
    """Let the ranking of this part leave out the pairs of `masked` (CSR [U, I]) and nothing else, in place.

    RecBole leaves out what its sampler has seen, minus the part's own positives, so both are put there.
    """
    own = sparse.csr_matrix(
        (
            np.ones(len(part), dtype=np.int8),
            (part.inter_feat[part.uid_field].numpy(), part.inter_feat[part.iid_field].numpy()),
        ),
        shape=masked.shape,
    )
    seen = (masked.astype(np.int8) + own).tocsr()
    sampler.used_ids = np.array([set(items.tolist()) for items in np.split(seen.indices, seen.indptr[1:-1])])


def require_mask(loader: Any, allowed: sparse.csr_matrix, phase: str) -> None:
    """Raise if the ranking of this loader leaves out a pair that is not in `allowed` (CSR [U, I], internal ids).

    The rule on honest evaluation: an inferred positive in the mask makes every metric meaningless.

    Raises:
        UserError: names the phase and the number of foreign pairs.
    """
    found = mask_differences(loader, allowed)
    if found is not None and found[0]:
        raise UserError(
            f"The {phase} ranking would leave out {found[0]} pairs that are not in the real split. Results under such "
            "a mask cannot be compared with others; does a plugin edit the data?"
        )


def masked_pairs(loader: Any) -> np.ndarray | None:
    """Pairs that the ranking of a loader leaves out, as user * I + item, int64; None where RecBole masks nothing."""
    if not isinstance(loader, FullSortEvalDataLoader) or loader.is_sequential:
        return None
    return _listed_pairs(loader, loader.uid2history_item)


def mask_differences(loader: Any, allowed: sparse.csr_matrix) -> tuple[int, int] | None:
    """How many pairs the ranking leaves out beyond `allowed` (CSR [U, I]), and how many of these it does not.

    The part's own positives are always ranked. None where RecBole masks nothing.
    """
    masked = masked_pairs(loader)
    if masked is None:
        return None
    users, width = loader.uid_list.numpy(), allowed.shape[1]
    rows = allowed[users].tocsr()
    expected = np.repeat(users, np.diff(rows.indptr)) * width + rows.indices
    expected = np.setdiff1d(expected, _listed_pairs(loader, loader.uid2positive_item))
    return len(np.setdiff1d(masked, expected)), len(np.setdiff1d(expected, masked))


def _listed_pairs(loader: Any, items_of: Any) -> np.ndarray:
    users = loader.uid_list.numpy()
    lists = list(items_of[users])
    rows = np.repeat(users, [len(items) for items in lists])
    items = torch.cat(lists).numpy() if lists else np.zeros(0, dtype=np.int64)
    return np.asarray(rows * loader._dataset.item_num + items)
