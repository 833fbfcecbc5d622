"""What other judges say of pairs, as evidence for the learned judge (`learned_from`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from recbole_dtlns.config.settings import Settings
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.false_negatives.candidates.ranking import Candidates
from recbole_dtlns.false_negatives.identification.asking import STUDENT, Asker, make_context
from recbole_dtlns.false_negatives.identification.judging import verdicts_of
from recbole_dtlns.false_negatives.judges.base import Usage
from recbole_dtlns.false_negatives.judges.store import VerdictStore
from recbole_dtlns.false_negatives.selection import pairs_to_judge
from recbole_dtlns.trees.stage import Trees


def other_judges(
    names: Sequence[str],
    view: TrainSplit,
    trees: Trees,
    candidates: Candidates,
    settings: Settings,
    store: VerdictStore,
    model_folder: str,
) -> Iterator[tuple[str, np.ndarray, Usage]]:
    """Ask some judges about pairs of a split, at most `llm_max_pairs` of them each; answers are kept in the store.

    Args:
        names: of the judges.
        view: the split.
        trees: of the split.
        candidates: n pairs.
        settings: our keys.
        store: keeps every answer.
        model_folder: where a converted language model is kept.

    Yields:
        Name, raw scores float64 [n] (NaN = not asked), and what a language model was asked.

    Raises:
        KeyboardInterrupt: Ctrl-C while a judge was asked; its answers are kept.
    """
    context = make_context(view, trees, {**settings.as_dict(), "cache_dir": model_folder})
    for name in names:
        asker = Asker.make(name, context, store, settings)
        # The student answers without limit; it is its teacher that has one.
        limit = settings.llm_max_pairs if asker.usage is not None and name != STUDENT else None
        chosen = pairs_to_judge(candidates, view.users, None, limit)
        asked = candidates.take(chosen)
        verdicts, *_ = verdicts_of(settings, name, context, asker.shown(context, candidates), asked, asker)
        if verdicts.interrupted:
            raise KeyboardInterrupt
        yield name, verdicts.spread(chosen).raw, asker.usage or Usage()
