"""From a built split and inferred positives to a trainer that is ready to run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from recbole.data.dataloader import KnowledgeBasedDataLoader, TrainDataLoader
from recbole.data.utils import create_samplers, get_dataloader
from recbole.utils import EvaluatorType, init_seed

from recbole_dtlns.config.model_kinds import draws_negatives, reads_whole_histories
from recbole_dtlns.config.run_config import Config
from recbole_dtlns.data import augmented, loaders
from recbole_dtlns.data.augmented import InferredIds
from recbole_dtlns.data.build import BuiltSplit
from recbole_dtlns.data.mask import evaluation_loaders
from recbole_dtlns.data.tokens import tokens_of
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.identification.during_training import OnlineJudge
from recbole_dtlns.false_negatives.inferred import InferredPositives
from recbole_dtlns.false_negatives.lists import JudgedLists
from recbole_dtlns.processes.group import as_one_process, this_rank
from recbole_dtlns.training.judged import judged_order
from recbole_dtlns.training.make_step import make_step
from recbole_dtlns.training.proposals import make_proposals
from recbole_dtlns.training.refresh import Refresher
from recbole_dtlns.training.resume import RunPlace
from recbole_dtlns.training.trainer import make_trainer
from recbole_dtlns.trees.stage import Trees
from recbole_dtlns.wording import counted


@dataclass
class Prepared:
    """Everything a run needs.

    Attributes:
        model: the RecBole model on its device.
        trainer: RecBole's trainer for it, extended; `trainer.step` is our training step, if any.
        train_data, valid_data, test_data: loaders; valid and test over the real split.
        extra: inferred positives that training begins with, in internal ids; None without.
    """

    model: Any
    trainer: Any
    train_data: Any
    valid_data: Any
    test_data: Any
    extra: InferredIds | None

    @property
    def used(self) -> InferredIds | None:
        """The inferred positives that the best epoch was trained on: with `judge_refresh` not the first ones."""
        refresher = self.trainer.refresher
        if refresher is None:
            return self.extra
        best: InferredIds = refresher.extra if refresher.best is None else refresher.best
        return best


def prepare(
    config: Config,
    split: BuiltSplit,
    inferred: InferredPositives | None,
    trees: Trees | None,
    for_training: bool = True,
    online: OnlineJudge | None = None,
    lists: JudgedLists | None = None,
    place: RunPlace | None = None,
) -> Prepared:
    """Build loaders, model and trainer in RecBole's order, so that stock runs draw the same random numbers.

    Samplers and evaluation loaders come from the real split; only then is the training part augmented. Without
    `for_training` no training step is made, and `trees` may be None. With `online`, the inferred positives are only the
    first ones. Under `positives_loss=list` the step trains on `lists`, and the training part is not augmented. A model
    that ranks by the judge itself ranks by them. `place` is where the run writes; without one nothing can be trained.

    Raises:
        UserError: users without drawable items, more candidates than items, a mask outside the real split.
    """
    extra = _extra_pairs(config, split, inferred)
    samplers = create_samplers(config, split.dataset, split.parts)
    train = _augmented(split, extra) if extra is not None and config.pairs_in_loss else split.train
    train_data = _train_loader(config, split, train, samplers[0], extra)
    loaders.share_rows(train_data, config["seed"])
    with as_one_process(config):  # rank 0 evaluates all
        valid_data, test_data = evaluation_loaders(config, split, samplers, extra)
    model = build_model(config, split, extra)
    if config.method.ranks_lists and lists is not None:  # a finished run has them in its checkpoint
        model.order = judged_order(split.dataset, lists)
    step = refresher = None
    if for_training:
        proposals = make_proposals(config, split.train, extra)
        step = make_step(config, split, model, train_data, extra, trees, proposals, lists)
        if online is not None and extra is not None:
            refresher = Refresher(online, model, config, split, proposals, extra)
    trainer = make_trainer(config, model, step, refresher, place, split.real_train if for_training else None)
    return Prepared(model, trainer, train_data, valid_data, test_data, extra)


def build_model(config: Config, split: BuiltSplit, extra: InferredIds | None) -> Any:
    """The RecBole model, freshly initialised from `seed`; `augment_graph` decides whether its graph holds `extra`.

    Models that read whole histories (auto-encoders) have them, and so their loss, with `extra` under `augment_loss`.
    """
    settings = config.settings
    wanted = settings.augment_graph or (config.pairs_in_loss and reads_whole_histories(config))
    graph = _augmented(split, extra) if extra is not None and wanted else split.train
    init_seed(config["seed"], config["reproducibility"])
    model = config.model_class(config, graph).to(config["device"])
    if not this_rank().is_first:  # dropout and RecBole's own negatives differ between ranks
        init_seed(config["seed"] + this_rank().number, config["reproducibility"])
    return model


def check_split(config: Config, split: BuiltSplit) -> None:
    """Find out before any other work whether negatives can be drawn at all.

    Raises:
        UserError: more candidates asked for, or items ranked, than there are items, or users who have interacted with
            everything (RecBole's samplers refuse them too, without saying who they are).
    """
    items, wanted = split.dataset.item_num - 1, config.settings.neg_candidates
    if config.method.base is not None and wanted > items:
        raise UserError(f"neg_candidates={wanted}, but there are only {items} items. Set it lower.")
    if config["eval_type"] == EvaluatorType.RANKING and max(config["topk"]) > split.dataset.item_num:
        raise UserError(f"topk={config['topk']}, but there are only {items} items to rank. Give smaller numbers.")
    seen = sum(
        (augmented.positives_matrix(part) for part in (split.valid, split.test)),
        augmented.positives_matrix(split.train),
    )
    full = np.flatnonzero(np.diff(seen.tocsr().indptr) >= split.dataset.item_num - 1)
    if len(full) and draws_negatives(config):  # where no negatives are drawn such a user does no harm
        shown = ", ".join(tokens_of(split.dataset, "user")[full[:5]].tolist())
        raise UserError(
            f"{counted(len(full), 'user')} with every item ({shown}{', ...' if len(full) > 5 else ''}): nothing is "
            "left to draw as a negative. Leave such users out, for instance with user_inter_num_interval."
        )


def _augmented(split: BuiltSplit, extra: InferredIds) -> Any:
    return augmented.augment(split.train, extra)


def _extra_pairs(config: Config, split: BuiltSplit, inferred: InferredPositives | None) -> InferredIds | None:
    refreshed = config.settings.judge_refresh is not None  # then there may be some later
    if inferred is None or config.method.ranks_lists or (len(inferred.users) == 0 and not refreshed):
        return None
    extra = InferredIds.from_tokens(split.dataset, inferred.users, inferred.items, inferred.weight)
    if config.settings.protocol == "reference":
        extra = extra.without(augmented.positives_matrix(split.valid) + augmented.positives_matrix(split.test))
    return extra


def _train_loader(config: Config, split: BuiltSplit, train: Any, sampler: Any, extra: InferredIds | None) -> Any:
    if config.method.base is not None:
        return loaders.weighted_loader(config, split.dataset, train, sampler, loaders.PositiveDataLoader)
    if extra is None:
        return loaders.stock_train_loader(config, split.dataset, train, sampler)
    if sampler is not None and config.settings.exclude_inferred:
        augmented.bar_from_stock_sampler(sampler, extra)
    if get_dataloader(config, "train") in {TrainDataLoader, KnowledgeBasedDataLoader}:
        return loaders.weighted_loader(config, split.dataset, train, sampler, loaders.StockNegatives)
    return loaders.stock_train_loader(config, split.dataset, train, sampler)
