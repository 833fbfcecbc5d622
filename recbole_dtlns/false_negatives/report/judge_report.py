"""Whether a judge knows anything: its AUC on held-in pairs, beside popularity and the candidate source."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from recbole_dtlns.data.item_text import ItemText
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.candidates.ranking import Candidates
from recbole_dtlns.false_negatives.decide import Calibration
from recbole_dtlns.false_negatives.judges.base import JudgeContext
from recbole_dtlns.false_negatives.report.auc import auc, within_user_auc
from recbole_dtlns.false_negatives.report.calibration import fit_calibration
from recbole_dtlns.false_negatives.report.held_in import HeldIn, hold_in
from recbole_dtlns.false_negatives.report.matching import ReportPairs, popularity, report_pairs
from recbole_dtlns.trees.stage import Trees

logger = logging.getLogger(__name__)

TreesOf = Callable[[TrainSplit], Trees]
ScoresOf = Callable[[TrainSplit, np.ndarray, np.ndarray], "np.ndarray | None"]
AskJudge = Callable[[JudgeContext, Candidates], np.ndarray]


@dataclass(frozen=True)
class Row:
    """One scorer.

    Attributes:
        name: of the judge, or `popularity` or `candidate score`.
        auc: over all comparisons of a held-in pair with a match; None where nothing could be compared.
        error: standard error of `auc`.
        within_users: mean over users of the share of comparisons won within the user.
        pairs: pairs that got a score.
        note: what else the reader must know.
    """

    name: str
    auc: float | None
    error: float | None
    within_users: float | None
    pairs: int
    note: str = ""


@dataclass(frozen=True)
class JudgeReport:
    """What every judge was found to know.

    Attributes:
        rows: judges in the order given, then popularity, then the candidate source.
        pairs: pairs asked about, half of them held-in.
        held_in: pairs that were taken out of train.
        dropped: those of them whose item had no other user.
        calibration: of the first judge; None where it could not be fitted.
        notes: how to read the table.
    """

    rows: list[Row]
    pairs: int
    held_in: int
    dropped: int
    calibration: Calibration | None
    notes: list[str]

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON values."""
        return asdict(self)

    def table(self) -> str:
        """The same as text of several lines, for the log."""
        width = max(len(row.name) for row in self.rows)
        lines = [f"{'scorer':<{width}}    AUC  +- error  within users   pairs"]
        for row in self.rows:
            numbers = f"{_shown(row.auc)}  {_shown(row.error):>8}  {_shown(row.within_users):>12}  {row.pairs:>6}"
            lines.append(f"{row.name:<{width}}  {numbers}  {row.note}".rstrip())
        return "\n".join([*lines, *self.notes])


def judge_report(
    full: TrainSplit,
    trees_of: TreesOf,
    scores_of: ScoresOf,
    judges: Mapping[str, AskJudge],
    limit: int,
    seed: int = 0,
    text: ItemText | None = None,
) -> JudgeReport:
    """Take a tenth of each user's training pairs out, build trees without them, and ask every judge about them.

    A judge's AUC of .5 means that it knows nothing beyond popularity.

    Args:
        full: the training split; nothing else goes in.
        trees_of: builds both trees of the reduced split. What it uses must not know the held-in pairs either.
        scores_of: scores of pairs int64 [n] by the candidate source fitted on the reduced split; None = it has none.
        judges: by name, the one to be calibrated first: raw scores float64 [n] of pairs, NaN = unanswered. The context
            is that of the reduced split, with empty `options`.
        limit: most pairs to ask about.
        seed: of the tenth, the users and the matches.
        text: of the items, for judges that read titles.

    Raises:
        ValueError: a judge gave another number of scores than it was asked for.
    """
    held_in = hold_in(full, seed)
    asked = report_pairs(held_in, full, limit, seed)
    pairs = asked.candidates
    scores: dict[str, np.ndarray | None] = {}
    if len(pairs):
        trees = trees_of(held_in.view)
        titles = None if text is None else text.of(held_in.view.items)
        context = JudgeContext(held_in.view.matrix, trees.co.codes, trees.se.codes, titles=titles)
        scores = {name: _answers(name, ask(context, pairs), len(pairs)) for name, ask in judges.items()}
        scores["popularity"] = popularity(held_in.view)[pairs.items].astype(np.float64)
        scores["candidate score"] = scores_of(held_in.view, pairs.users, pairs.items)
    else:
        scores = dict.fromkeys([*judges, "popularity", "candidate score"])
    notes = _notes(held_in, asked, limit)
    calibration = _calibration(next(iter(judges), None), scores, asked.positive, notes)
    rows = [_row(name, score, asked) for name, score in scores.items()]
    report = JudgeReport(rows, len(pairs), len(held_in.users) + held_in.dropped, held_in.dropped, calibration, notes)
    logger.info("What the judges know of held-in pairs:\n%s", report.table())
    return report


def _answers(name: str, raw: np.ndarray, count: int) -> np.ndarray:
    if np.shape(raw) != (count,):
        raise ValueError(f"The judge {name} gave scores {np.shape(raw)}; expected ({count},).")
    return np.asarray(raw, dtype=np.float64)


def _row(name: str, score: np.ndarray | None, asked: ReportPairs) -> Row:
    if score is None:
        reason = "not available on the reduced split" if len(asked.positive) else "no pairs"
        return Row(name, None, None, None, 0, reason)
    area = auc(asked.positive, score)
    within = within_user_auc(asked.candidates.users, asked.positive, score)
    open_pairs = len(score) - area.pairs
    note = f"{open_pairs} of {len(score)} pairs without an answer" if open_pairs else ""
    return Row(name, area.value, area.error, within, area.pairs, note)


def _calibration(
    first: str | None, scores: Mapping[str, np.ndarray | None], positive: np.ndarray, notes: list[str]
) -> Calibration | None:
    raw = None if first is None else scores[first]
    if raw is None:
        return None
    try:
        return fit_calibration(raw, positive)
    except UserError as error:  # a report is worth having without it
        notes.append(str(error))
        return None


def _notes(held_in: HeldIn, asked: ReportPairs, limit: int) -> list[str]:
    count = len(asked.candidates)
    notes = [
        f"{count} pairs: {count // 2} training pairs taken out before the trees were built, each beside an unseen item "
        "of the same user that is nearest in popularity. No valid, no test.",
        "AUC .5 = knows nothing beyond popularity; a judge earns its place where it beats the candidate score.",
        "All unseen items weigh alike here. The pairs to be judged are the head of the candidates' ranking, where the "
        "candidate source is at its best and telling pairs apart is harder.",
    ]
    if held_in.dropped:
        notes.append(f"{held_in.dropped} held-in pairs were left out: nobody else has the item.")
    if asked.lost:
        notes.append(f"{asked.lost} held-in pairs were left out: their users have seen every other item.")
    if count == 0:
        notes.append(
            f"Nothing to report on: {len(held_in.users)} held-in pairs and a limit of {limit} pairs. A user needs two "
            "training pairs to give one, and whole users must fit into the limit."
        )
    return notes


def _shown(value: float | None) -> str:
    return "    -" if value is None else f"{value:.3f}"
