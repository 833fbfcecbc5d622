"""What a language model as judge would read and how long it would take, told by `doctor`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from recbole_dtlns.config.declared import asked_judges, declared
from recbole_dtlns.config.method import RunMethod
from recbole_dtlns.config.settings import Settings
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError

_USERS = 200  # that the probe draws from


def asks_language_model(settings: Settings, method: RunMethod) -> bool:
    """Whether a model on this machine would be asked."""
    asked = asked_judges(method.judge, settings.as_dict())
    return any("llm_model" in (declared(name).keys or {}) for name in asked)


def model_lines(options: Mapping[str, Any], folder: Path) -> Iterator[tuple[str, str]]:
    """Lines about the model alone; a GGUF file is converted into `folder`, once."""
    from recbole_dtlns.false_negatives.judges.engine import load_settings
    from recbole_dtlns.false_negatives.judges.outlook import size_lines
    from recbole_dtlns.llm.loading import open_model

    yield from size_lines(open_model(load_settings(options), folder))


def question_lines(config: Any, cache_dir: Path, model_folder: Path) -> Iterator[tuple[str, str]]:
    """Lines about the questions for a data set, with a probe of ten seconds on codes that are made up.

    Raises:
        UserError: bad data, or a model that does not fit.
    """
    from recbole_dtlns.data.build import read_training_part
    from recbole_dtlns.false_negatives.identification.text import read_text
    from recbole_dtlns.false_negatives.judges.engine import open_engine
    from recbole_dtlns.false_negatives.judges.outlook import probe

    settings, location = config.settings, config.location
    if location.kind == "download" and not location.folder.exists():
        yield "questions", f"unknown: {location.name} is not downloaded yet"
        return
    text = read_text(config)
    view = read_training_part(config, cache_dir)
    planned = _questions(settings, config.method, view)
    yield "questions", "; ".join(f"{count:,} {what}" for what, count in planned.items())
    engine = open_engine({**settings.as_dict(), "cache_dir": str(model_folder)})
    context, users, items = _made_up(settings, config.method, view, None if text is None else text.of(view.items))
    probed = probe(engine, context, users, items)
    total, rate = sum(planned.values()), probed.pairs / probed.seconds
    yield (
        "probe",
        f"{probed.pairs} pairs in {probed.seconds:.1f} seconds, {rate:.1f} pairs a second, "
        f"{probed.tokens / probed.pairs:.1f} tokens a pair",
    )
    yield "tokens", f"about {total * probed.tokens / probed.pairs / 1e6:,.2f} million"
    yield "time", f"about {total / rate / 3600:,.2f} hours on this machine; answers that are stored already cost none"


def _questions(settings: Settings, method: RunMethod, view: TrainSplit) -> dict[str, int]:
    """How many pairs a model would be asked about, by what for; at most as many as unseen items allow."""
    from recbole_dtlns.false_negatives.identification.evidence import most_questions

    history = view.history[1:]
    budget = settings.candidates_of(method.declared).of(history)
    pairs = int(np.minimum(budget, view.n_items - history).sum())
    limit = most_questions(settings, pairs)
    asked = pairs if limit is None else min(pairs, limit)
    if method.declared.way == "fitted":
        return {"pairs of train": asked, "pairs of the held-in split": asked}
    report = 0 if settings.judge_report is False else settings.judge_report_pairs
    report = report if limit is None else min(report, limit)
    if method.declared.way == "distilled":
        users = min(settings["student_users"], view.n_users)
        asked = min(asked, round(users * pairs / max(view.n_users, 1) + settings["student_share"] * pairs))
    return {"pairs of train": asked, "pairs of the judge's report": report}


def _made_up(
    settings: Settings, method: RunMethod, view: TrainSplit, titles: np.ndarray | None
) -> tuple[Any, np.ndarray, np.ndarray]:
    """Histories of some users, codes of the length that trees of this size have, and random candidates."""
    from recbole_dtlns.false_negatives.judges.base import JudgeContext
    from recbole_dtlns.false_negatives.judges.long_history import nearest_history

    rng = np.random.default_rng(0)
    leaves = max(view.n_items / settings.tree_leaf_size, 1)
    depth = 1 + int(np.log(leaves) / np.log(settings.tree_branching))
    co, se = (rng.integers(0, settings.tree_branching, (view.n_items + 1, depth)).astype(np.int16) for _ in range(2))
    users = rng.permutation(np.arange(1, view.n_users + 1))[:_USERS]
    most = settings.candidates_of(method.declared).of(view.history[1:])
    count = int(min(max(np.median(most), 1), view.n_items))
    if not len(users):
        raise UserError("The training split has no users. Check the data.")
    items = np.stack([rng.choice(view.n_items, count, replace=False) + 1 for _ in users])
    context = JudgeContext(view.matrix, co, se, titles=titles)
    ordered = np.argsort(users)
    pairs = np.repeat(users[ordered], count), items[ordered].reshape(-1)
    cut = nearest_history(view.matrix, co, se, *pairs, settings.llm_max_history)
    return replace(context, matrix=cut), users, items
