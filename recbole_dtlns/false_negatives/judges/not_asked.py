"""Judges that are not asked pair by pair: no judging, ready verdicts, a student of answers, a fitted model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from recbole_dtlns.config.budget import Budget
from recbole_dtlns.config.declared import table
from recbole_dtlns.config.judge_declaration import JudgeDeclaration, Way
from recbole_dtlns.config.parsers import Key, number, or_none, percent, text, whole
from recbole_dtlns.errors import UserError


class NoJudge(JudgeDeclaration):
    """No pair is judged."""

    way: ClassVar[Way] = "none"
    keys: ClassVar[Mapping[str, Key]] = {}
    reads_codes = False
    asks_model = False


class ReadyVerdicts(JudgeDeclaration):
    """Verdicts made elsewhere, see `verdict_file`."""

    way: ClassVar[Way] = "read"
    keys: ClassVar[Mapping[str, Key]] = {
        "judge_file": Key(None, or_none(text), "verdicts made elsewhere, with judge=file"),
    }
    reads_codes = False
    asks_model = False

    @classmethod
    def check(cls, options: Mapping[str, Any]) -> None:
        """Refuse an unset `judge_file`."""
        if options["judge_file"] is None:
            raise UserError(
                "judge=file reads verdicts from a file; name it with --judge_file=PATH, or in the plan file of a "
                "comparison as judge_keys: {file: {judge_file: PATH}}."
            )


class StudentJudge(JudgeDeclaration):
    """A small model that learns from the answers of a teacher, see `student`."""

    way: ClassVar[Way] = "distilled"
    keys: ClassVar[Mapping[str, Key]] = {
        "student_teacher": Key("llm", text, "judge that labels for judge=student: llm, server or a plugin's"),
        "student_users": Key(150, whole(8), "users whose candidates the teacher labels"),
        "student_share": Key(0.2, number(0, 1), "share of all pairs, the least certain, that the teacher judges too"),
    }
    online = True

    @classmethod
    def check(cls, options: Mapping[str, Any]) -> None:
        """Refuse a part of the users: each part would have a student of its own."""
        if options["shard"] is not None:
            raise UserError(
                f"shard={options['shard']}: every part would fit a student of its own. Judge the parts with judge="
                f"{options['student_teacher']}, or all of it with judge=student."
            )

    @classmethod
    def asks(cls, options: Mapping[str, Any]) -> tuple[str, ...]:
        """The teacher."""
        return (options["student_teacher"],)


class LearnedJudge(JudgeDeclaration):
    """A model that is fitted on held-in training pairs, see `identification.learning`."""

    way: ClassVar[Way] = "fitted"
    keys: ClassVar[Mapping[str, Key]] = {
        "learned_from": Key(
            None,
            or_none(text),
            "judges whose raw scores judge=learned reads too: llm, student, server, rule, a plugin's",
        ),
        "llm_budget": Key(
            None,
            or_none(percent),
            "learned_from: share of the candidate pairs that a language model is asked about, 5%",
        ),
    }
    asks_model = False
    prefers_lists = True
    candidate_topk = Budget(50)
    # Few of its candidates are likelier true than not, and yet the best ones are the best there are.
    lowest_per_user = 0.0
    about = "is fitted on pairs held back from train, no language model"

    @classmethod
    def check(cls, options: Mapping[str, Any]) -> None:
        """Refuse keys under which it cannot be fitted."""
        obstacle = learned_obstacle(options)
        if obstacle is not None:
            raise UserError(obstacle)

    @classmethod
    def asks(cls, options: Mapping[str, Any]) -> tuple[str, ...]:
        """The judges that `learned_from` names."""
        return tuple(name.strip() for name in (options["learned_from"] or "").split(",") if name.strip())


def learned_obstacle(options: Mapping[str, Any]) -> str | None:
    """Why the learned judge cannot be fitted with these keys, and what to do; None where it can be."""
    if options["judge_decision"] == "calibrated":
        return (
            "judge_decision=calibrated fits probabilities on held-in pairs, and judge=learned is fitted on such pairs "
            "itself: its raw scores are probabilities. Use per_user, threshold or rate."
        )
    if options["candidate_source"] in table("other candidate sources") or options["candidate_checkpoint"] is not None:
        return (
            "judge=learned fits the candidate source again without the pairs that it holds in, which a candidate_file "
            "or candidate_checkpoint does not allow. Name a source such as --candidate_source=EASE, or use another "
            "judge."
        )
    if options["shard"] is not None:
        return f"shard={options['shard']}: judge=learned is fitted on all users at once. Leave shard out."
    return None
