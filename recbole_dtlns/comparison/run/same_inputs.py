"""Whether the runs of a comparison were made from the same data and from the same files."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from recbole.utils import ModelType

from recbole_dtlns.comparison.run.records import WHAT_TO_DO, RunRecord
from recbole_dtlns.config.models import model_class
from recbole_dtlns.config.plugins import plugin_names
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.result_schema import Result

_SHOWN = 12  # characters of a hash in a message
Input = tuple[str, ...]


class SameInputs:
    """What the finished runs of a comparison were made from; a run that was made from something else is refused.

    The identity of a configuration leaves out where data lie, and has files by name. Here the content counts: the split
    of each data set, each file made elsewhere, and each plugin. Models that read their data in another form, as
    sequential ones do, have a split of their own. May be used from several threads.

    Args:
        records: runs found at the start. What most of them have is what the others must have; an input that none of
            them has is set by the first run that does.
    """

    def __init__(self, records: Iterable[RunRecord] = ()) -> None:
        counts: dict[Input, Counter[str]] = defaultdict(Counter)
        for record in records:
            for name, content in _inputs(record.dataset, record.model, record.result).items():
                counts[name][content] += 1
        self._first_seen = {name: counter.most_common(1)[0][0] for name, counter in counts.items()}
        self._lock = threading.Lock()

    def check(self, dataset: str, model: str, result: Result, home: Path) -> None:
        """Keep what a run was made from.

        Raises:
            UserError: it is not what the other runs were made from; names both.
        """
        inputs = _inputs(dataset, model, result)
        with self._lock:
            for name, content in inputs.items():
                theirs = self._first_seen.get(name, content)
                if content != theirs:
                    raise UserError(
                        f"{home} was made from other data or files than the other runs of {dataset}: {name[-1]} is "
                        f"{content[:_SHOWN]}, theirs is {theirs[:_SHOWN]}. {WHAT_TO_DO}"
                    )
            self._first_seen |= inputs


def plugins_of(result: Result) -> dict[str, str]:
    """SHA-256 of each plugin that a run was made with, by path; empty for runs of versions that did not record it."""
    paths = plugin_names(result["config"].get("plugins"))
    return dict(zip(paths, (plugin["sha256"] for plugin in result["plugins"] or ()), strict=False))


def _inputs(dataset: str, model: str, result: Result) -> dict[Input, str]:
    """Content by input, whose last word names it; what has no hash is left out."""
    kind = model_class(model).type
    form = ModelType.GENERAL if kind == ModelType.TRADITIONAL else kind
    hashes: dict[Input, str | None] = {(dataset, form.name, "the split_hash"): result["data"]["split_hash"]}
    for entry in result["external"]:
        path = result["config"].get(entry["kind"])
        hashes[dataset, str(path), f"the sha256 of {entry['kind']}"] = entry["sha256"]
    for path, content in plugins_of(result).items():
        hashes[dataset, path, f"the sha256 of the plugin {Path(path).name}"] = content
    return {name: content for name, content in hashes.items() if content is not None}
