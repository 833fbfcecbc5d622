"""Who is asked: the judge that a configuration names, over any split, with every answer in the verdict store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import special

from recbole_dtlns.config.declared import declared
from recbole_dtlns.config.plugins import with_content
from recbole_dtlns.config.settings import Settings
from recbole_dtlns.data.item_text import ItemText
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.false_negatives.candidates.ranking import Candidates
from recbole_dtlns.false_negatives.judges import Judge, JudgeContext, judge_class
from recbole_dtlns.false_negatives.judges.judging import Verdicts, judge_pairs
from recbole_dtlns.false_negatives.judges.long_history import nearest_history
from recbole_dtlns.false_negatives.judges.store import VerdictStore
from recbole_dtlns.trees.stage import Trees

_ANCHORS = 5
"""Candidates of a user, the first ones, that decide which items of a long history are shown."""


def make_context(
    view: TrainSplit, trees: Trees | None, options: Mapping[str, Any], text: ItemText | None = None
) -> JudgeContext:
    """What judges may know of a split; without trees (`keep_all` reads no codes) every code is missing."""
    missing = np.full((view.n_items + 1, 1), -1, dtype=np.int16)
    co, se = (missing, missing) if trees is None else (trees.co.codes, trees.se.codes)
    return JudgeContext(view.matrix, co, se, options, None if text is None else text.of(view.items))


@dataclass
class Asker:
    """The judge that labels pairs; under `judge=student`, its teacher.

    Attributes:
        judge: made once; it is moved to other splits by `Judge.on`.
        store: keeps every answer.
        settings: our keys.
        options: what the judge was made with; it is made with the same for other splits.
        titles_digest: hash of the titles of the first split; None without.
    """

    judge: Judge
    store: VerdictStore
    settings: Settings
    options: Mapping[str, Any]
    titles_digest: str | None = None

    @classmethod
    def make(cls, name: str, context: JudgeContext, store: VerdictStore, settings: Settings) -> Asker:
        """The judge `name`; for the student, its teacher."""
        kind = declared(name)
        answering = kind.asks(context.options)[0] if kind.way == "distilled" else name
        return cls(judge_class(answering)(context), store, settings, context.options, context.titles_digest)

    @property
    def cut(self) -> float:
        """The raw score at `judge_threshold`."""
        threshold = self.settings.threshold_of(type(self.judge))
        return float(special.logit(threshold)) if self.judge.gives_log_odds else threshold

    def shown(self, context: JudgeContext, candidates: Candidates) -> JudgeContext:
        """The context with long histories cut, for a judge that reads them item by item.

        The cut goes by each user's first candidates, so that the questions stay the same when there are more of them,
        or when only some are asked about.
        """
        if not self.judge.reads_history:
            return context
        first = candidates.take(candidates.ranks < _ANCHORS)
        most = self.settings.llm_max_history
        cut = nearest_history(context.matrix, context.co, context.se, first.users, first.items, most)
        return replace(context, matrix=cut)

    def ask(self, context: JudgeContext, candidates: Candidates) -> Verdicts:
        """Verdicts for pairs of the split of `context`, which is shown as it is."""
        context = replace(context, options=self.options)
        judge = self.judge.on(context)
        return judge_pairs(judge, context, candidates, self.store, cut=self.cut)

    def about(self) -> dict[str, Any]:
        """What identifies the judge, for files that others will read."""
        settings = self.judge.settings()
        if self.judge.reads_history:
            settings = {**settings, "max_history": self.settings.llm_max_history}
        if self.judge.reads_titles:
            settings = {**settings, "titles": self.titles_digest}
        about = {"judge": self.judge.name, "revision": self.judge.revision, "settings": settings}
        return with_content(about, type(self.judge))
