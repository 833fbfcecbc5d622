"""The training step of a run: where scores come from, which sampler picks, and what is logged of it."""

from __future__ import annotations

import logging
from typing import Any

import torch
from recbole.data.interaction import Interaction
from recbole.data.transform import construct_transform
from recbole.utils import ModelType

from recbole_dtlns.config.model_kinds import reads_whole_histories
from recbole_dtlns.config.run_config import Config
from recbole_dtlns.data.augmented import InferredIds, positives_matrix
from recbole_dtlns.data.build import BuiltSplit
from recbole_dtlns.data.sequences import longest_rows
from recbole_dtlns.data.tokens import tokens_of
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.lists import JudgedLists
from recbole_dtlns.processes.group import this_rank
from recbole_dtlns.samplers import SAMPLERS
from recbole_dtlns.samplers.base import SamplerContext
from recbole_dtlns.samplers.first_batch import check_first_batch
from recbole_dtlns.samplers.parts.exclude import FarFromHistory
from recbole_dtlns.samplers.parts.history import History
from recbole_dtlns.samplers.parts.proposal import FreeItems
from recbole_dtlns.samplers.parts.tree_view import TreeView
from recbole_dtlns.training.hardness.held_out import HeldOut
from recbole_dtlns.training.hardness.meter import HardnessMeter
from recbole_dtlns.training.list_loss import ListLoss
from recbole_dtlns.training.list_memory import check_list_memory
from recbole_dtlns.training.lists_in_loss import make_list_loss
from recbole_dtlns.training.loss import WeightedBPRLoss, replace_bpr_loss
from recbole_dtlns.training.proposals import far_from_history
from recbole_dtlns.training.scores import ScoreSource, scoring
from recbole_dtlns.training.sequences import sequence_scoring
from recbole_dtlns.training.step import SampledStep, WeightedStep
from recbole_dtlns.trees.similarity import TreeSimilarity
from recbole_dtlns.trees.stage import Trees

logger = logging.getLogger(__name__)


def make_step(
    config: Config,
    split: BuiltSplit,
    model: Any,
    train_data: Any,
    extra: InferredIds | None,
    trees: Trees | None,
    proposals: tuple[FreeItems, ...],
    lists: JudgedLists | None = None,
) -> SampledStep | WeightedStep | None:
    """The step that stands in for the model's `calculate_loss`; None where RecBole's own path needs nothing of ours.

    Args:
        config, split: of the run.
        model: on its device; its BPRLoss is replaced by one that takes weights and made-up negatives.
        train_data: the training loader, which draws rows by weight where the loss takes none.
        extra: inferred positives that training uses; None without.
        trees: None where nothing reads codes.
        proposals: what negatives are drawn from, (uniform, popularity).
        lists: judged lists for `positives_loss=list`; None without.

    Raises:
        UserError: a sampler and a model that do not go together.
    """
    if config.method.base is None and extra is None:
        return None  # RecBole untouched
    loss = replace_bpr_loss(model)
    if extra is not None and config.pairs_in_loss and loss is None:
        _weigh_without_loss(config, train_data)
    if config.method.base is None:
        return WeightedStep(loss) if loss is not None and config.pairs_in_loss else None
    list_loss = make_list_loss(config, split, lists)
    return _sampled_step(config, split, model, loss, extra, trees, proposals, list_loss)


def _weigh_without_loss(config: Config, train_data: Any) -> None:
    if reads_whole_histories(config):
        logger.warning("%s takes no weights: every inferred positive counts like a real one.", config["model"])
        return
    logger.info("%s has no BPRLoss: rows are drawn in proportion to their weight instead.", config["model"])
    train_data.draw_rows_by_weight()


def _sampled_step(
    config: Config,
    split: BuiltSplit,
    model: Any,
    loss: WeightedBPRLoss | None,
    extra: InferredIds | None,
    trees: Trees | None,
    proposals: tuple[FreeItems, ...],
    lists: ListLoss | None,
) -> SampledStep:
    settings, method = config.settings, config.method
    kind = SAMPLERS[str(method.base)]
    own = kind()
    check_first_batch(own, str(method.base))
    sampler: Any = TreeView(own) if method.tree_view else own
    source = _score_source(config, split, model)
    if lists is not None and source.sizes is None:
        check_list_memory(model, lists.settings.n_users, lists.items.shape[1] + lists.settings.n_drawn)
    if kind.needs_layers and loss is None:
        raise UserError(
            f"neg_sampler={method.base} makes up layers that the loss must score, but {config['model']} has no BPRLoss "
            "of RecBole's as an attribute. Give it one (self.loss = BPRLoss()), or choose a sampler that returns ids."
        )
    context = _sampler_context(config, split, source.sizes, trees, proposals)
    sampler.setup(context)
    n_candidates = settings.neg_candidates if kind.scores_candidates or method.tree_view else 1
    hardness = _hardness_meter(config, split, extra, context)
    return SampledStep(
        *(model, source, sampler, context.generator, loss, n_candidates, settings.num_negatives, hardness, lists)
    )


def _hardness_meter(
    config: Config, split: BuiltSplit, extra: InferredIds | None, context: SamplerContext
) -> HardnessMeter:
    bars_inferred = config.settings.exclude_inferred
    valid = HeldOut(split.train, split.valid, extra, bars_inferred, config["device"])
    excluding = [source for source in (context.uniform, context.popularity) if isinstance(source, FarFromHistory)]
    return HardnessMeter(valid, context.similarities, excluding)


def _score_source(config: Config, split: BuiltSplit, model: Any) -> ScoreSource:
    if config["MODEL_TYPE"] != ModelType.SEQUENTIAL:
        return scoring(model)
    train, transform = split.train, construct_transform(config)
    of_user = torch.as_tensor(longest_rows(train)).clamp_min(0)  # who is not in train is never asked about

    def as_loaded(rows: torch.Tensor) -> Interaction:
        return transform(train, train.inter_feat[rows]).to(config["device"])

    sample = as_loaded(torch.linspace(0, len(train) - 1, 64).long())
    return sequence_scoring(model, sample, lambda users: as_loaded(of_user[users]), len(of_user))


def _sampler_context(
    config: Config,
    split: BuiltSplit,
    sizes: tuple[int, ...] | None,
    trees: Trees | None,
    proposals: tuple[FreeItems, ...],
) -> SamplerContext:
    train, settings, device = split.train, config.settings, config["device"]
    similarities = None
    if trees is not None:
        names = tokens_of(train, "item")
        normalize: Any = settings.tree_similarity
        similarities = (
            TreeSimilarity(trees.co.for_tokens(names).codes, device, normalize),
            TreeSimilarity(trees.se.for_tokens(names).codes, device, normalize),
        )
    generator = torch.Generator(device=device)
    generator.manual_seed(config["seed"] + this_rank().number)
    history = History(positives_matrix(train), device)
    uniform, popularity = far_from_history(config, train, trees, proposals)
    return SamplerContext(uniform, popularity, history, sizes, similarities, settings.as_dict(), generator)
