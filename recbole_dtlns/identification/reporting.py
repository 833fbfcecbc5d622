"""The judge's report: what the chosen judge, the rule and a student know of training pairs that were held in."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from recbole_dtlns.cache import StageCache
from recbole_dtlns.data.train_view import TrainView
from recbole_dtlns.false_negatives.candidates import Candidates
from recbole_dtlns.false_negatives.judges import JudgeContext, RuleJudge
from recbole_dtlns.false_negatives.judging import Verdicts
from recbole_dtlns.false_negatives.model_source import recbole_source
from recbole_dtlns.false_negatives.report.candidate_scores import pair_scores
from recbole_dtlns.false_negatives.report.judge_report import AskJudge, JudgeReport, judge_report
from recbole_dtlns.false_negatives.sources import CandidateSettings, find_candidates
from recbole_dtlns.false_negatives.student.features import pair_features
from recbole_dtlns.false_negatives.student.folds import out_of_fold
from recbole_dtlns.identification.asking import STUDENT, Asker
from recbole_dtlns.settings import Settings
from recbole_dtlns.trees.stage import Trees, TreeSettings, build_trees

logger = logging.getLogger(__name__)


class ReportMaker:
    """Wires `judge_report` to the configuration.

    Args:
        view: the training split.
        settings: our keys.
        trees: how trees are built for the real split.
        candidates: where candidates come from.
        cache: keeps the second build of trees and the candidate source's scores.
    """

    def __init__(
        self, view: TrainView, settings: Settings, trees: TreeSettings, candidates: CandidateSettings, cache: StageCache
    ) -> None:
        self._view, self._settings, self._cache = view, settings, cache
        self._trees, self._candidates = trees, candidates
        self._source = recbole_source(candidates.source, settings.candidate_config)
        self.interrupted = False

    def make(self, asker: Asker) -> JudgeReport:
        """Ask the judge about held-in pairs; `interrupted` is set when Ctrl-C ended that early."""
        name, answers = asker.judge.name, _Answers(asker)
        judges: dict[str, AskJudge] = {name: answers.ask}
        if asker.usage is not None or self._settings.judge == STUDENT:
            judges["student"] = answers.imitate
        if name != RuleJudge.name:
            judges[RuleJudge.name] = lambda context, pairs: RuleJudge(context).score(pairs.users, pairs.items)[0]
        pairs = self._settings.judge_report_pairs
        if self._settings.llm_max_pairs is not None:
            pairs = min(pairs, self._settings.llm_max_pairs)
        report = judge_report(self._view, self._build_trees, self._scores, judges, pairs)
        self.interrupted = answers.verdicts is not None and answers.verdicts.interrupted
        for row in report.rows[:1]:
            if row.auc is not None and row.error is not None and row.auc - 2 * row.error <= 0.5:
                logger.warning(
                    "The judge %s tells held-in pairs from unseen ones no better than chance (AUC %.3f +- %.3f).",
                    *(row.name, row.auc, row.error),
                )
        return report

    def _build_trees(self, view: TrainView) -> Trees:
        """Trees of the reduced split; ready codes and vectors cannot be made again: they know the held-in pairs."""
        made = replace(self._trees, allow_foreign=True)
        if made.codes_co or made.codes_se or made.item_vectors not in {"auto", "svd"}:
            logger.warning("Codes or vectors made elsewhere know the held-in pairs: the judge's AUC is too good.")
        return build_trees(view, made, self._cache, self._embeddings(view))

    def _embeddings(self, view: TrainView) -> tuple[str, np.ndarray] | None:
        """Item embeddings as the real trees have them, from the candidate model trained on the reduced split."""
        if self._settings.candidate_checkpoint is not None:
            logger.warning("A candidate_checkpoint cannot be trained again: the report's semantic tree is made by SVD.")
            return None
        if self._source is None:
            return None
        return find_candidates(view, self._candidates, self._cache, self._source).item_embeddings

    def _scores(self, view: TrainView, users: np.ndarray, items: np.ndarray) -> np.ndarray | None:
        if self._settings.candidate_checkpoint is not None:
            return None
        return pair_scores(view, users, items, self._candidates, self._source, self._cache)


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
