"""What keeps a judge from doing what is asked of it, found before any work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recbole_dtlns.config.declared import all_judges, declared, require_asked
from recbole_dtlns.config.judge_declaration import JudgeDeclaration
from recbole_dtlns.config.method import RunMethod
from recbole_dtlns.config.settings import Settings
from recbole_dtlns.errors import UserError


def check_judge(settings: Settings, method: RunMethod) -> None:
    """Refuse, before any work, a judge that cannot do what is asked of it.

    This is no part of `make_method`: a finished run can be read where its judge's packages are not installed.

    Raises:
        UserError: no model named, missing packages, or keys that do not go together.
    """
    judge, kind, options = method.judge, method.declared, settings.as_dict()
    if settings.shard is not None and settings.judge is None:
        raise UserError(
            f"shard={settings.shard} divides the questions to a judge among workers. Name one that answers pair by "
            "pair with --judge=NAME, the same for every part and for the run that follows."
        )
    _check_learned_keys(settings, judge, kind)
    if kind.way != "asked":  # else it is among the asked below
        kind.check(options)
    if kind.way == "fitted":
        _check_evidence(settings, kind)
    elif kind.way in {"asked", "distilled"}:
        _check_asked(judge, options)
    elif settings.judge_decision == "calibrated" or settings.judge_report:
        raise UserError(
            f"judge_decision=calibrated and judge_report=true ask the judge about held-in pairs, and judge={judge} "
            "answers no questions. Verdicts that were exported under calibrated hold calibrated probabilities: use "
            "them with per_user or threshold."
        )
    if settings.judge_refresh is not None:
        _check_refresh(settings, method)
    _check_controls(settings, method)


def _check_learned_keys(settings: Settings, judge: str, kind: type[JudgeDeclaration]) -> None:
    """Refuse keys of the learned judge that nothing would read."""
    if settings["learned_from"] is not None and kind.way != "fitted":
        raise UserError(
            f"learned_from={settings['learned_from']} is read by judge=learned alone, and here the judge is "
            f"{judge}. Leave it out, or name --judge=learned."
        )
    if settings["llm_budget"] is not None and settings["learned_from"] is None:
        raise UserError(
            f"llm_budget={settings['llm_budget']} is the share of pairs about which judge=learned asks the judges in "
            "learned_from, and none is named. Name one with --learned_from=llm; other judges have llm_max_pairs."
        )


def _check_asked(judge: str, options: Mapping[str, Any]) -> None:
    """Refuse keys with which a judge that answers questions, or a student's teacher, cannot work."""
    kind = declared(judge)
    answering = kind.asks(options) if kind.way == "distilled" else (judge,)
    for name in answering:
        require_asked(name)
        declared(name).check(options)


def _check_evidence(settings: Settings, kind: type[JudgeDeclaration]) -> None:
    """Refuse judges that the learned judge cannot learn from, and a budget that limits nothing."""
    options = settings.as_dict()
    informing = {name for name, other in all_judges().items() if other.informs}
    names = sorted(name for name in informing if declared(name).way in {"asked", "distilled"})
    named = kind.asks(options)
    for name in named:
        if name not in names:
            raise UserError(f"learned_from: there is no judge {name!r} to learn from. Give one of {', '.join(names)}.")
        _check_asked(name, options)
    if settings["llm_budget"] is not None and not any(declared(name).asks_model for name in named):
        raise UserError(
            f"llm_budget={settings['llm_budget']} limits the questions to a language model, and learned_from="
            f"{settings['learned_from']} asks none. Leave it out, or add llm to learned_from."
        )


def _check_controls(settings: Settings, method: RunMethod) -> None:
    """Refuse a control that would change nothing."""
    if settings.random_positives and method.declared.way == "none":
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
    if not method.declared.online:
        able = sorted(name for name, judge in all_judges().items() if judge.online)
        raise UserError(f"{asked}; judge={method.judge} cannot. Use one of {', '.join(able)}.")
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
