"""A RecBole recommender as candidate source: trained here on train alone, or in an earlier run."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from recbole_dtlns.config.budget import Budget
from recbole_dtlns.config.models import require_model
from recbole_dtlns.config.settings import Settings
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.evaluation.loading import load_data_and_model
from recbole_dtlns.false_negatives.candidates.model_sources import source_keys
from recbole_dtlns.false_negatives.candidates.ranking import Candidates, top_unseen
from recbole_dtlns.false_negatives.candidates.sources import (
    OTHER_SOURCES,
    SOURCES,
    CandidateResult,
    CandidateSettings,
    CandidateSource,
    unknown_source,
)
from recbole_dtlns.files.result_schema import External
from recbole_dtlns.files.run_folder import read_result
from recbole_dtlns.training.candidate_model import EPOCHS, TrainedModel, train_candidate_model, wrap_model


class RecBoleSource:
    """A RecBole general recommender as candidate source; see `find_candidates` for what is asked of one.

    Args:
        name: of the model.
        keys: its configuration, `candidate_config`; nothing of the run's own configuration reaches it.
    """

    def __init__(self, name: str, keys: Mapping[str, Any]) -> None:
        self.name, self.keys = name, dict(keys)
        self.trained: TrainedModel | None = None
        self._fitted_on = ""

    def settings(self) -> dict[str, Any]:
        """What decides the result besides the training split."""
        return {"epochs": EPOCHS, **self.keys}

    def fit(self, view: TrainSplit) -> CandidateSource:
        """Train on every training pair for a fixed number of epochs.

        Raises:
            UserError: no such general recommender, or a key that it cannot use.
        """
        if self._fitted_on != view.train_hash:  # the report asks for candidates and for scores of one split
            self.trained = train_candidate_model(self.name, view, self.keys)
            self._fitted_on = view.train_hash
        return self

    def top(self, view: TrainSplit, budget: Budget) -> Candidates:
        """The best unseen items of every user."""
        return top_unseen(view, budget, self.score_block, self.name)

    def score_block(self, users: np.ndarray) -> np.ndarray:
        """Scores of users int64 [n] of the view -> float32 [n, I + 1]; column 0 is meaningless."""
        if self.trained is None:
            raise ValueError("fit first")
        return self.trained.score_block(users)

    def item_embeddings(self) -> np.ndarray | None:
        """The trained model's item embeddings, float [I + 1, C] with padding at row 0; None if it has no such table."""
        return None if self.trained is None else self.trained.item_embeddings()


class RecBoleModels:
    """RecBole's models as `identify` takes them; see `ModelSources`."""

    def untrained(self, name: str, keys: Any) -> CandidateSource | None:
        """See `recbole_source`."""
        return recbole_source(name, keys)

    def from_checkpoint(self, view: TrainSplit, chosen: CandidateSettings, settings: Settings) -> CandidateResult:
        """Candidates of a model trained in an earlier run; always listed as external, as valid selected it."""
        return _from_checkpoint(view, Path(str(settings.candidate_checkpoint)), chosen, settings)


def recbole_source(name: str, keys: Any) -> RecBoleSource | None:
    """The RecBole model of that name, not trained yet; None for a source that is not one.

    Args:
        name: `candidate_source`.
        keys: `candidate_config`: a mapping, the path of a YAML file, or None.

    Raises:
        UserError: there is no such model, or a bad `candidate_config`.
    """
    if name in OTHER_SOURCES or all(part.strip() in SOURCES for part in name.split(",")):
        return None
    if "," in name:
        parts = [part.strip() for part in name.split(",")]
        bad = next(part for part in parts if part not in SOURCES)
        raise UserError(
            f"candidate_source={name}: {bad!r} cannot be one of several sources. Only {', '.join(sorted(SOURCES))} can."
        )
    try:
        require_model(name)
    except UserError as error:
        raise unknown_source(name, ["the name of a RecBole general recommender"]) from error
    return RecBoleSource(name, source_keys(keys))


def _from_checkpoint(view: TrainSplit, run_dir: Path, chosen: CandidateSettings, settings: Settings) -> CandidateResult:
    """Candidates of a model trained in an earlier run of ours; always listed as external, as valid selected it."""
    started = time.perf_counter()
    result = read_result(run_dir)
    made_from = result["data"]["train_hash"]
    if made_from != view.train_hash and not settings.allow_foreign:
        raise UserError(
            f"candidate_checkpoint: {run_dir} was trained on another training split ({made_from[:12]}, this one is "
            f"{view.train_hash[:12]}). Train it on this split, or set allow_foreign=true and have the result marked."
        )
    if result["protocol"] == "reference" and not settings.allow_foreign:
        raise UserError(
            f"candidate_checkpoint: {run_dir} was trained under the reference protocol, which uses test labels. Use "
            "another run, or set allow_foreign=true and have the result marked."
        )
    _, model, dataset, *_ = load_data_and_model(
        run_dir, allow_plugins=settings.allow_plugins, trust_checkpoint=settings.trust_checkpoint
    )
    trained = wrap_model(model, dataset, view)
    name = f"{result['model']} of {run_dir.name}"
    candidates = top_unseen(view, chosen.topk, trained.score_block, name)
    vectors = trained.item_embeddings()
    external: External = {
        "kind": "candidate_checkpoint",
        "file": run_dir.name,
        "sha256": None,
        "train_hash": made_from,
        "foreign": made_from != view.train_hash,
        "marks": result["marks"],
        "dropped": None,
    }
    embeddings = None if vectors is None else (f"item embeddings of {name}", vectors)
    return CandidateResult(candidates, name, time.perf_counter() - started, False, [external], 0, embeddings)
