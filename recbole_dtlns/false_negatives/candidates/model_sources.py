"""RecBole's models as candidate sources: what is asked of them. `evaluation.model_source` trains and loads them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from recbole_dtlns.config.settings import Settings
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.candidates.sources import CandidateResult, CandidateSettings, CandidateSource
from recbole_dtlns.files.yaml_text import read_yaml_file


class ModelSources(Protocol):
    """RecBole's models as candidate sources."""

    def untrained(self, name: str, keys: Any) -> CandidateSource | None:
        """The model of that name, not trained yet; None for a source that is not a model.

        Args:
            name: `candidate_source`.
            keys: `candidate_config`: a mapping, the path of a YAML file, or None.

        Raises:
            UserError: there is no such model, or a bad `candidate_config`.
        """

    def from_checkpoint(self, view: TrainSplit, chosen: CandidateSettings, settings: Settings) -> CandidateResult:
        """Candidates of the model in `candidate_checkpoint`, trained in an earlier run of ours.

        Raises:
            UserError: the run was made from another split, or under the reference protocol.
        """


def source_keys(given: Any) -> dict[str, Any]:
    """`candidate_config` as a mapping, read from its YAML file where it names one."""
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return dict(given)
    path = Path(given)
    if not path.is_file():
        raise UserError(
            f"candidate_config: there is no file {given}. Give a YAML file, or a mapping such as {{epochs: 50}}."
        )
    content = read_yaml_file(path, "candidate_config") or {}
    if not isinstance(content, dict):
        raise UserError(f"candidate_config: {path} should hold `key: value` lines.")
    return content
