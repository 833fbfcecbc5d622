"""The last step of the offline stage: verdicts become inferred positives, and are counted and exported."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from recbole_dtlns.config.method import RunMethod
from recbole_dtlns.config.settings import Settings
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.false_negatives.candidates.ranking import Candidates
from recbole_dtlns.false_negatives.control import random_instead
from recbole_dtlns.false_negatives.decide import decide
from recbole_dtlns.false_negatives.identification.during_training import decision_settings
from recbole_dtlns.false_negatives.identification.identified import Identification, JudgedPairs
from recbole_dtlns.false_negatives.inferred import InferredPositives
from recbole_dtlns.false_negatives.judges.base import Usage
from recbole_dtlns.false_negatives.judges.exchange import write_verdicts
from recbole_dtlns.false_negatives.judges.judging import Verdicts
from recbole_dtlns.files.result_schema import IdentificationCounts

logger = logging.getLogger(__name__)


def decide_pairs(
    view: TrainSplit,
    settings: Settings,
    method: RunMethod,
    candidates: Candidates,
    verdicts: Verdicts,
    probability: np.ndarray,
    about: Mapping[str, Any],
    usage: Usage,
    result: Identification,
) -> None:
    """Decide which judged pairs are inferred positives, and note in `result` what came out.

    Args:
        view: the training split.
        settings: our keys.
        method: of the run.
        candidates: n pairs.
        verdicts: of these pairs.
        probability: float64 [n]; NaN without a verdict.
        about: judge, revision and settings, for files.
        usage: what a language model was asked.
        result: takes `judged`, `inferred` and `counts`.
    """
    result.judged = JudgedPairs(candidates.users, candidates.items, probability)
    rule = decision_settings(settings, method.declared)
    order = (candidates.users, candidates.ranks, verdicts.raw, candidates.items)
    decision = decide(*order, rule, view.history, probability)
    result.inferred = InferredPositives.from_decision(view, candidates, decision, settings.positive_weight)
    if settings.random_positives:
        result.inferred = random_instead(view, result.inferred)
        logger.warning("random_positives: the accepted pairs are replaced by random unseen items of the same users.")
    result.counts = counts = _counted(verdicts, usage, len(result.inferred))
    _log_counts(counts, view.n_users)
    judged = probability[~np.isnan(probability)]
    if rule.kind != "rate" and len(judged) and judged.max() < rule.threshold:
        said = "No pair reaches judge_threshold=%g: the largest probability is %.3g. Give a lower one."
        logger.warning(said, rule.threshold, judged.max())
    if settings.export_verdicts is not None:
        decided = {"kind": rule.kind, "threshold": rule.threshold, "rate": rule.rate}
        decided |= {"positives_per_user": str(rule.positives_per_user)}
        about = {**about, "decision": decided, "unjudged": verdicts.unjudged}
        write_verdicts(settings.export_verdicts, view, candidates, verdicts, decision, about)


def _counted(verdicts: Verdicts, usage: Usage, accepted: int) -> IdentificationCounts:
    return {
        "pairs": len(verdicts.raw),
        "llm_calls": usage.calls,
        "prompt_tokens": usage.prompt_tokens,
        "unreadable": int(np.isnan(verdicts.raw).sum()) - verdicts.unjudged,
        "unjudged": verdicts.unjudged,
        "accepted": accepted,
    }


def _log_counts(counts: IdentificationCounts, n_users: int) -> None:
    if counts["unjudged"]:
        logger.warning("%d pairs were not judged: they are no positives.", counts["unjudged"])
    logger.info(
        "%d candidate pairs, %d accepted (%.1f for each user).",
        counts["pairs"],
        counts["accepted"],
        counts["accepted"] / max(n_users, 1),
    )
