"""Judges by name. A judge of one's own: `JUDGES["name"] = Class` in a plugin file, a class derived from `Judge`."""

from __future__ import annotations

from typing import cast

from recbole_dtlns.config.declared import declared, require_asked
from recbole_dtlns.config.judge_declaration import JudgeDeclaration
from recbole_dtlns.false_negatives.judges.base import Judge, JudgeContext
from recbole_dtlns.false_negatives.judges.keep_all import KeepAllJudge
from recbole_dtlns.false_negatives.judges.llm import LlmJudge
from recbole_dtlns.false_negatives.judges.not_asked import LearnedJudge, NoJudge, ReadyVerdicts, StudentJudge
from recbole_dtlns.false_negatives.judges.rule import RuleJudge
from recbole_dtlns.false_negatives.judges.server import ServerJudge

__all__ = ["JUDGES", "OTHER_JUDGES", "Judge", "JudgeContext", "RuleJudge", "judge_class"]

JUDGES: dict[str, type[Judge]] = {
    "rule": RuleJudge,
    "keep_all": KeepAllJudge,
    "llm": LlmJudge,
    "server": ServerJudge,
}
OTHER_JUDGES: dict[str, type[JudgeDeclaration]] = {
    "none": NoJudge,
    "file": ReadyVerdicts,
    "student": StudentJudge,
    "learned": LearnedJudge,
}
"""Judges that are not asked pair by pair."""


def judge_class(name: str) -> type[Judge]:
    """The judge of that name, which must be asked pair by pair.

    Raises:
        UserError: there is none, with the names that there are, or it is no whole class.
    """
    require_asked(name)
    return cast(type[Judge], declared(name))
