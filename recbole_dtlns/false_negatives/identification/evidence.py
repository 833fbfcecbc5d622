"""What other judges say of pairs, as evidence for the learned judge (`learned_from`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction

import numpy as np

from recbole_dtlns.config.declared import declared
from recbole_dtlns.config.settings import Settings
from recbole_dtlns.data.item_text import ItemText
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.false_negatives.candidates.ranking import Candidates
from recbole_dtlns.false_negatives.decide import decide
from recbole_dtlns.false_negatives.identification.asking import Asker, make_context
from recbole_dtlns.false_negatives.identification.during_training import decision_settings
from recbole_dtlns.false_negatives.identification.judging import verdicts_of
from recbole_dtlns.false_negatives.judges.base import Usage
from recbole_dtlns.false_negatives.judges.not_asked import LearnedJudge
from recbole_dtlns.false_negatives.judges.store import VerdictStore
from recbole_dtlns.false_negatives.learned.undecided import undecided_pairs
from recbole_dtlns.trees.stage import Trees


def make_askers(
    view: TrainSplit,
    trees: Trees,
    settings: Settings,
    store: VerdictStore,
    model_folder: str,
    text: ItemText | None = None,
) -> dict[str, Asker]:
    """The judges that `learned_from` names, each made once; weights are loaded at the first question.

    Args:
        view: the training split.
        trees: of the split.
        settings: our keys.
        store: keeps every answer.
        model_folder: where a converted language model is kept.
        text: of the items.
    """
    context = make_context(view, trees, {**settings.as_dict(), "cache_dir": model_folder}, text)
    return {name: Asker.make(name, context, store, settings) for name in LearnedJudge.asks(settings.as_dict())}


def other_judges(
    askers: Mapping[str, Asker],
    view: TrainSplit,
    trees: Trees,
    candidates: Candidates,
    settings: Settings,
    text: ItemText | None = None,
    chosen: np.ndarray | None = None,
) -> Iterator[tuple[str, np.ndarray]]:
    """Ask some judges about pairs of a split; answers are kept in the store.

    Args:
        askers: the judges.
        view: the split.
        trees: of the split.
        candidates: n pairs.
        settings: our keys.
        text: of the items.
        chosen: the pairs that are asked about, bool [n]; None = all.

    Yields:
        Name and raw scores float64 [n], NaN = not asked.

    Raises:
        KeyboardInterrupt: Ctrl-C while a judge was asked; its answers are kept.
    """
    chosen = np.ones(len(candidates), dtype=bool) if chosen is None else chosen
    for name, asker in askers.items():
        context = make_context(view, trees, asker.options, text)
        shown, asked = asker.shown(context, candidates), candidates.take(chosen)
        verdicts, *_ = verdicts_of(settings, name, context, shown, asked, asker)
        if verdicts.interrupted:
            raise KeyboardInterrupt
        yield name, verdicts.spread(chosen).raw


def asks_model(asker: Asker) -> bool:
    """Whether a judge, or a student's teacher, may ask a language model."""
    return asker.judge.usage is not None or type(asker.judge).asks_model


def costly(name: str, asker: Asker) -> bool:
    """Whether a judge asks a language model about each pair. A student does not: its teacher has limits of its own."""
    return asks_model(asker) and declared(name).way != "distilled"


def most_questions(settings: Settings, pairs: int) -> int | None:
    """The smaller of `llm_max_pairs` and `llm_budget` of so many pairs; None = no limit."""
    limits = [] if settings.llm_max_pairs is None else [settings.llm_max_pairs]
    if settings["llm_budget"] is not None:
        limits.append(int(Fraction(settings["llm_budget"].rstrip("%")) * pairs / 100))
    return min(limits, default=None)


def pairs_to_ask(
    settings: Settings, view: TrainSplit, candidates: Candidates, probability: np.ndarray
) -> np.ndarray | None:
    """The pairs that a costly judge is asked about, see `undecided_pairs`; None = all.

    Args:
        settings: our keys.
        view: the split of the pairs.
        candidates: n pairs.
        probability: by the learned judge that has not asked, float64 [n].

    Returns:
        bool [n].
    """
    limit = most_questions(settings, len(candidates))
    if limit is None:
        return None
    order = (candidates.users, candidates.ranks, probability, candidates.items)
    decision = decide(*order, decision_settings(settings, LearnedJudge), view.history, probability)
    return undecided_pairs(candidates.users, probability, decision.accepted, limit)


def usage_of(askers: Mapping[str, Asker]) -> Usage:
    """What language models were asked in this run."""
    used = [asker.judge.usage for asker in askers.values() if asker.judge.usage is not None]
    return Usage(sum(usage.calls for usage in used), sum(usage.prompt_tokens for usage in used))
