"""`judge=learned` as a stage: held-in splits, features, fitting, probabilities, and what each part is worth."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sklearn

from recbole_dtlns.config.settings import Settings
from recbole_dtlns.data.item_text import ItemText
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.false_negatives.candidates.ranking import Candidates
from recbole_dtlns.false_negatives.identification.asking import Asker
from recbole_dtlns.false_negatives.identification.during_training import decision_settings
from recbole_dtlns.false_negatives.identification.evidence import (
    asks_model,
    costly,
    make_askers,
    other_judges,
    pairs_to_ask,
    usage_of,
)
from recbole_dtlns.false_negatives.identification.held_in_pairs import MOST_USERS, Evidence, HeldInPairs
from recbole_dtlns.false_negatives.identification.judging import Judgement
from recbole_dtlns.false_negatives.identification.rebuild import Rebuild
from recbole_dtlns.false_negatives.identification.worth import table_of, worth_of_judge, worth_of_questions
from recbole_dtlns.false_negatives.judges.judging import Verdicts
from recbole_dtlns.false_negatives.judges.not_asked import LearnedJudge
from recbole_dtlns.false_negatives.judges.store import VerdictStore
from recbole_dtlns.false_negatives.learned import model
from recbole_dtlns.false_negatives.learned.measures import reliability
from recbole_dtlns.false_negatives.learned.model import check_enough, fit_folds, folds_of_users
from recbole_dtlns.false_negatives.report.held_in import HeldIn, hold_in
from recbole_dtlns.files.cache import StageCache, content_key
from recbole_dtlns.files.result_schema import empty_judging
from recbole_dtlns.trees.stage import Trees

logger = logging.getLogger(__name__)

_STAGE = "learned"  # in the cache's names and in result.json; never to be changed
VERSION = 11  # raise it when the same input gives other probabilities
DRAWS = 5  # held-in splits at most; more of them are more pairs to learn from, where users are few
PARTS, _LEAST = 10, 3  # one of 10 pairs of each user with 3 or more is held in


@dataclass(frozen=True)
class _Fitted:
    """What one fit gives.

    Attributes:
        raw: probability of each candidate, float64 [n].
        unseen: of each pair of the first held-in split, by models that have not seen its user, float64 [m].
        record: what result.json says of it.
        cached: whether it was found ready.
    """

    raw: np.ndarray
    unseen: np.ndarray
    record: dict[str, Any]
    cached: bool


def held_in_splits(view: TrainSplit) -> list[HeldIn]:
    """Held-in splits of the training split: `DRAWS` of them, fewer where all would have over 2 `MOST_USERS` users.

    Few pairs are held in of each user, so that long histories are nearly as long as those that are judged.
    """
    first = hold_in(view, 0, PARTS, _LEAST)
    draws = min(DRAWS, 2 * MOST_USERS // max(len(np.unique(first.users)), 1))
    return [first, *(hold_in(view, seed, PARTS, _LEAST) for seed in range(1, draws))]


class LearnedStage:
    """Fits the learned judge on held-in pairs of train and lets it judge.

    Args:
        view: the training split.
        settings: our keys.
        rebuild: makes trees and candidates of the held-in splits.
        cache: keeps the probabilities under the hash of train and of everything else that decides them.
        store: keeps what other judges answer (`learned_from`).
        model_folder: where a converted language model is kept.
        text: of the items, for judges that read titles.
    """

    def __init__(
        self,
        view: TrainSplit,
        settings: Settings,
        rebuild: Rebuild,
        cache: StageCache,
        store: VerdictStore,
        model_folder: str,
        text: ItemText | None = None,
    ) -> None:
        self._view, self._settings, self._rebuild, self._cache = view, settings, rebuild, cache
        self._store, self._model_folder, self._text = store, model_folder, text

    def judge(self, candidates: Candidates, trees: Trees) -> Judgement:
        """Probabilities of all candidate pairs, and under `details["learned"]` what is known of the judge.

        Judges that cost nothing are asked about every pair. Then the learned judge is fitted, and a language model is
        asked about the pairs that it leaves undecided, as far as `llm_max_pairs` and `llm_budget` allow. The judge is
        fitted again with these answers; where they add nothing that held-in pairs show, they are left out.

        Raises:
            UserError: nothing to learn from, or a candidate source that cannot be fitted again.
        """
        askers = make_askers(self._view, trees, self._settings, self._store, self._model_folder, self._text)
        paid = {name: asker for name, asker in askers.items() if costly(name, asker)}
        free = {name: asker for name, asker in askers.items() if name not in paid}
        evidence = self._evidence(candidates, trees)
        answers = dict(self._ask(free, self._view, trees, candidates, None))
        fitted = self._fit(evidence, free, answers, None, report=not paid)
        if paid:
            fitted = self._with_paid(evidence, free, paid, answers, fitted)
        for line in table_of(fitted.record):
            logger.info(line)
        details = empty_judging()
        identity = {"judge": _STAGE, "revision": str(VERSION), "settings": {"learned_from": sorted(askers)}}
        nothing, asked = np.full(len(candidates), np.nan), 0 if fitted.cached else len(candidates)
        verdicts = Verdicts(fitted.raw, nothing, asked, len(candidates) - asked)
        details["judge"], details["learned"] = identity, fitted.record
        return Judgement(verdicts, None, identity, details, _nothing_online, usage_of(askers))

    def _evidence(self, candidates: Candidates, trees: Trees) -> Evidence:
        return Evidence(
            self._view,
            self._rebuild,
            candidates,
            trees,
            lambda: held_in_splits(self._view),
            self._settings["candidate_memory_gb"],
        )

    def _ask(
        self,
        askers: Mapping[str, Asker],
        view: TrainSplit,
        trees: Trees,
        candidates: Candidates,
        chosen: np.ndarray | None,
    ) -> Iterator[tuple[str, np.ndarray]]:
        return other_judges(askers, view, trees, candidates, self._settings, self._text, chosen)

    def _with_paid(
        self,
        evidence: Evidence,
        free: Mapping[str, Asker],
        paid: Mapping[str, Asker],
        answers: Mapping[str, np.ndarray],
        before: _Fitted,
    ) -> _Fitted:
        """The judge with what language models say, or without where that adds nothing."""
        candidates = evidence.candidates
        chosen = pairs_to_ask(self._settings, self._view, candidates, before.raw)
        answers = {**answers, **dict(self._ask(paid, self._view, evidence.trees, candidates, chosen))}
        after = self._fit(evidence, {**free, **paid}, answers, before, report=True)
        worth = {**after.record["asked"], "pairs": int(len(candidates) if chosen is None else chosen.sum())}
        record = {**after.record, "asked": worth}
        if worth["kept"]:
            return replace(after, record=record)
        unchanged = {name: before.record[name] for name in ("features", "ndcg@20", "reliability", "boosted_trees")}
        return replace(before, record={**record, **unchanged}, cached=after.cached)

    def _fit(
        self,
        evidence: Evidence,
        askers: Mapping[str, Asker],
        answers: Mapping[str, np.ndarray],
        before: _Fitted | None,
        report: bool,
    ) -> _Fitted:
        """Fit the judge, or read from the cache what the same evidence gave."""
        report = report and self._settings.judge_report is not False
        about = self._about(evidence, askers, answers, report)
        key = content_key(_STAGE, about)
        saved = self._cache.load(_STAGE, key)
        cached = saved is not None
        if saved is None:
            raw, unseen, record, complete = self._learn(evidence, askers, answers, before, report)
            packed = np.frombuffer(json.dumps(record).encode(), dtype=np.uint8)
            saved = {"raw": raw, "unseen": unseen, "known": packed}  # names in the cache's files, never to be changed
            if complete:  # a pair without an answer is asked about again in the next run
                self._cache.save(_STAGE, key, saved, about)
        return _Fitted(saved["raw"], saved["unseen"], json.loads(saved["known"].tobytes().decode()), cached)

    def _about(
        self, evidence: Evidence, askers: Mapping[str, Asker], answers: Mapping[str, np.ndarray], report: bool
    ) -> dict[str, Any]:
        """Everything that decides the probabilities, by content."""
        candidates, trees = evidence.candidates, evidence.trees
        hashed = {
            "candidates": [candidates.users, candidates.items, candidates.scores],
            "codes": [trees.co.codes, trees.se.codes],
            "judges": list(answers.values()),
        }
        digests = {
            name: hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()
            for name, arrays in hashed.items()
        }
        paid = [name for name, asker in askers.items() if costly(name, asker)]
        rates = [model.RATE, model.RATE_OF_RARE]
        limits = [self._settings.llm_max_pairs, self._settings["llm_budget"], *self._list_end()] if paid else []
        return {
            **digests,
            "train_hash": self._view.train_hash,
            "rebuilt": self._rebuild.about(self._view),
            "files": trees.external,
            "memory_gb": self._settings["candidate_memory_gb"],
            "learned_from": [asker.about() for asker in askers.values()],
            "limits": limits,
            "report": report,
            "booster": [model.SETTINGS, rates, model.NEGATIVES, model.RARE, sklearn.__version__],
            "version": [VERSION, DRAWS, PARTS, _LEAST],
        }

    def _list_end(self) -> list[Any]:
        """What decides where a user's list ends, and so which pairs of the held-in split are asked about."""
        rule = decision_settings(self._settings, LearnedJudge)
        return [rule.kind, rule.threshold, rule.rate, str(rule.positives_per_user)]

    def _learn(
        self,
        evidence: Evidence,
        askers: Mapping[str, Asker],
        answers: Mapping[str, np.ndarray],
        before: _Fitted | None,
        report: bool,
    ) -> tuple[np.ndarray, np.ndarray, dict[str, Any], bool]:
        """Probabilities of the candidates and of the first held-in split's pairs, what result.json says of the judge,
        and whether each language model answered all that it was asked about held-in pairs.
        """
        parts = evidence.parts
        paid = [name for name, asker in askers.items() if costly(name, asker)]
        chosen = self._held_in_to_ask(parts[0], before)
        raw_scores = [self._raw_of_held_in(part, askers, chosen if part is parts[0] else None) for part in parts]
        features = [part.features.with_judges(raw) for part, raw in zip(parts, raw_scores, strict=True)]
        positive = np.concatenate([part.positive for part in parts])
        folds = folds_of_users(np.concatenate([part.users for part in parts]))
        check_enough(positive, folds)
        logger.info(
            "The learned judge is fitted on %d candidate pairs of %d held-in splits, %d of them held in.",
            *(len(positive), len(parts), int(positive.sum())),
        )
        values = np.concatenate([read.values for read in features])
        fitted, all_unseen = fit_folds(values, positive, folds, every_pair=bool(paid))
        unseen = all_unseen[: len(parts[0].users)]
        read = evidence.features.with_judges(answers)
        record = {
            "features": dict(zip(read.names, read.groups, strict=True)),
            "left_out": evidence.left_out,
            "pairs": len(positive),
            "held_in": int(positive.sum()),
            "boosted_trees": fitted.sizes,
            "reliability": reliability(all_unseen, positive),
            **worth_of_judge(parts[0], features[0], unseen, report, bool(paid)),
            "asked": worth_of_questions(parts[0], features[0], paid, chosen, report) if before is not None else None,
        }
        complete = not any(np.isnan(raw_scores[0][name][chosen]).any() for name in paid)
        return fitted.probability(read.values), unseen, record, complete

    def _held_in_to_ask(self, first: HeldInPairs, before: _Fitted | None) -> np.ndarray:
        """Pairs of the first held-in split that language models are asked about, bool [n]."""
        every = np.ones(len(first.users), dtype=bool)
        if before is None:
            return every
        chosen = pairs_to_ask(self._settings, first.view, first.candidates, before.unseen)
        return every if chosen is None else chosen

    def _raw_of_held_in(
        self, part: HeldInPairs, askers: Mapping[str, Asker], chosen: np.ndarray | None
    ) -> dict[str, np.ndarray]:
        """Raw scores of a held-in split's pairs, NaN = not asked.

        Args:
            part: the split.
            askers: judges.
            chosen: pairs that language models are asked about, bool [n]; None: none is asked, not by a student either.
        """
        raw_scores: dict[str, np.ndarray] = {}
        for name, asker in askers.items():
            if chosen is None and asks_model(asker):
                raw_scores[name] = np.full(len(part.users), np.nan)
            else:
                about = chosen if costly(name, asker) else None
                raw_scores |= dict(self._ask({name: asker}, part.view, part.trees, part.candidates, about))
        return raw_scores


def _nothing_online(users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """The learned judge reads what is fitted on all of train; it judges no other pairs during training."""
    del items
    return np.full(len(users), np.nan)
