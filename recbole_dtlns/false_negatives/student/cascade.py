"""Asking the teacher about some users and about the least certain pairs, and the student about all others."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.candidates.ranking import Candidates
from recbole_dtlns.false_negatives.judges.base import JudgeContext
from recbole_dtlns.false_negatives.judges.judging import Verdicts
from recbole_dtlns.false_negatives.student.features import pair_features
from recbole_dtlns.false_negatives.student.model import Student, student_scores
from recbole_dtlns.false_negatives.student.report import StudentReport, imitation, least_certain
from recbole_dtlns.false_negatives.student.scale import Scale, scale_of

logger = logging.getLogger(__name__)
Ask = Callable[[Candidates], Verdicts]
LEAST_USERS = 8
"""Labelled users without whom a student is refused: one of them is held out with three to learn from."""


@dataclass(frozen=True)
class CascadeSettings:
    """How much the teacher is asked.

    Attributes:
        users: whole users that the teacher labels, at least 8.
        share: of all pairs, the least certain, that the teacher answers besides; 0 to 1.
        held_out: share of the labelled users that the report is measured on, above 0 and below 1.
        cut: margin from which a pair is positive.
        seed: of the choice of users and of the fit.
        most: pairs that the teacher is asked about altogether; None = no limit. Labelled users come first, then what is
            left goes to the least certain pairs; the student answers all others.
    """

    users: int = 150
    share: float = 0.2
    held_out: float = 0.25
    cut: float = 0.0
    seed: int = 0
    most: int | None = None

    def __post_init__(self) -> None:
        if self.users < LEAST_USERS:
            raise UserError(f"The student's labelled users are {self.users}; expected {LEAST_USERS} or more.")
        if not 0 <= self.share <= 1:
            raise UserError(f"The share sent to the student's teacher is {self.share}; expected a number from 0 to 1.")
        if not 0 < self.held_out < 1:
            raise UserError(f"The student's held-out share is {self.held_out}; expected a number between 0 and 1.")


@dataclass(frozen=True)
class CascadeResult:
    """Margins of all pairs and where they come from.

    Attributes:
        verdicts: raw = the teacher's margin where it answered, else the student's; NaN where an interruption left the
            pair open. Label mass and counts are the teacher's alone.
        student: fitted on all labels; None where an interruption came before, or there were no pairs.
        report: likewise.
        asked: bool [n], answered by the teacher.
    """

    verdicts: Verdicts
    student: Student | None
    report: StudentReport | None
    asked: np.ndarray


def judge_with_student(
    ask: Ask, context: JudgeContext, candidates: Candidates, settings: CascadeSettings
) -> CascadeResult:
    """Judge all pairs, most of them by a student.

    The teacher labels whole users, as their pairs share a prefix; the student is measured on some of them, fitted on
    all, and the teacher answers the pairs that the student is least certain of. Where the candidates have no more
    users than `settings.users`, the teacher answers everything and the student is only reported.

    Args:
        ask: asks the teacher about pairs; NaN = no answer. It is called twice at most, never twice for a pair.
        context: histories and codes.
        candidates: the pairs.
        settings: how much is asked.

    Raises:
        UserError: `settings.most` is no room for 8 users, which is said before anything is asked, or fewer than 8 of
            the users asked about have an answer.
    """
    labelled = _labelled(candidates.users, context, settings)
    settings = _within_limit(settings, labelled)
    answers = ask(candidates.take(labelled)).spread(labelled)
    answered = ~np.isnan(answers.raw)
    if answers.interrupted or not len(candidates):
        return CascadeResult(answers, None, None, answered)
    labels = candidates.take(answered)
    _refuse_few(labels.users, everything=bool(labelled.all()))
    scale = scale_of(answers.raw[answered], settings.cut)
    features, margins = pair_features(context, labels.users, labels.items), scale.margins(answers.raw[answered])
    report = _report(features, margins, labels.users, _order(context, settings.seed), scale, settings)
    student = Student.fit(features, margins, settings.seed)

    predicted = np.full(len(candidates), np.nan)
    others = candidates.take(~answered)
    predicted[~answered] = student_scores(student, context, others.users, others.items)
    sent = _sent(predicted, ~labelled, scale.cut, round(settings.share * len(candidates)))
    if sent.any():
        answers = _together(answers, ask(candidates.take(sent)).spread(sent))
        predicted[sent & answers.interrupted] = np.nan
    answered = ~np.isnan(answers.raw)
    raw = np.where(answered, scale.margins(answers.raw), predicted)
    logger.info("The teacher answered %d of %d pairs, the student the others.", answered.sum(), len(raw))
    return CascadeResult(replace(answers, raw=raw, unjudged=int(np.isnan(raw).sum())), student, report, answered)


def _labelled(users: np.ndarray, context: JudgeContext, settings: CascadeSettings) -> np.ndarray:
    """Pairs of the labelled users, bool [n]: all pairs of each, as they share a prefix.

    Users are taken in an order that depends on the seed and the users' numbers alone, at most `settings.users` of them,
    and only while their pairs together are at most `settings.most`: the first user that does not fit is the end.

    Raises:
        UserError: that limit is no room for 8 users, nor for all users there are.
    """
    distinct, counts = np.unique(users, return_counts=True)
    places = np.argsort(_order(context, settings.seed)[distinct])[: settings.users]
    if settings.most is not None:
        places = places[np.cumsum(counts[places]) <= settings.most]
    if len(places) < min(LEAST_USERS, len(distinct)):
        raise UserError(
            f"llm_max_pairs is {settings.most}, room for all pairs of {len(places)} users; a student needs "
            f"{LEAST_USERS} or more. Raise llm_max_pairs, or lower candidate_topk."
        )
    return np.isin(users, distinct[places])


def _within_limit(settings: CascadeSettings, labelled: np.ndarray) -> CascadeSettings:
    """The settings with the share of all pairs that `most` leaves, beside the labelled ones; bool [n]."""
    if settings.most is None or not len(labelled):
        return settings
    left = settings.most - int(labelled.sum())
    return replace(settings, share=min(settings.share, left / len(labelled)))


def _order(context: JudgeContext, seed: int) -> np.ndarray:
    """Place of each user, int64 [U + 1], all different; index 0 is padding."""
    return np.random.default_rng(seed).permutation(context.matrix.shape[0])


def _sent(predicted: np.ndarray, unseen: np.ndarray, cut: float, count: int) -> np.ndarray:
    """Which of the pairs that the teacher has not seen go to the teacher, bool [n]."""
    sent = np.zeros(len(predicted), dtype=bool)
    sent[np.flatnonzero(unseen)[least_certain(predicted[unseen], cut, count)]] = True
    return sent


def _together(first: Verdicts, second: Verdicts) -> Verdicts:
    """The teacher's answers of both rounds; no pair was asked about in both."""
    return replace(
        first,
        raw=np.where(np.isnan(second.raw), first.raw, second.raw),
        mass=np.where(np.isnan(second.mass), first.mass, second.mass),
        asked=first.asked + second.asked,
        reused=first.reused + second.reused,
        interrupted=second.interrupted,
    )


def _refuse_few(users: np.ndarray, everything: bool) -> None:
    count = len(np.unique(users))
    if count == 0 or (count < LEAST_USERS and not everything):
        raise UserError(
            f"The teacher answered pairs of {count} users; a student needs {LEAST_USERS} or more. Check the teacher's "
            "model and prompt, or label more users (student_users, llm_max_pairs)."
        )


def _report(
    features: np.ndarray,
    margins: np.ndarray,
    users: np.ndarray,
    order: np.ndarray,
    scale: Scale,
    settings: CascadeSettings,
) -> StudentReport:
    """Fit on some labelled users, measure on the others; with a single user nothing is measured."""
    distinct = np.unique(users)
    count = len(distinct)
    measured_users = distinct[np.argsort(order[distinct])][count - max(1, round(settings.held_out * count)) :]
    measured = np.isin(users, measured_users)
    notes = list(scale.notes)
    if count < LEAST_USERS:
        notes.append(f"Only {count} labelled users: the numbers say little.")
    if measured.all():
        return StudentReport(count, len(users), 0, scale.cut, notes=notes)
    student = Student.fit(features[~measured], margins[~measured], settings.seed)
    numbers = imitation(margins[measured], student.predict(features[measured]), scale.cut, settings.share)
    if numbers["auc"] is None:
        notes.append("The held-out labels are all of one kind: balanced accuracy and AUC are not defined.")
    return StudentReport(count, len(users), int(measured.sum()), scale.cut, **numbers, notes=notes)
