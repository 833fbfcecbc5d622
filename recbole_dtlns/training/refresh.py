"""Judging again during training: every few epochs the inferred positives follow the model (`judge_refresh`)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recbole_dtlns.config.run_config import Config
from recbole_dtlns.data.augmented import InferredIds, augment
from recbole_dtlns.data.build import BuiltSplit
from recbole_dtlns.false_negatives.identification.during_training import OnlineJudge
from recbole_dtlns.false_negatives.inferred import write_inferred
from recbole_dtlns.samplers.parts.proposal import FreeItems
from recbole_dtlns.training.candidate_model import wrap_model
from recbole_dtlns.training.proposals import bar_inferred

logger = logging.getLogger(__name__)

REFRESHED = "refreshed_positives.tsv"


@dataclass
class Refresher:
    """Replaces the inferred positives of a run by the judged candidates of its own model.

    The model has seen training pairs alone, so the inferred positives know nothing else; but its start depends on
    RecBole's numbering of the whole split, so they are written beside `inferred_positives.tsv`, not over it.

    Attributes:
        online: the judge.
        model: the model in training.
        config, split: of the run.
        proposals: what negatives are drawn from, (uniform, popularity); inferred positives are barred there under
            `exclude_inferred`.
        extra: the inferred positives in use.
        best: those of the best epoch so far, which a run's counts and overlap describe.
    """

    online: OnlineJudge
    model: Any
    config: Config
    split: BuiltSplit
    proposals: Sequence[FreeItems]
    extra: InferredIds
    best: InferredIds | None = None
    _loader: Any = None

    def current(self, train_data: Any) -> Any:
        """The loader in use: the first one, or that of the last refresh."""
        return train_data if self._loader is None else self._loader

    def before_epoch(self, epoch: int, train_data: Any, run_dir: Path) -> Any:
        """The loader for this epoch, refreshed before it where it is due."""
        if epoch > 0 and epoch % int(self.config.settings.judge_refresh or 1) == 0:
            self._refresh(epoch, train_data, run_dir)
        return self.current(train_data)

    def state_dict(self) -> dict[str, Any]:
        """The inferred positives in use and those of the best epoch, for a run that is continued."""
        return {"extra": vars(self.extra), "best": None if self.best is None else vars(self.best)}

    def load_state_dict(self, state: dict[str, Any], train_data: Any) -> None:
        """Go on with saved inferred positives."""
        self.best = None if state["best"] is None else InferredIds(**state["best"])
        self._use(InferredIds(**state["extra"]), train_data)

    def _refresh(self, epoch: int, train_data: Any, run_dir: Path) -> None:
        training = self.model.training
        scores = wrap_model(self.model, self.split.dataset, self.split.view)
        inferred = self.online.infer(scores.score_block, type(self.model).__name__)
        self.model.train(training)
        about = {"train_hash": self.split.view.train_hash, "epoch": epoch, "settings": self.config.settings.as_dict()}
        write_inferred(run_dir / REFRESHED, inferred, about)
        before = self.extra
        self._use(
            InferredIds.from_tokens(self.split.dataset, inferred.users, inferred.items, inferred.weight), train_data
        )
        logger.info(
            "Before epoch %d: %d inferred positives from the model's own candidates, %d of them new.",
            *(epoch, len(self.extra), len(np.setdiff1d(self._codes(self.extra), self._codes(before)))),
        )

    def _use(self, extra: InferredIds, train_data: Any) -> None:
        """New rows for the loss and new bars for the sampler; the order of rows goes on where it was."""
        old, train = self.current(train_data), self.split.train
        self.extra = extra
        if self.config.settings.augment_loss:
            loader = type(old)(self.config, augment(train, extra), old._sampler, shuffle=self.config["shuffle"])
            loader.generator.set_state(old.generator.get_state())
            if old.draws_by_weight:
                loader.draw_rows_by_weight()
            self._loader = loader
        bar_inferred(self.config, train, self.proposals, extra)

    def _codes(self, extra: InferredIds) -> np.ndarray:
        return extra.users.astype(np.int64) * self.split.dataset.item_num + extra.items
