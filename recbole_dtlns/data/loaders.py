"""RecBole's training loaders, and ours that leave negatives or weights to us."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from recbole.data.dataloader import KnowledgeBasedDataLoader, TrainDataLoader
from recbole.data.interaction import Interaction
from recbole.data.utils import get_dataloader
from recbole.sampler import KGSampler
from recbole.utils import ModelType
from torch.utils.data import RandomSampler

from recbole_dtlns.data.augmented import WEIGHT_FIELD
from recbole_dtlns.processes.group import this_rank


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

    def collate_fn(self, index: list[int] | torch.Tensor) -> Interaction:
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

    def __iter__(self) -> Iterator[Interaction]:
        """Torch's batches in torch's order, without a Python number for each row on its way to them."""
        if self.num_workers or self.draws_by_weight:
            yield from super().__iter__()
            return
        torch.empty((), dtype=torch.int64).random_(generator=self.generator)  # torch draws this before the order
        for places in self._order().split(self.batch_size):
            yield self.collate_fn(places)

    def _order(self) -> torch.Tensor:
        """Rows in the order of the epoch, int64 [n]."""
        if type(self.sampler) is not RandomSampler:
            return torch.as_tensor(list(self.sampler), dtype=torch.int64)
        order = torch.randperm(len(self.sampler), generator=self.generator)
        torch.randperm(len(order), generator=self.generator)  # torch draws it too, for rows beyond the last
        return order

    def collate_fn(self, index: list[int] | torch.Tensor) -> Interaction:
        """RecBole's batch, made without RecBole's two conversions to lists."""
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
    """The loader of user-item rows: the loader itself, or its recommender part for a knowledge-aware model."""
    return getattr(loader, "general_dataloader", loader)


def share_rows(loader: Any, seed: int) -> None:
    """Let each rank's share of the rows of an epoch depend on `seed`, and what it draws itself on its rank too.

    RecBole deals rows out to several processes in an order that is the same for every seed. Nothing in a run of one
    process.
    """
    if this_rank().is_alone:
        return
    parts = [getattr(loader, name, None) for name in ("general_dataloader", "kg_dataloader")]
    for part in [part for part in parts if part is not None] or [loader]:
        part.sampler.seed = seed
        part.generator.manual_seed(seed + this_rank().number)


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
