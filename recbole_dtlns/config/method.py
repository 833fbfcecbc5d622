"""What a configuration means: which sampler, on which path, with which judge."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any

from recbole_dtlns.config.choices import JUDGED_ORDER, STOCK_SAMPLERS
from recbole_dtlns.config.declared import declared, require_judge, require_sampler, table
from recbole_dtlns.config.judge_declaration import JudgeDeclaration
from recbole_dtlns.config.model_kinds import (
    check_judged_model,
    check_noise,
    draws_negatives,
    takes_negatives,
    why_negatives_are_unread,
)
from recbole_dtlns.config.positives_loss import default_judge, positives_loss
from recbole_dtlns.config.settings import Settings
from recbole_dtlns.config.stock_keys import refuse_pairs_without_negatives
from recbole_dtlns.config.unread_keys import unread_keys
from recbole_dtlns.errors import UserError

logger = logging.getLogger(__name__)

DEFAULT_SAMPLER = "dtl_ns"


@dataclass(frozen=True)
class RunMethod:
    """What will run.

    Attributes:
        sampler: the sampler asked for, `recbole:...` for RecBole's loader; None where the model reads no negatives.
        base: name of the sampler of ours that runs; None on RecBole's own path.
        tree_view: whether the tree view is on top of it.
        effective: what runs, as `result.json` names it: `dtl_ns`, `dns+tree`, `recbole:uniform`; None: no negatives.
        judge: `none` or a judge's name.
        notes: what the user should be told, a line each.
        tree_exclude: whether candidates are left out by their similarity to the history.
        positives_loss: how inferred positives enter the loss, `pairs` or `list`; None without inferred positives.
        ranks_lists: whether nothing is trained, and the judge's own order of all candidates is what is ranked.
    """

    sampler: str | None
    base: str | None
    tree_view: bool
    effective: str | None
    judge: str
    notes: tuple[str, ...] = ()
    tree_exclude: bool = False
    positives_loss: str | None = None
    ranks_lists: bool = False

    @property
    def needs_trees(self) -> bool:
        """Whether codes are read by anything."""
        return self.tree_view or self.tree_exclude or self.declared.reads_codes

    @property
    def declared(self) -> type[JudgeDeclaration]:
        """What the judge declares of itself."""
        return declared(self.judge)


def make_method(settings: Settings, config: Any, user_set_stock: bool) -> RunMethod:
    """Resolve sampler, path, view and judge for the model of a configuration.

    Args:
        settings: our keys.
        config: RecBole's configuration, for the model's name and kinds.
        user_set_stock: whether the user gave `train_neg_sample_args`.

    Raises:
        UserError: an unknown name, or a combination that cannot be had.
    """
    method = _method_without_loss(settings, config, user_set_stock)
    if config["model"] == JUDGED_ORDER:
        ranked = replace(method, ranks_lists=True)
        return replace(ranked, notes=(*ranked.notes, *unread_keys(settings, ranked)))
    loss = positives_loss(settings, config, method.judge, method.effective, method.base is not None)
    notes = method.notes
    if method.judge == "none" and settings.positives_loss == "list":
        notes += ("positives_loss=list changes nothing here: no judge is named, so there are no lists.",)
    method = replace(method, positives_loss=loss)
    return replace(method, notes=(*notes, *unread_keys(settings, method)))


def _method_without_loss(settings: Settings, config: Any, user_set_stock: bool) -> RunMethod:
    judge = settings.judge
    if judge is not None:
        require_judge(judge)
    check_noise(settings, config)
    stock = _stock_reason(settings, config, user_set_stock)
    if stock is not None:
        check_judged_model(settings, config, judge or "none")
        return _stock_method(settings, config, judge, stock)
    name = settings.neg_sampler or DEFAULT_SAMPLER
    require_sampler(name)
    why: str | None = None
    if judge is None:
        judge, why = default_judge(settings, config) if name == DEFAULT_SAMPLER else ("none", None)
    check_judged_model(settings, config, judge)
    if name in STOCK_SAMPLERS:
        if settings.tree_view:
            raise UserError(f"tree_view=true needs a sampler of ours, but neg_sampler={name} is RecBole's own loader.")
        return RunMethod(name, None, False, name, judge)
    method = _our_method(settings, config, name, judge)
    return method if why is None else replace(method, notes=(*method.notes, why))


def _our_method(settings: Settings, config: Any, name: str, judge: str) -> RunMethod:
    kind, layered = table("samplers")[name], table("models with layers")
    kind.check(settings.as_dict())
    view = kind.tree_view_by_default if settings.tree_view is None else settings.tree_view
    notes: tuple[str, ...] = ()
    base = name
    if kind.needs_layers and config["model"] not in layered:
        if not kind.tree_view_by_default:
            raise UserError(
                f"neg_sampler={name} mixes the layers of the model, and those of {config['model']} are not to be had. "
                f"It works with {', '.join(layered)}; choose one of these models, or another sampler."
            )
        base = "dns"
        place = "the tree view on dns" if view else "dns"
        notes = (f"{config['model']} gives no layers: {name} runs as {place}, with the same positives.",)
    widths = config["hidden_size_list"] if config["model"] == "NGCF" else None
    if kind.needs_equal_layers and widths is not None and set(widths) != {config["embedding_size"]}:
        raise UserError(
            f"neg_sampler={name} has gates that all layers share, but hidden_size_list={widths} and embedding_size="
            f"{config['embedding_size']} differ. Make them alike, or choose another sampler."
        )
    effective = name if base == name and view == kind.tree_view_by_default else base + ("+tree" if view else "")
    if base == "dtl_ns" and not view:
        effective = "mixgcf"
    return RunMethod(name, base, view, effective, judge, notes, settings.tree_exclude is not None)


def _stock_reason(settings: Settings, config: Any, user_set_stock: bool) -> str | None:
    """Why RecBole's own path runs although no `recbole:` sampler was named, or None."""
    asked = settings.neg_sampler
    if user_set_stock:
        if asked is not None:
            raise UserError(
                f"Both neg_sampler={asked} and train_neg_sample_args are set, and only one can draw the negatives. "
                "Remove one of them (train_neg_sample_args alone runs RecBole's own loader)."
            )
        return "train_neg_sample_args is set: RecBole's own loader draws the negatives."
    if takes_negatives(config):
        return None
    if asked is not None:
        require_sampler(asked)
    if asked in table("samplers"):
        raise UserError(
            f"neg_sampler={asked} needs a pairwise general recommender, a knowledge-aware one, or a sequential one "
            f"with loss_type=BPR, but {config['model']} is none of them. Leave neg_sampler out to train it as "
            "RecBole does."
        )
    return f"{config['model']} takes no negatives of ours: it trains as RecBole trains it."


def _stock_method(settings: Settings, config: Any, judge: str | None, reason: str) -> RunMethod:
    if settings.tree_view:
        raise UserError(f"tree_view=true needs a sampler of ours. {reason}")
    arguments = config["train_neg_sample_args"]
    unread = why_negatives_are_unread(config)
    if not draws_negatives(config):
        if unread is None:
            refuse_pairs_without_negatives(config)
        return RunMethod(None, None, False, None, judge or "none", (reason,))
    if unread is not None:
        return RunMethod(None, None, False, None, judge or "none", (f"{reason} {unread}",))
    if settings.neg_sampler in STOCK_SAMPLERS:
        name = settings.neg_sampler
    else:
        name = "recbole:dynamic" if arguments.get("dynamic") else f"recbole:{arguments['distribution']}"
    return RunMethod(name, None, False, name, judge or "none", (reason,))
