"""Judging as a stage: the judge's report, then the pairs, then what was learnt about both."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy import special

from recbole_dtlns.config.declared import declared
from recbole_dtlns.config.settings import Settings
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.candidates.ranking import Candidates
from recbole_dtlns.false_negatives.decide import Calibration
from recbole_dtlns.false_negatives.identification.asking import Asker
from recbole_dtlns.false_negatives.identification.during_training import RawOf
from recbole_dtlns.false_negatives.identification.reporting import ReportMaker
from recbole_dtlns.false_negatives.judges import JudgeContext
from recbole_dtlns.false_negatives.judges.answers import answers_of
from recbole_dtlns.false_negatives.judges.base import Usage
from recbole_dtlns.false_negatives.judges.judging import Verdicts
from recbole_dtlns.false_negatives.selection import pairs_to_judge
from recbole_dtlns.false_negatives.student.cascade import CascadeSettings, judge_with_student, student_scores
from recbole_dtlns.false_negatives.student.model import Student
from recbole_dtlns.files.result_schema import Judging, empty_judging

logger = logging.getLogger(__name__)
_LITTLE_MASS = 0.05


@dataclass
class Judgement:
    """What judging gave.

    Attributes:
        verdicts: for all candidates, in their order.
        calibration: how raw scores become probabilities; None where they are some.
        about: judge, revision and settings, for files.
        details: for result.json: what identifies the `judge` (of a student: its teacher), its `report`, `calibration`,
            `student`'s report, mean `label_mass`, and `answers`, how a server answered.
        online: raw scores of other pairs without asking a language model: the student's, or the judge's own.
        usage: what a language model was asked in this run, the report included.
    """

    verdicts: Verdicts
    calibration: Calibration | None
    about: dict[str, Any]
    details: Judging
    online: RawOf
    usage: Usage


def judge_candidates(
    view: TrainSplit,
    settings: Settings,
    name: str,
    context: JudgeContext,
    candidates: Candidates,
    asker: Asker,
    reporter: ReportMaker,
) -> Judgement:
    """Report on the judge where that is asked for, then get a verdict for every pair that may be judged.

    The report comes first: it costs minutes, and a night of judging may not be worth it.

    Raises:
        UserError: bad input of the judge; `calibrated` without pairs to fit it on.
    """
    details = empty_judging()
    calibration = _reported(settings, asker, reporter, details) if _wants_report(settings, asker) else None
    if calibration is None and asker.judge.gives_log_odds:
        calibration = Calibration()
    student = None
    if reporter.interrupted:
        verdicts = _nothing(len(candidates))
    else:
        # The student answers without limit; it is its teacher that has one.
        limit = None if declared(name).way == "distilled" else settings.llm_max_pairs
        chosen = pairs_to_judge(candidates, view.users, settings.shard, limit)
        shown = asker.shown(context, candidates)
        asked = candidates.take(chosen)
        verdicts, student, details["student"] = verdicts_of(settings, name, context, shown, asked, asker)
        verdicts = verdicts.spread(chosen)
    details["label_mass"] = _label_mass(verdicts)
    if asker.judge.gives_log_odds and settings.judge_decision in {"per_user", "threshold"}:
        _check_threshold(verdicts.raw, asker.cut)
    answers = details["answers"] = asker.judge.summary()
    if answers is not None:
        logger.info("The judge's answers: %s", ", ".join(f"{count} {kind}" for kind, count in answers.items()))
    about = details["judge"] = asker.about()
    if declared(name).way == "distilled":
        limits = {"users": settings["student_users"], "share": settings["student_share"]}
        about = {"judge": name, "teacher": about, **limits}
    about = {**about, "calibration": details["calibration"]}
    return Judgement(
        verdicts, calibration, about, details, _online(name, asker, context, student), asker.judge.usage or Usage()
    )


def _reported(settings: Settings, asker: Asker, reporter: ReportMaker, details: Judging) -> Calibration | None:
    """Make the report, note it in `details`, and return the calibration where the decision asks for one."""
    report = reporter.make(asker)
    details["report"] = report.as_dict()
    if settings.judge_decision != "calibrated" or reporter.interrupted:
        return None
    if report.calibration is None:  # the last note says why
        raise UserError(f"judge_decision=calibrated: {report.notes[-1]}")
    details["calibration"] = asdict(report.calibration)
    return report.calibration


def _online(name: str, asker: Asker, context: JudgeContext, student: Student | None) -> RawOf:
    """What judges during training. A student's teacher is not held on to: it may be a large model on the same GPU."""
    log_odds = asker.judge.gives_log_odds
    if declared(name).way != "distilled":
        return lambda users, items: answers_of(asker.judge, users, items)[0]
    if student is None:  # there was nothing to learn from
        return lambda users, items: np.full(len(users), np.nan)
    return lambda users, items: _on_teachers_scale(student_scores(student, context, users, items), student, log_odds)


def _wants_report(settings: Settings, asker: Asker) -> bool:
    if settings.judge_decision == "calibrated":
        return True
    if settings.judge_report is not None:
        return settings.judge_report
    return asker.judge.usage is not None and settings.shard is None


def verdicts_of(
    settings: Settings,
    name: str,
    context: JudgeContext,
    shown: JudgeContext,
    candidates: Candidates,
    asker: Asker,
) -> tuple[Verdicts, Student | None, dict[str, Any] | None]:
    """Verdicts of the judge `name` for pairs; of a student also the student itself and its report."""
    if declared(name).way != "distilled":
        return asker.ask(shown, candidates), None, None
    limits = (settings["student_users"], settings["student_share"])
    chosen = CascadeSettings(*limits, cut=asker.cut, most=settings.llm_max_pairs)
    taught = judge_with_student(lambda pairs: asker.ask(shown, pairs), context, candidates, chosen)
    raw = _on_teachers_scale(taught.verdicts.raw, taught.student, asker.judge.gives_log_odds)
    report = None if taught.report is None else taught.report.as_dict()
    return replace(taught.verdicts, raw=raw), taught.student, report


def _on_teachers_scale(raw: np.ndarray, student: Student | None, log_odds: bool) -> np.ndarray:
    """A student of yes and no speaks in log-odds, where its teacher's scores may go from 0 to 1."""
    return special.expit(raw) if student is not None and student.log_odds and not log_odds else raw


def _nothing(count: int) -> Verdicts:
    """Verdicts when Ctrl-C came before the first pair."""
    empty = np.full(count, np.nan)
    return Verdicts(empty, empty.copy(), 0, 0, count, True)


def _label_mass(verdicts: Verdicts) -> float | None:
    measured = verdicts.mass[~np.isnan(verdicts.mass)]
    if not len(measured):
        return None
    mean = float(measured.mean())
    (logger.warning if mean < _LITTLE_MASS else logger.info)(
        "Label mass: the model puts %.2g of its probability on the two labels%s.",
        mean,
        "; it would rather say something else, so another llm_prompt may fit it better" if mean < _LITTLE_MASS else "",
    )
    return mean


def _check_threshold(raw: np.ndarray, cut: float) -> None:
    answered = raw[~np.isnan(raw)]
    share = float((answered >= cut).mean()) if len(answered) else 0.5
    if len(answered) and not 0.02 <= share <= 0.98:
        logger.warning(
            "%.1f %% of the judged pairs reach judge_threshold: without calibration it separates nothing. "
            "judge_decision=rate (the best share) or calibrated (fitted on held-in pairs) costs no new call.",
            100 * share,
        )
