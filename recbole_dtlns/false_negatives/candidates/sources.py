"""Candidate pairs from a source by name, cached by what went into them."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from recbole_dtlns.config.budget import Budget, BudgetOfSome
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.candidates.candidate_file import CandidateFile, read_candidates
from recbole_dtlns.false_negatives.candidates.ease import EASE
from recbole_dtlns.false_negatives.candidates.item_knn import ItemKNN
from recbole_dtlns.false_negatives.candidates.low_pass import LowPass
from recbole_dtlns.false_negatives.candidates.ranking import Candidates
from recbole_dtlns.false_negatives.candidates.rp3beta import RP3beta
from recbole_dtlns.false_negatives.candidates.union_source import UnionSource, settings_of
from recbole_dtlns.false_negatives.candidates.user_knn import UserKNN
from recbole_dtlns.files.cache import StageCache, content_key
from recbole_dtlns.files.result_schema import External

logger = logging.getLogger(__name__)
_STAGE = "candidates"
_REVISION = 2
_TWENTY = Budget(20)


class CandidateSource(Protocol):
    """A scorer that learns from the training split alone.

    A class in `SOURCES` may declare `keys`: configuration keys of this source alone, by name.
    """

    def settings(self) -> dict[str, Any]:
        """What decides the result besides the training split, as JSON values: part of the cache's key.

        The content of a plugin's file is added to it, see `settings_of`.
        """
        ...

    def fit(self, view: TrainSplit) -> CandidateSource:
        """Learn from the view."""
        ...

    def top(self, view: TrainSplit, budget: Budget) -> Candidates:
        """The best unseen items of every user; see `candidates.top_unseen`."""
        ...

    def score_block(self, users: np.ndarray) -> np.ndarray:
        """Scores of users int64 [n] for all items, float [n, I + 1], larger = better; column 0 is meaningless.

        Any float type will do: scores are compared as float32.
        """
        ...

    def item_embeddings(self) -> np.ndarray | None:
        """Item vectors of the fitted source, float [I + 1, d] with row 0 for padding; None if it has none."""
        ...


SOURCES: dict[str, type[CandidateSource]] = {
    "EASE": EASE,
    "ItemKNN": ItemKNN,
    "LowPass": LowPass,
    "RP3beta": RP3beta,
    "UserKNN": UserKNN,
}
OTHER_SOURCES = {"file": CandidateFile}
"""Sources that are not fitted."""


@dataclass(frozen=True)
class CandidateSettings:
    """Where candidates come from.

    Attributes:
        source: a name in `SOURCES`, several with commas between, `file`, or the name of a source handed to
            `find_candidates`.
        topk: how many each user gets.
        file: the candidate file, for source `file`.
        memory_gb: EASE is replaced by ItemKNN where it would need more.
        allow_foreign: take a file from another training split and leave out its unknown tokens.
        options: arguments of the source's class; for several sources, of each under its name.
        one_thread: linear algebra on one thread, so that the last digits of scores do not depend on their number.
    """

    source: str = "EASE"
    topk: Budget = _TWENTY
    file: str | None = None
    memory_gb: float = 4.0
    allow_foreign: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    one_thread: bool = False


@dataclass(frozen=True)
class CandidateResult:
    """Candidates and where they really come from.

    Attributes:
        candidates: the pairs.
        source_effective: the source used; ItemKNN where EASE did not fit.
        seconds: time taken now.
        cached: whether they were found ready.
        external: files made elsewhere, as `external` in result.json lists them.
        dropped: pairs of a file that were left out (in train, or with unknown tokens).
        item_embeddings: name and item vectors, float [I + 1, d], of a source that has some; row 0 is padding.
    """

    candidates: Candidates
    source_effective: str
    seconds: float
    cached: bool
    external: list[External] = field(default_factory=list)
    dropped: int = 0
    item_embeddings: tuple[str, np.ndarray] | None = None


def find_candidates(
    view: TrainSplit,
    settings: CandidateSettings,
    cache: StageCache,
    source: CandidateSource | None = None,
    users: np.ndarray | None = None,
) -> CandidateResult:
    """Find the candidates of training users, in the cache or by fitting a source.

    Args:
        view: the training split.
        settings: see `CandidateSettings`.
        cache: where results are kept, each under a hash of all that decides it.
        source: a source of one's own, to be used under the name `settings.source`; not fitted yet.
        users: whose candidates are wanted, bool [U + 1]; None = those of all. A file gives all that it has.

    Raises:
        UserError: an unknown source, bad options, or a bad file.
    """
    started = time.perf_counter()
    if settings.source in OTHER_SOURCES:
        return _from_file(view, settings, started)
    name, source = resolve_source(settings, view, source)
    decided_by: dict[str, Any] = {"train_hash": view.train_hash, "source": name, "settings": settings_of(source)}
    decided_by |= {"topk": str(settings.topk), "revision": _REVISION}
    if settings.one_thread:
        decided_by["one_thread"] = True
    topk = settings.topk
    if users is not None:
        decided_by["users"] = hashlib.sha256(np.packbits(users).tobytes()).hexdigest()
        topk = BudgetOfSome(topk.fixed, topk.share, chosen=users)
    key = content_key(_STAGE, decided_by)
    arrays = cache.load(_STAGE, key)
    cached = arrays is not None
    if arrays is None:
        with threadpool_limits(1 if settings.one_thread else None, "blas"):
            arrays = _computed(source.fit(view), view, topk)
        cache.save(_STAGE, key, arrays, {**decided_by, "seconds": time.perf_counter() - started})
    candidates = Candidates(arrays["users"], arrays["items"], arrays["ranks"], arrays["scores"], name)
    embeddings = (name, arrays["embeddings"]) if "embeddings" in arrays else None
    seconds = time.perf_counter() - started
    return CandidateResult(candidates, name, seconds, cached, item_embeddings=embeddings)


def resolve_source(
    settings: CandidateSettings, view: TrainSplit, source: CandidateSource | None = None
) -> tuple[str, CandidateSource]:
    """Name and unfitted source that the settings lead to: `source` itself, one in `SOURCES`, or ItemKNN for EASE.

    Raises:
        UserError: an unknown source or bad options.
    """
    if source is not None:
        return settings.source, source
    names = [name.strip() for name in settings.source.split(",")]
    if len(names) > 1:
        _check_named(settings.options, names)
    made = {}
    for name in names:
        chosen = _affordable(name, view, settings.memory_gb)
        if chosen != name and chosen in names:
            continue  # it is there with options of its own
        options = settings.options if len(names) == 1 else settings.options.get(name, {})
        made[chosen] = _made(chosen, options if chosen == name else {})
    if len(made) == 1:
        return next(iter(made.items()))
    return ",".join(made), UnionSource(made)


def unknown_source(name: str, others: Collection[str] = ()) -> UserError:
    """The error for a source that does not exist, with the names that do; `others` are those known elsewhere."""
    names = ", ".join([*sorted(SOURCES), *OTHER_SOURCES, *others])
    return UserError(f"candidate_source: there is no source {name!r}. Give one of {names}.")


def _from_file(view: TrainSplit, settings: CandidateSettings, started: float) -> CandidateResult:
    if settings.file is None:
        raise UserError("candidate_source=file needs a file. Set candidate_file=PATH.")
    read = read_candidates(settings.file, view, settings.topk, settings.allow_foreign)
    seconds = time.perf_counter() - started
    return CandidateResult(read.candidates, settings.source, seconds, False, [read.external], read.dropped)


def _computed(source: CandidateSource, view: TrainSplit, topk: Budget) -> dict[str, np.ndarray]:
    candidates, embeddings = source.top(view, topk), source.item_embeddings()
    arrays = {
        "users": candidates.users,
        "items": candidates.items,
        "ranks": candidates.ranks,
        "scores": candidates.scores,
    }
    return arrays if embeddings is None else {**arrays, "embeddings": embeddings}


def _affordable(name: str, view: TrainSplit, memory_gb: float) -> str:
    if name != "EASE" or EASE.memory_gb(view) <= memory_gb:
        return name
    logger.warning(
        "EASE on %d items needs %.1f GB, candidate_memory_gb=%g allows less: ItemKNN makes the candidates.",
        view.n_items,
        EASE.memory_gb(view),
        memory_gb,
    )
    return "ItemKNN"


def _check_named(options: Mapping[str, Any], names: Collection[str]) -> None:
    unknown = sorted(set(options) - set(names))
    if unknown:
        raise UserError(
            f"candidate_config: found {', '.join(unknown)}; with several sources expected a mapping for each of them, "
            f"here {', '.join(names)}, such as {{EASE: {{l2: 500}}}}."
        )


def _made(name: str, options: Any) -> CandidateSource:
    if name not in SOURCES:
        raise unknown_source(name)
    try:
        return SOURCES[name](**options)
    except (TypeError, ValueError, UserError) as error:
        raise UserError(
            f"candidate_config: {name} cannot be made with {options!r} ({error}). Expected its own keys, such as "
            "{l2: 500} for EASE; for several sources a mapping for each name, such as {EASE: {l2: 500}}."
        ) from error
