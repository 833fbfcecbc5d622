"""The judge's report: what the chosen judge, the rule and a student know of training pairs that were held in."""

from __future__ import annotations

import logging

import numpy as np

from recbole_dtlns.config.declared import declared
from recbole_dtlns.config.settings import Settings
from recbole_dtlns.data.item_text import ItemText
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.false_negatives.candidates.ranking import Candidates
from recbole_dtlns.false_negatives.identification.asking import Asker
from recbole_dtlns.false_negatives.identification.rebuild import Rebuild
from recbole_dtlns.false_negatives.judges import JudgeContext, RuleJudge
from recbole_dtlns.false_negatives.judges.judging import Verdicts
from recbole_dtlns.false_negatives.report.judge_report import AskJudge, JudgeReport, judge_report
from recbole_dtlns.false_negatives.student.features import pair_features
from recbole_dtlns.false_negatives.student.folds import out_of_fold

logger = logging.getLogger(__name__)


class ReportMaker:
    """Wires `judge_report` to the configuration.

    Args:
        view: the training split.
        settings: our keys.
        rebuild: makes trees and candidate scores of the reduced split.
        text: of the items.
    """

    def __init__(self, view: TrainSplit, settings: Settings, rebuild: Rebuild, text: ItemText | None = None) -> None:
        self._view, self._settings, self._rebuild, self._text = view, settings, rebuild, text
        self._distils = settings.judge is not None and declared(settings.judge).way == "distilled"
        self.interrupted = False

    def make(self, asker: Asker) -> JudgeReport:
        """Ask the judge about held-in pairs; `interrupted` is set when Ctrl-C ended that early."""
        name, answers = asker.judge.name, _Answers(asker)
        judges: dict[str, AskJudge] = {name: answers.ask}
        if asker.judge.usage is not None or self._distils:
            judges["student"] = answers.imitate
        if name != RuleJudge.name:
            judges[RuleJudge.name] = lambda context, pairs: RuleJudge(context).score(pairs.users, pairs.items)[0]
        pairs = self._settings.judge_report_pairs
        if self._settings.llm_max_pairs is not None:
            pairs = min(pairs, self._settings.llm_max_pairs)
        made = (self._rebuild.trees, self._rebuild.scores)
        report = judge_report(self._view, *made, judges, pairs, text=self._text)
        self.interrupted = answers.verdicts is not None and answers.verdicts.interrupted
        for row in report.rows[:1]:
            if row.auc is not None and row.error is not None and row.auc - 2 * row.error <= 0.5:
                logger.warning(
                    "The judge %s tells held-in pairs from unseen ones no better than chance (AUC %.3f +- %.3f).",
                    *(row.name, row.auc, row.error),
                )
        return report


class _Answers:
    """The judge's answers, which a student then learns from."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self.verdicts: Verdicts | None = None

    def ask(self, context: JudgeContext, pairs: Candidates) -> np.ndarray:
        """The judge's raw scores, float64 [n], kept for `imitate`."""
        self.verdicts = self._asker.ask(self._asker.shown(context, pairs), pairs)
        return self.verdicts.raw

    def imitate(self, context: JudgeContext, pairs: Candidates) -> np.ndarray:
        """What a student would say of each pair that has learnt from the judge's answers about other users."""
        if self.verdicts is None:
            return np.full(len(pairs), np.nan)
        features = pair_features(context, pairs.users, pairs.items)
        return out_of_fold(features, self.verdicts.raw, pairs.users)
