"""Judges by name. A judge of one's own: `JUDGES["name"] = Class` in a plugin file."""

from __future__ import annotations

from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.judges.base import Judge, JudgeContext
from recbole_dtlns.false_negatives.judges.keep_all import KeepAllJudge
from recbole_dtlns.false_negatives.judges.rule import RuleJudge

__all__ = ["JUDGES", "Judge", "JudgeContext", "judge_class"]

JUDGES: dict[str, type[Judge]] = {"rule": RuleJudge, "keep_all": KeepAllJudge}


def judge_class(name: str) -> type[Judge]:
    """The judge of that name. `none` (no judging) and `file` (ready verdicts) are no classes.

    Raises:
        UserError: there is none, with the names that there are.
    """
    if name not in JUDGES:
        raise UserError(f"judge: there is no judge {name!r}. Give one of none, file, {', '.join(sorted(JUDGES))}.")
    return JUDGES[name]
