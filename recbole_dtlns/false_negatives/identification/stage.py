"""The offline stage: candidates, trees, judging, inferred positives, from the training tokens alone."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from recbole_dtlns.config.method import RunMethod
from recbole_dtlns.config.positives_loss import LEARNED
from recbole_dtlns.config.settings import Settings
from recbole_dtlns.data.item_text import ItemText
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.candidates.model_source import find_model_candidates, source_keys
from recbole_dtlns.false_negatives.candidates.ranking import Candidates
from recbole_dtlns.false_negatives.candidates.sources import CandidateResult, CandidateSettings, find_candidates
from recbole_dtlns.false_negatives.control import random_candidates, random_instead
from recbole_dtlns.false_negatives.decide import decide, probability_of
from recbole_dtlns.false_negatives.identification.asking import Asker, make_context
from recbole_dtlns.false_negatives.identification.during_training import OnlineJudge, decision_settings
from recbole_dtlns.false_negatives.identification.judging import judge_candidates
from recbole_dtlns.false_negatives.identification.learning import LearnedStage
from recbole_dtlns.false_negatives.identification.rebuild import Rebuild
from recbole_dtlns.false_negatives.identification.reporting import ReportMaker
from recbole_dtlns.false_negatives.identification.text import TextInUse
from recbole_dtlns.false_negatives.inferred import InferredPositives
from recbole_dtlns.false_negatives.judges.base import Usage
from recbole_dtlns.false_negatives.judges.exchange import check_exchange_path, write_verdicts
from recbole_dtlns.false_negatives.judges.judging import Verdicts
from recbole_dtlns.false_negatives.judges.keep_all import KeepAllJudge
from recbole_dtlns.false_negatives.judges.store import VerdictStore
from recbole_dtlns.false_negatives.judges.verdict_file import read_verdicts
from recbole_dtlns.false_negatives.lists import JudgedLists, share_of_best
from recbole_dtlns.files.cache import StageCache
from recbole_dtlns.files.origin import recorded_threshold
from recbole_dtlns.files.result_schema import External, IdentificationCounts, Judging
from recbole_dtlns.trees.export import export_codes
from recbole_dtlns.trees.stage import Trees, TreeSettings, build_trees
from recbole_dtlns.trees.text_vectors import TextVectors

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class JudgedPairs:
    """Judged candidates in the numbering of the training view.

    Attributes:
        users: int64 [n].
        items: int64 [n].
        probability: that the pair is a false negative, float64 [n]; NaN where there is no verdict.
    """

    users: np.ndarray
    items: np.ndarray
    probability: np.ndarray


@dataclass
class Identification:
    """What the offline stage found.

    Attributes:
        inferred: inferred positives by token; None where no judge ran.
        trees: both trees in the view's numbering; None where nothing reads codes.
        counts: `pairs`, `llm_calls`, `prompt_tokens`, `unreadable`, `unjudged`, `accepted`; None where no judge ran.
        seconds: of `trees`, `candidates`, `judging`; None for a stage that did not run.
        cached: names of the stages that were found ready.
        external: inputs made elsewhere.
        candidate_source: what the candidates really came from; None where no judge ran.
        judging: the judge's report and what else is known of it, see `Judgement.details`; None where no judge ran.
        online: the judge for use during training; None unless `judge_refresh` is set.
        judged: every judged candidate with its probability; None where no judge ran.
        lists: the judge's values over each user's candidates, for `positives_loss=list` and for a ranking by the judge
            itself (then all of them); None otherwise.
        interrupted: whether Ctrl-C ended the judging early; what was accepted until then is in `inferred`.
    """

    inferred: InferredPositives | None = None
    trees: Trees | None = None
    counts: IdentificationCounts | None = None
    seconds: dict[str, float | None] = field(
        default_factory=lambda: {"trees": None, "candidates": None, "judging": None}
    )
    cached: list[str] = field(default_factory=list)
    external: list[External] = field(default_factory=list)
    candidate_source: str | None = None
    judging: Judging | None = None
    online: OnlineJudge | None = None
    judged: JudgedPairs | None = None
    lists: JudgedLists | None = None
    interrupted: bool = False


def identify(
    view: TrainSplit, settings: Settings, method: RunMethod, cache_dir: Path, text: ItemText | None = None
) -> Identification:
    """Run the stages that the plan needs; each is cached in `cache_dir` under what went into it.

    Nothing but `view`, the keys, the items' `text` and files that the user names goes in: no valid, no test, no model.

    Raises:
        UserError: bad input of any stage.
    """
    cache, result = StageCache(cache_dir), Identification()
    reading = TextInUse.of(text, view, settings, method, cache)
    result.external += reading.external
    if settings.export_verdicts is not None:
        check_exchange_path(settings.export_verdicts)
    candidates = _candidates(view, settings, method, cache, result)
    if method.needs_trees:
        embeddings = None if candidates is None else candidates.item_embeddings
        _trees(view, settings, cache, result, embeddings, reading.vectors)
    if method.judge == "file":
        _read_verdict_file(view, settings, method, result)
    elif candidates is not None:
        _judge(view, settings, method, cache_dir, candidates.candidates, result, reading)
    if result.inferred is not None and len(result.inferred.users) == 0:
        logger.warning("No pair was accepted: training runs without inferred positives.")
    return result


def _candidates(
    view: TrainSplit, settings: Settings, method: RunMethod, cache: StageCache, result: Identification
) -> CandidateResult | None:
    if method.judge in {"none", "file"}:
        return None
    chosen = _candidate_settings(settings, method.judge)
    candidates = find_model_candidates(view, settings, chosen, cache) or find_candidates(view, chosen, cache)
    result.seconds["candidates"], result.candidate_source = round(candidates.seconds, 3), candidates.source_effective
    result.external += candidates.external
    if candidates.cached:
        result.cached.append("candidates")
    return candidates


def _trees(
    view: TrainSplit,
    settings: Settings,
    cache: StageCache,
    result: Identification,
    embeddings: tuple[str, np.ndarray] | None,
    text_vectors: TextVectors | None,
) -> None:
    result.trees = build_trees(view, tree_settings(settings), cache, embeddings, text_vectors)
    result.seconds["trees"] = round(result.trees.seconds, 3)
    result.external += result.trees.external
    if settings.export_codes is not None:
        export_codes(settings.export_codes, result.trees, view.train_hash, asdict(tree_settings(settings)))
    if result.trees.cached:
        result.cached.append("trees")


def _judge(
    view: TrainSplit,
    settings: Settings,
    method: RunMethod,
    cache_dir: Path,
    candidates: Candidates,
    result: Identification,
    reading: TextInUse,
) -> None:
    started = time.perf_counter()
    # A converted model serves every data set, unless the user has chosen the folder.
    model_folder = cache_dir if settings.cache_dir else cache_dir.parent
    context = make_context(view, result.trees, {**settings.as_dict(), "cache_dir": str(model_folder)}, reading.text)
    cache = StageCache(cache_dir)
    made = tree_settings(settings), _candidate_settings(settings, method.judge)
    rebuild = Rebuild(settings, *made, cache, reading.vectors)
    with VerdictStore(cache_dir / "verdicts.sqlite") as store:
        if method.judge == LEARNED and result.trees is not None:
            stage = LearnedStage(view, settings, rebuild, cache, store, str(model_folder), reading.text)
            judged = stage.judge(candidates, result.trees)
        else:
            asker = Asker.make(method.judge, context, store, settings)
            reporter = ReportMaker(view, settings, rebuild, reading.text)
            judged = judge_candidates(view, settings, method.judge, context, candidates, asker, reporter)
    if judged.verdicts.asked == 0 and len(candidates) and not judged.verdicts.unjudged:
        result.cached.append("judging")
    result.judging = judged.details
    if settings.judge_refresh is not None:
        result.online = OnlineJudge(
            view, settings, method.judge, judged.online, judged.calibration, settings.candidates_of(method.judge)
        )
    result.interrupted = judged.verdicts.interrupted
    probability = probability_of(judged.verdicts.raw, judged.calibration)
    _decide(view, settings, method, candidates, judged.verdicts, probability, judged.about, judged.usage, result)
    # Where nobody was asked, the order of the candidate source is all there is to learn from.
    values = share_of_best(candidates.users, candidates.scores) if method.judge == KeepAllJudge.name else probability
    if method.positives_loss == "list":
        listed = random_candidates(view, candidates) if settings.random_positives else candidates
        result.lists = JudgedLists.from_values(view, listed, values, settings.list_size)
    elif method.ranks_lists:
        result.lists = JudgedLists.whole(view, candidates, values)
    result.seconds["judging"] = round(time.perf_counter() - started, 3)


def _read_verdict_file(view: TrainSplit, settings: Settings, method: RunMethod, result: Identification) -> None:
    if settings.judge_file is None:
        raise UserError("judge=file reads verdicts from a file; name it with --judge_file=PATH.")
    started = time.perf_counter()
    read = read_verdicts(settings.judge_file, view, settings.allow_foreign)
    result.external.append({**read.external, "dropped": read.dropped})
    if settings.judge_threshold is None:  # each judge has its own: that of the judge who made the file
        settings = replace(settings, judge_threshold=recorded_threshold(settings.judge_file, settings.judge_decision))
    verdicts = Verdicts(read.raw, read.mass, 0, len(read.raw))
    about = {"judge": "file", "revision": "", "settings": {}}
    _decide(view, settings, method, read.candidates, verdicts, read.probability, about, Usage(), result)
    if method.ranks_lists:
        result.lists = JudgedLists.whole(view, read.candidates, read.probability)
    result.seconds["judging"] = round(time.perf_counter() - started, 3)


def _decide(
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
    result.judged = JudgedPairs(candidates.users, candidates.items, probability)
    order = (candidates.users, candidates.ranks, verdicts.raw, candidates.items)
    decision = decide(*order, decision_settings(settings, method.judge), view.history, probability)
    result.inferred = InferredPositives.from_decision(view, candidates, decision, settings.positive_weight)
    if settings.random_positives:
        result.inferred = random_instead(view, result.inferred)
        logger.warning("random_positives: the accepted pairs are replaced by random unseen items of the same users.")
    result.counts = {
        "pairs": len(candidates),
        "llm_calls": usage.calls,
        "prompt_tokens": usage.prompt_tokens,
        "unreadable": int(np.isnan(verdicts.raw).sum()) - verdicts.unjudged,
        "unjudged": verdicts.unjudged,
        "accepted": len(result.inferred),
    }
    if verdicts.unjudged:
        logger.warning("%d pairs were not judged: they are no positives.", verdicts.unjudged)
    logger.info(
        "%d candidate pairs, %d accepted (%.1f for each user)",
        len(candidates),
        len(result.inferred),
        len(result.inferred) / max(view.n_users, 1),
    )
    if settings.export_verdicts is not None:
        rule = decision_settings(settings, method.judge)
        decided = {"kind": rule.kind, "threshold": rule.threshold, "rate": rule.rate}
        decided |= {"positives_per_user": str(rule.positives_per_user)}
        about = {**about, "decision": decided, "unjudged": verdicts.unjudged}
        write_verdicts(settings.export_verdicts, view, candidates, verdicts, decision, about)


def _candidate_settings(settings: Settings, judge: str) -> CandidateSettings:
    return CandidateSettings(
        settings.candidate_source,
        settings.candidates_of(judge),
        settings.candidate_file,
        settings.candidate_memory_gb,
        settings.allow_foreign,
        source_keys(settings.candidate_config),
        one_thread=judge == LEARNED,
    )


def tree_settings(settings: Settings) -> TreeSettings:
    """What our keys say of the trees."""
    return TreeSettings(
        settings.tree_branching,
        settings.tree_leaf_size,
        settings.item_vectors,
        settings.codes_co,
        settings.codes_se,
        settings.allow_foreign,
        settings.shuffle_codes,
        settings.tree_max_history,
    )
