"""Judges by name. A judge of one's own: `JUDGES["name"] = Class` in a plugin file."""

from __future__ import annotations

from collections.abc import Callable

from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.judges.base import Judge, JudgeContext
from recbole_dtlns.false_negatives.judges.keep_all import KeepAllJudge
from recbole_dtlns.false_negatives.judges.llm import LlmJudge
from recbole_dtlns.false_negatives.judges.rule import RuleJudge
from recbole_dtlns.false_negatives.judges.server import ServerJudge

__all__ = ["JUDGES", "OTHER_JUDGES", "Judge", "JudgeContext", "RuleJudge", "judge_class"]

JUDGES: dict[str, Callable[[JudgeContext], Judge]] = {
    "rule": RuleJudge,
    "keep_all": KeepAllJudge,
    "llm": LlmJudge,
    "server": ServerJudge,
}
OTHER_JUDGES = ("none", "file", "student", "learned")
"""Names that are no class: no judging, ready verdicts, the cascade of a teacher and what it taught, and a small model
that is fitted on held-in training pairs."""


def judge_class(name: str) -> Callable[[JudgeContext], Judge]:
    """The judge of that name, which must be a class.

    Raises:
        UserError: there is none, with the names that there are.
    """
    if name not in JUDGES:
        raise UserError(f"There is no judge {name!r} that answers questions. Give one of {', '.join(sorted(JUDGES))}.")
    return JUDGES[name]
