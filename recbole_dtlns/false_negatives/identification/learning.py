"""`judge=learned` as a stage: held-in splits, features, fitting, probabilities, and what each part is worth."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import sklearn

from recbole_dtlns.config.positives_loss import LEARNED
from recbole_dtlns.config.settings import Settings
from recbole_dtlns.data.tokens import positions
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.candidates.ranking import Candidates
from recbole_dtlns.false_negatives.identification.evidence import other_judges
from recbole_dtlns.false_negatives.identification.judging import Judgement
from recbole_dtlns.false_negatives.identification.rebuild import Rebuild
from recbole_dtlns.false_negatives.judges.base import Usage
from recbole_dtlns.false_negatives.judges.judging import Verdicts
from recbole_dtlns.false_negatives.judges.store import VerdictStore
from recbole_dtlns.false_negatives.learned import model
from recbole_dtlns.false_negatives.learned.features import Features, pair_features
from recbole_dtlns.false_negatives.learned.groups import worth_of_groups
from recbole_dtlns.false_negatives.learned.measures import UserPairs, mean_interval, reliability
from recbole_dtlns.false_negatives.learned.model import LEAST, can_be_fitted, fit_folds, folds_of_users
from recbole_dtlns.false_negatives.learned.scorers import affordable_scorers
from recbole_dtlns.false_negatives.report.held_in import HeldIn, hold_in
from recbole_dtlns.false_negatives.selection import user_hashes
from recbole_dtlns.files.cache import StageCache, content_key
from recbole_dtlns.trees.stage import Trees

logger = logging.getLogger(__name__)

VERSION = 2  # raise it when the same input gives other probabilities
DRAWS = 2  # held-in splits; more of them are more pairs to learn from
_PARTS, _LEAST = 4, 3  # one of 4 pairs of each user with 3 or more is held in
_MOST_USERS = 50_000  # users that are learnt from; all are judged
_REPORT_USERS = 5_000  # users whose pairs say what each group of features is worth


@dataclass(frozen=True)
class _HeldInPairs:
    """Judged candidates of one held-in split, of users that have held-in pairs.

    Attributes:
        users: in the numbering of the whole training view, int64 [n].
        features: of the pairs.
        positive: whether the pair was held in, bool [n].
        held: held-in pairs of each user of the whole view, int64 [U + 1].
    """

    users: np.ndarray
    features: Features
    positive: np.ndarray
    held: np.ndarray


class LearnedStage:
    """Fits the learned judge on held-in pairs of train and lets it judge.

    Args:
        view: the training split.
        settings: our keys.
        rebuild: makes trees and candidates of the held-in splits.
        cache: keeps the probabilities under the hash of train and of everything else that decides them.
        store: keeps what other judges answer (`learned_from`).
        model_folder: where a converted language model is kept.
    """

    def __init__(
        self,
        view: TrainSplit,
        settings: Settings,
        rebuild: Rebuild,
        cache: StageCache,
        store: VerdictStore,
        model_folder: str,
    ) -> None:
        self._view, self._settings, self._rebuild, self._cache = view, settings, rebuild, cache
        self._store, self._model_folder, self._usage = store, model_folder, Usage()

    def judge(self, candidates: Candidates, trees: Trees) -> Judgement:
        """Probabilities of all candidate pairs, and under `details["learned"]` what is known of the judge.

        Raises:
            UserError: nothing to learn from, or a candidate source that cannot be fitted again.
        """
        judges = self._other_judges(self._view, trees, candidates)
        about = self._about(candidates, trees, judges)
        key = content_key(LEARNED, about)
        saved = self._cache.load(LEARNED, key)
        if saved is None:
            probability, known = self._learn(candidates, trees, judges, about["rebuilt"]["source"])
            saved = {"raw": probability, "known": np.frombuffer(json.dumps(known).encode(), dtype=np.uint8)}
            self._cache.save(LEARNED, key, saved, about)
            asked = len(candidates)
        else:
            asked = 0
        known = json.loads(saved["known"].tobytes().decode())
        _log(known)
        details: dict[str, Any] = dict.fromkeys(("report", "calibration", "student", "label_mass", "answers"))
        identity = {"judge": LEARNED, "revision": str(VERSION), "settings": {"learned_from": sorted(judges)}}
        nothing = np.full(len(candidates), np.nan)
        verdicts = Verdicts(saved["raw"], nothing, asked, len(candidates) - asked)
        details |= {"judge": identity, LEARNED: known}
        return Judgement(verdicts, None, identity, details, _nothing_online, self._usage)

    def _about(self, candidates: Candidates, trees: Trees, judges: dict[str, np.ndarray]) -> dict[str, Any]:
        """Everything that decides the probabilities, by content."""
        hashed = {
            "candidates": [candidates.users, candidates.items, candidates.scores],
            "codes": [trees.co.codes, trees.se.codes],
            "judges": list(judges.values()),
        }
        digests = {
            name: hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()
            for name, arrays in hashed.items()
        }
        return {
            **digests,
            "train_hash": self._view.train_hash,
            "rebuilt": self._rebuild.about(self._view),
            "files": trees.external,
            "memory_gb": self._settings.candidate_memory_gb,
            "learned_from": list(judges),
            "report": self._wants_report,
            "booster": [model.SETTINGS, sklearn.__version__],
            "version": [VERSION, DRAWS, _PARTS, _LEAST],
        }

    @property
    def _wants_report(self) -> bool:
        return self._settings.judge_report is not False

    def _learn(
        self, candidates: Candidates, trees: Trees, judges: dict[str, np.ndarray], source: dict[str, Any]
    ) -> tuple[np.ndarray, dict[str, Any]]:
        splits = [hold_in(self._view, seed, _PARTS, _LEAST) for seed in range(DRAWS)]
        scorers, left_out = affordable_scorers(
            (self._view, *(held.view for held in splits)),
            self._settings.candidate_memory_gb,
            source,
        )
        parts = [self._held_in_pairs(held, scorers, list(judges), draw) for draw, held in enumerate(splits)]
        values = np.concatenate([part.features.values for part in parts])
        positive = np.concatenate([part.positive for part in parts])
        folds = folds_of_users(np.concatenate([part.users for part in parts]))
        if not can_be_fitted(positive, folds):
            raise UserError(
                "judge=learned, the start value of dtl_ns, learns from candidates that are held-in training pairs, and "
                f"{int(positive.sum())} of {len(positive)} are. Expected at least {LEAST} that are and {LEAST} that "
                "are not in every part of the users: give more data, a larger candidate_topk, or another judge, such "
                "as --judge=rule."
            )
        logger.info(
            "The learned judge is fitted on %d candidate pairs of %d held-in splits, %d of them held in.",
            *(len(positive), len(parts), int(positive.sum())),
        )
        fitted, unseen = fit_folds(values, positive, folds)
        codes = trees.co.codes, trees.se.codes
        features = pair_features(self._view, codes, candidates, scorers, judges)
        known = {
            "features": dict(zip(features.names, features.groups, strict=True)),
            "left_out": left_out,
            "pairs": len(positive),
            "held_in": int(positive.sum()),
            "boosted_trees": fitted.sizes,
            "reliability": reliability(unseen, positive),
            **self._report(parts[0], unseen[: len(parts[0].users)]),
        }
        return fitted.probability(features.values), known

    def _held_in_pairs(self, held: HeldIn, scorers: list[str], judges: list[str], draw: int) -> _HeldInPairs:
        """Candidates, features and truth of one held-in split; other judges are asked about the first one alone."""
        view = held.view
        in_full = positions(self._view.users, view.users)
        candidates = self._rebuild.candidates(view)
        counts = np.bincount(held.users, minlength=len(view.users))
        chosen = counts > 0
        if chosen.sum() > _MOST_USERS:
            hashes = np.where(chosen, user_hashes(view.users), np.iinfo(np.uint64).max)
            chosen[np.argsort(hashes, kind="stable")[_MOST_USERS:]] = False
        candidates = candidates.take(chosen[candidates.users])
        trees = self._rebuild.trees(view)
        raw = dict.fromkeys(judges, np.full(len(candidates), np.nan))
        if draw == 0 and judges:
            raw = self._other_judges(view, trees, candidates)
        features = pair_features(view, (trees.co.codes, trees.se.codes), candidates, scorers, raw)
        width = len(view.items)
        positive = np.isin(candidates.users * width + candidates.items, held.users * width + held.items)
        full_counts = np.zeros(len(self._view.users), dtype=np.int64)
        full_counts[in_full] = counts
        return _HeldInPairs(in_full[candidates.users], features, positive, full_counts)

    def _other_judges(self, view: TrainSplit, trees: Trees, candidates: Candidates) -> dict[str, np.ndarray]:
        names = self._settings.learned_from_names
        asked = other_judges(names, view, trees, candidates, self._settings, self._store, self._model_folder)
        raw = {}
        for name, scores, usage in asked:
            raw[name] = scores
            self._usage.calls += usage.calls
            self._usage.prompt_tokens += usage.prompt_tokens
        return raw

    def _report(self, part: _HeldInPairs, unseen: np.ndarray) -> dict[str, Any]:
        """How good the judge's order of held-in pairs is, beside the source's own, and what each group is worth."""
        pairs, rows = _user_pairs(part, None)
        source = -part.features.values[rows, part.features.names.index("source rank")].astype(np.float64)
        by_judge = pairs.measures(unseen[rows])
        ndcg = {"judge": by_judge["ndcg@20"], "candidate source": pairs.measures(source)["ndcg@20"]}
        ndcg["difference"] = ndcg["judge"] - ndcg["candidate source"]
        known: dict[str, Any] = {"ndcg@20": {name: mean_interval(values) for name, values in ndcg.items()}}
        if not self._wants_report:
            return {**known, "groups": None}
        pairs, rows = _user_pairs(part, _REPORT_USERS)
        chosen = Features(part.features.names, part.features.groups, part.features.values[rows])
        return {**known, "groups": worth_of_groups(chosen, pairs)}


def _nothing_online(users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """The learned judge reads what is fitted on all of train; it judges no other pairs during training."""
    del items
    return np.full(len(users), np.nan)


def _user_pairs(part: _HeldInPairs, most_users: int | None) -> tuple[UserPairs, np.ndarray]:
    """Pairs of (some of) the users, chosen at random with a fixed seed, and the rows they stand in."""
    users = np.unique(part.users)
    if most_users is not None and len(users) > most_users:
        users = np.sort(np.random.default_rng(0).choice(users, most_users, replace=False))
    rows = np.flatnonzero(np.isin(part.users, users))
    number = np.searchsorted(users, part.users[rows])
    return UserPairs(number, part.positive[rows], part.held[users]), rows


def _log(known: dict[str, Any]) -> None:
    for line in table_of(known):
        logger.info(line)


def table_of(known: dict[str, Any]) -> Iterator[str]:
    """What the learned judge is worth, line by line."""
    ndcg = known["ndcg@20"]
    yield (
        f"On held-in pairs the learned judge's order has NDCG@20 {ndcg['judge']['value']:.4f}, the candidate source's "
        f"own {ndcg['candidate source']['value']:.4f}."
    )
    for row in known["groups"] or ():
        if row["group"] != "all":
            lost = row["lost"]["ndcg@20"]
            interval = "" if lost["low"] is None else f" [{lost['low']:+.4f}, {lost['high']:+.4f}]"
            name = f"{row['group']} ({row['features']} features)"
            yield f"  NDCG@20 lost without the {name}: {lost['value']:+.4f}{interval}"
