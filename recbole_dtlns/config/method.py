"""What a configuration means: which sampler, on which path, with which judge."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any

from recbole_dtlns.config.model_kinds import (
    check_judged_model,
    check_noise,
    draws_negatives,
    takes_negatives,
    takes_negatives_for_positives,
)
from recbole_dtlns.config.positives_loss import LEARNED, default_judge, learned_obstacle, positives_loss
from recbole_dtlns.config.settings import Settings, nearest
from recbole_dtlns.config.stock_keys import refuse_pairs_without_negatives
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.judges import JUDGES, OTHER_JUDGES, judge_class
from recbole_dtlns.samplers import SAMPLERS, STOCK, require_sampler
from recbole_dtlns.training.judged import JUDGED_ORDER
from recbole_dtlns.training.layers import LAYER_SOURCES

logger = logging.getLogger(__name__)

DEFAULT_SAMPLER = "dtl_ns"


@dataclass(frozen=True)
class RunMethod:
    """What will run.

    Attributes:
        sampler: the sampler asked for, `recbole:...` for RecBole's loader; None where the model draws no negatives.
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
        return self.tree_view or self.tree_exclude or self.judge not in {"none", "keep_all", "file"}


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
        return replace(method, ranks_lists=True)
    loss = positives_loss(settings, config, method.judge, method.effective, method.base is not None)
    notes = method.notes
    if method.judge == "none" and settings.positives_loss == "list":
        notes += ("positives_loss=list changes nothing here: no judge is named, so there are no lists.",)
    return replace(method, positives_loss=loss, notes=notes)


def _method_without_loss(settings: Settings, config: Any, user_set_stock: bool) -> RunMethod:
    judge = _judge_name(settings)
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
    if name in STOCK:
        if settings.tree_view:
            raise UserError(f"tree_view=true needs a sampler of ours, but neg_sampler={name} is RecBole's own loader.")
        return RunMethod(name, None, False, name, judge)
    method = _our_method(settings, config, name, judge)
    return method if why is None else replace(method, notes=(*method.notes, why))


def _our_method(settings: Settings, config: Any, name: str, judge: str) -> RunMethod:
    kind = SAMPLERS[name]
    kind.check(settings.as_dict())
    view = kind.tree_view_by_default if settings.tree_view is None else settings.tree_view
    notes: tuple[str, ...] = ()
    base = name
    if kind.needs_layers and config["model"] not in LAYER_SOURCES:
        if not kind.tree_view_by_default:
            raise UserError(
                f"neg_sampler={name} mixes the layers of the model, and those of {config['model']} are not to be had. "
                f"It works with {', '.join(LAYER_SOURCES)}; choose one of these models, or another sampler."
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
    if asked in SAMPLERS:
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
    if not draws_negatives(config):
        refuse_pairs_without_negatives(config)
        return RunMethod(None, None, False, None, judge or "none", (reason,))
    if takes_negatives_for_positives(config):
        reason += (
            f" {config['model']} takes every negative that RecBole draws for a positive. Give "
            "--train_neg_sample_args=None, and it trains on positives alone."
        )
    if settings.neg_sampler in STOCK:
        name = settings.neg_sampler
    else:
        name = "recbole:dynamic" if arguments.get("dynamic") else f"recbole:{arguments['distribution']}"
    return RunMethod(name, None, False, name, judge or "none", (reason,))


def _judge_name(settings: Settings) -> str | None:
    name = settings.judge
    if name is None:
        return None
    known = [*OTHER_JUDGES, *JUDGES]
    if name not in known:
        raise UserError(f"There is no judge {name!r}{nearest(name, known)} Known: {', '.join(sorted(set(known)))}.")
    return name


_ONLINE = {"rule", "keep_all", "student"}


def check_judge(settings: Settings, method: RunMethod) -> None:
    """Refuse, before any work, a judge that cannot do what is asked of it.

    This is no part of `make_method`: a finished run can be read where its judge's packages are not installed.

    Raises:
        UserError: no model named, missing packages, or keys that do not go together.
    """
    judge = method.judge
    if settings.shard is not None and settings.judge is None:
        raise UserError(
            f"shard={settings.shard} divides the questions to a judge among workers. Name one that answers pair by "
            "pair with --judge=NAME, the same for every part and for the run that follows."
        )
    if settings.learned_from is not None and judge != LEARNED:
        raise UserError(
            f"learned_from={settings.learned_from} is read by judge=learned alone, and here the judge is "
            f"{judge}. Leave it out, or name --judge=learned."
        )
    if settings.llm_budget is not None and settings.learned_from is None:
        raise UserError(
            f"llm_budget={settings.llm_budget} is the share of pairs about which judge=learned asks the judges in "
            "learned_from, and none is named. Name one with --learned_from=llm; other judges have llm_max_pairs."
        )
    if judge == "file" and settings.judge_file is None:
        raise UserError(
            "judge=file reads verdicts from a file; name it with --judge_file=PATH, or in the plan file of a "
            "comparison as judge_keys: {file: {judge_file: PATH}}."
        )
    if judge == LEARNED:
        _check_learned(settings)
    elif judge not in {"none", "file"}:
        _check_asked(judge, settings)
    elif settings.judge_decision == "calibrated" or settings.judge_report:
        raise UserError(
            f"judge_decision=calibrated and judge_report=true ask the judge about held-in pairs, and judge={judge} "
            "answers no questions. Verdicts that were exported under calibrated hold calibrated probabilities: use "
            "them with per_user or threshold."
        )
    if settings.judge_refresh is not None:
        _check_refresh(settings, method)
    _check_controls(settings, method)
    if judge == "student" and settings.shard is not None:
        raise UserError(
            f"shard={settings.shard}: every part would fit a student of its own. Judge the parts with judge="
            f"{settings.student_teacher}, or all of it with judge=student."
        )


def _check_asked(judge: str, settings: Settings) -> None:
    """Refuse keys with which a judge that answers questions, or a student's teacher, cannot work."""
    kind = judge_class(settings.student_teacher if judge == "student" else judge)
    check = getattr(kind, "check", None)  # a plugin's judge need not have one
    if check is not None:
        check(settings.as_dict())


def _check_learned(settings: Settings) -> None:
    known = sorted({*JUDGES, "student"} - {"keep_all"})
    for name in settings.learned_from_names:
        if name not in known:
            raise UserError(f"learned_from: there is no judge {name!r} to learn from. Give one of {', '.join(known)}.")
        _check_asked(name, settings)
    if settings.llm_budget is not None and set(settings.learned_from_names) <= {"rule"}:
        raise UserError(
            f"llm_budget={settings.llm_budget} limits the questions to a language model, and learned_from="
            f"{settings.learned_from} asks none. Leave it out, or add llm to learned_from."
        )
    obstacle = learned_obstacle(settings)
    if obstacle is not None:
        raise UserError(obstacle)


def _check_controls(settings: Settings, method: RunMethod) -> None:
    """Refuse a control that would change nothing."""
    if settings.random_positives and method.judge == "none":
        raise UserError("random_positives=true replaces inferred positives, and judge=none infers none. Name a judge.")
    if settings.shuffle_codes and not method.needs_trees:
        raise UserError(
            f"shuffle_codes=true, but nothing reads codes here: negatives are {method.effective or 'none'}, without "
            f"the tree view, and judge={method.judge}. Remove the key, or choose a sampler or a judge that reads codes."
        )
    if settings.export_codes is not None and not method.needs_trees:
        raise UserError(
            f"export_codes={settings.export_codes}, but nothing reads codes here, so no tree is built. Choose a "
            "sampler or a judge that reads codes, such as --judge=rule."
        )


def _check_refresh(settings: Settings, method: RunMethod) -> None:
    asked = f"judge_refresh={settings.judge_refresh} judges again during training"
    if method.judge not in _ONLINE:
        raise UserError(f"{asked}; judge={method.judge} cannot. Use one of {', '.join(sorted(_ONLINE))}.")
    if method.base is None:
        raise UserError(f"{asked}, which needs a sampler of ours; neg_sampler is {method.effective}.")
    if settings.random_positives:
        raise UserError(
            f"{asked}, but random_positives=true replaces the inferred positives once, before it. Use one of the two."
        )
    if settings.augment_graph or settings.protocol == "reference":
        raise UserError(
            f"{asked}, but the graph of a model is built once and the reference protocol filters once. Use it with "
            "augment_graph=false and protocol=honest."
        )
