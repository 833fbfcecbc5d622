"""The offline stage: candidates, trees, judging, inferred positives, from the training tokens alone."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from recbole_dtlns.config.method import RunMethod
from recbole_dtlns.config.settings import Settings
from recbole_dtlns.data.item_text import ItemText
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.false_negatives.candidates.model_sources import ModelSources, source_keys
from recbole_dtlns.false_negatives.candidates.ranking import Candidates
from recbole_dtlns.false_negatives.candidates.sources import CandidateResult, CandidateSettings, find_candidates
from recbole_dtlns.false_negatives.control import random_candidates
from recbole_dtlns.false_negatives.decide import probability_of
from recbole_dtlns.false_negatives.identification.asking import Asker, make_context
from recbole_dtlns.false_negatives.identification.deciding import decide_pairs
from recbole_dtlns.false_negatives.identification.during_training import OnlineJudge
from recbole_dtlns.false_negatives.identification.identified import Identification
from recbole_dtlns.false_negatives.identification.judging import judge_candidates
from recbole_dtlns.false_negatives.identification.learning import LearnedStage
from recbole_dtlns.false_negatives.identification.rebuild import Rebuild
from recbole_dtlns.false_negatives.identification.reporting import ReportMaker
from recbole_dtlns.false_negatives.identification.text import TextInUse
from recbole_dtlns.false_negatives.judges.base import Usage
from recbole_dtlns.false_negatives.judges.exchange import check_exchange_path
from recbole_dtlns.false_negatives.judges.judging import Verdicts
from recbole_dtlns.false_negatives.judges.store import open_store
from recbole_dtlns.false_negatives.judges.verdict_file import read_verdicts
from recbole_dtlns.false_negatives.lists import JudgedLists, share_of_best
from recbole_dtlns.files.cache import StageCache
from recbole_dtlns.files.origin import recorded_threshold
from recbole_dtlns.trees.export import export_codes
from recbole_dtlns.trees.stage import TreeSettings, build_trees
from recbole_dtlns.trees.text_vectors import TextVectors

logger = logging.getLogger(__name__)


def identify(
    view: TrainSplit,
    settings: Settings,
    method: RunMethod,
    cache_dir: Path,
    text: ItemText | None = None,
    models: ModelSources | None = None,
    before_judging: Callable[[], Usage] | None = None,
) -> Identification:
    """Run the stages that the method needs; each is cached in `cache_dir` under what went into it.

    Nothing but `view`, the keys, the items' `text` and files that the user names goes in: no valid, no test, no model.
    `models` trains and loads RecBole's models as candidate sources; None: there are only the sources of `SOURCES`.
    `before_judging` is called when candidates and trees are in the cache; it puts verdicts into the store and gives
    what language models were asked for them.

    Raises:
        UserError: bad input of any stage.
    """
    cache, result = StageCache(cache_dir), Identification()
    reading = TextInUse.of(text, view, settings, method, cache)
    result.external += reading.external
    if settings.export_verdicts is not None:
        check_exchange_path(settings.export_verdicts)
    proposed = _candidates(view, settings, method, cache, result, models)
    if method.needs_trees:
        embeddings = None if proposed is None else proposed.item_embeddings
        _trees(view, settings, cache, result, embeddings, reading.vectors)
    if method.declared.way == "read":
        _read_verdict_file(view, settings, method, result)
    elif proposed is not None:
        source = None if models is None else models.untrained(settings.candidate_source, settings.candidate_config)
        made = tree_settings(settings), _candidate_settings(settings, method)
        rebuild = Rebuild(settings, *made, cache, reading.vectors, source)
        began = time.perf_counter()
        usage = None if before_judging is None else before_judging()
        waited = time.perf_counter() - began
        _judge(view, settings, method, cache_dir, proposed.candidates, result, reading.text, rebuild)
        if usage is not None:
            _count_elsewhere(result, usage, waited)
    if result.inferred is not None and len(result.inferred.users) == 0:
        logger.warning("No pair was accepted: training runs without inferred positives.")
    return result


def _candidates(
    view: TrainSplit,
    settings: Settings,
    method: RunMethod,
    cache: StageCache,
    result: Identification,
    models: ModelSources | None,
) -> CandidateResult | None:
    if method.declared.way in {"none", "read"}:
        return None
    chosen = _candidate_settings(settings, method)
    if settings.candidate_checkpoint is not None:
        if models is None:
            raise ValueError("candidate_checkpoint needs `models`, which load it.")
        proposed = models.from_checkpoint(view, chosen, settings)
    else:
        source = None if models is None else models.untrained(chosen.source, settings.candidate_config)
        proposed = find_candidates(view, chosen, cache, source)
    result.seconds["candidates"], result.candidate_source = round(proposed.seconds, 3), proposed.source_effective
    result.external += proposed.external
    if proposed.cached:
        result.cached.append("candidates")
    return proposed


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
    text: ItemText | None,
    rebuild: Rebuild,
) -> None:
    started = time.perf_counter()
    # A converted model serves every data set, unless the user has chosen the folder.
    model_folder = cache_dir if settings.cache_dir else cache_dir.parent
    context = make_context(view, result.trees, {**settings.as_dict(), "cache_dir": str(model_folder)}, text)
    with open_store(cache_dir, settings.verdict_store) as store:
        if method.declared.way == "fitted" and result.trees is not None:
            stage = LearnedStage(view, settings, rebuild, StageCache(cache_dir), store, str(model_folder), text)
            judged = stage.judge(candidates, result.trees)
        else:
            asker = Asker.make(method.judge, context, store, settings)
            reporter = ReportMaker(view, settings, rebuild, text)
            judged = judge_candidates(view, settings, method.judge, context, candidates, asker, reporter)
    if judged.verdicts.asked == 0 and len(candidates) and not judged.verdicts.unjudged:
        result.cached.append("judging")
    result.judging = judged.details
    if settings.judge_refresh is not None:
        result.online = OnlineJudge(view, settings, method.declared, judged.online, judged.calibration)
    result.interrupted = judged.verdicts.interrupted
    probability = probability_of(judged.verdicts.raw, judged.calibration)
    decide_pairs(view, settings, method, candidates, judged.verdicts, probability, judged.about, judged.usage, result)
    # Where nobody was asked, the order of the candidate source is all there is to learn from.
    values = probability if method.declared.informs else share_of_best(candidates.users, candidates.scores)
    if method.positives_loss == "list":
        listed = random_candidates(view, candidates) if settings.random_positives else candidates
        result.lists = JudgedLists.from_values(view, listed, values, settings.list_size)
    elif method.ranks_lists:
        result.lists = JudgedLists.whole(view, candidates, values)
    result.seconds["judging"] = round(time.perf_counter() - started, 3)


def _count_elsewhere(result: Identification, usage: Usage, seconds: float) -> None:
    """Count what was judged before the store was asked as judged in this run."""
    result.seconds["judging"] = round(seconds + (result.seconds["judging"] or 0), 3)
    result.cached = [stage for stage in result.cached if stage != "judging"]
    if result.counts is not None:
        result.counts["llm_calls"] += usage.calls
        result.counts["prompt_tokens"] += usage.prompt_tokens


def _read_verdict_file(view: TrainSplit, settings: Settings, method: RunMethod, result: Identification) -> None:
    path = settings["judge_file"]
    started = time.perf_counter()
    read = read_verdicts(path, view, settings.allow_foreign)
    result.external.append({**read.external, "dropped": read.dropped})
    if settings.judge_threshold is None:  # each judge has its own: that of the judge who made the file
        settings = replace(settings, judge_threshold=recorded_threshold(path, settings.judge_decision))
    verdicts = Verdicts(read.raw, read.mass, 0, len(read.raw))
    about = {"judge": method.judge, "revision": "", "settings": {}}
    decide_pairs(view, settings, method, read.candidates, verdicts, read.probability, about, Usage(), result)
    if method.ranks_lists:
        result.lists = JudgedLists.whole(view, read.candidates, read.probability)
    result.seconds["judging"] = round(time.perf_counter() - started, 3)


def _candidate_settings(settings: Settings, method: RunMethod) -> CandidateSettings:
    return CandidateSettings(
        settings.candidate_source,
        settings.candidates_of(method.declared),
        settings["candidate_file"],
        settings["candidate_memory_gb"],
        settings.allow_foreign,
        source_keys(settings.candidate_config),
        one_thread=method.declared.way == "fitted",
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
