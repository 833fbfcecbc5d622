"""A judge that is fast enough to judge again during training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recbole_dtlns.config.judge_declaration import JudgeDeclaration
from recbole_dtlns.config.settings import Settings
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.false_negatives.candidates.ranking import ScoreBlock, top_unseen
from recbole_dtlns.false_negatives.decide import Calibration, DecisionSettings, decide, probability_of
from recbole_dtlns.false_negatives.inferred import InferredPositives

RawOf = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Raw scores float64 [n] of pairs int64 [n], without asking a language model."""


@dataclass(frozen=True)
class OnlineJudge:
    """Candidates of any scorer -> inferred positives, decided as the offline stage decided.

    The paper names this as future work (arXiv 2602.18249, conclusion): judging the candidates of the model in training.

    Attributes:
        view: the training split; no other pair is ever seen.
        settings: our keys.
        judge: what it declares.
        raw_of: the judge.
        calibration: how raw scores become probabilities; None where they are some.
    """

    view: TrainSplit
    settings: Settings
    judge: type[JudgeDeclaration]
    raw_of: RawOf
    calibration: Calibration | None

    def infer(self, score_block: ScoreBlock, name: str) -> InferredPositives:
        """Judge the best unseen items of every training user by these scores; `name` is that of the scorer."""
        candidates = top_unseen(self.view, self.settings.candidates_of(self.judge), score_block, name)
        raw = self.raw_of(candidates.users, candidates.items)
        probability = probability_of(raw, self.calibration)
        rule = decision_settings(self.settings, self.judge)
        order = (candidates.users, candidates.ranks, raw, candidates.items)
        decision = decide(*order, rule, self.view.history, probability)
        return InferredPositives.from_decision(self.view, candidates, decision, self.settings.positive_weight)


def decision_settings(settings: Settings, judge: type[JudgeDeclaration]) -> DecisionSettings:
    """How verdicts of a judge become inferred positives, by our keys."""
    return DecisionSettings(
        settings.judge_decision, settings.threshold_of(judge), settings.positives_per_user, settings.judge_rate
    )
