"""What the learned judge is worth, what each group of features, and what the questions to a language model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from recbole_dtlns.false_negatives.identification.held_in_pairs import HeldInPairs
from recbole_dtlns.false_negatives.learned.features import Features
from recbole_dtlns.false_negatives.learned.groups import worth_of_groups, worth_of_judges
from recbole_dtlns.false_negatives.learned.measures import mean_interval

_REPORT_USERS = 5_000  # users whose pairs say what groups and questions are worth
_SHOWN = {"ndcg@20": "NDCG@20", "log_loss": "log loss"}


def worth_of_judge(
    part: HeldInPairs, features: Features, unseen: np.ndarray, groups: bool, every_pair: bool
) -> dict[str, Any]:
    """How good the judge's order of held-in pairs is, beside the source's own, and what each group is worth.

    Args:
        part: pairs of a held-in split.
        features: of these pairs.
        unseen: probabilities by models that have not seen the users, float64 [n].
        groups: whether to measure what each group of features is worth.
        every_pair: whether each fit of that reads all pairs, see `fit_folds`.

    Returns:
        `ndcg@20` of the `judge`, of the `candidate source` and their `difference`; `groups`, see `worth_of_groups`.
    """
    pairs, rows = part.by_user(None)
    source = -features.values[rows, features.names.index("source rank")].astype(np.float64)
    by_judge = pairs.measures(unseen[rows])
    ndcg = {"judge": by_judge["ndcg@20"], "candidate source": pairs.measures(source)["ndcg@20"]}
    ndcg["difference"] = ndcg["judge"] - ndcg["candidate source"]
    worth: dict[str, Any] = {"ndcg@20": {name: mean_interval(values) for name, values in ndcg.items()}}
    if not groups:
        return {**worth, "groups": None}
    pairs, rows = part.by_user(_REPORT_USERS)
    chosen = Features(features.names, features.groups, features.values[rows])
    return {**worth, "groups": worth_of_groups(chosen, pairs, every_pair)}


def worth_of_questions(
    part: HeldInPairs, features: Features, names: list[str], asked: np.ndarray, report: bool
) -> dict[str, Any]:
    """What the answers of language models add to the learned judge, on held-in pairs.

    Args:
        part: pairs of a held-in split.
        features: of these pairs, with the answers.
        names: of the judges that were asked.
        asked: whether they were asked about a pair, bool [n].
        report: whether to measure; without it the answers are kept unmeasured.

    Returns:
        `judges`; `held_in_pairs` that were asked about; `added`, see `worth_of_judges` (None: not measured);
        `per_thousand`: what the gain over all measured users comes to for a thousand questions about them;
        `kept`: whether a gain of NDCG@20 or log loss is above 0 with all of its interval, or nothing was measured.
    """
    about: dict[str, Any] = {"judges": names, "held_in_pairs": int(asked.sum())}
    pairs, rows = part.by_user(_REPORT_USERS)
    chosen = Features(features.names, features.groups, features.values[rows])
    added = worth_of_judges(chosen, names, pairs, asked[rows]) if report else None
    if added is None:
        return {**about, "added": None, "per_thousand": None, "kept": True}
    gain, questions = added["all users"], int(asked[rows].sum())
    bought = {
        name: gain[name]["value"] / questions * 1000 if questions and gain[name]["value"] is not None else None
        for name in _SHOWN
    }
    kept = any((gain[name]["low"] or 0) > 0 for name in _SHOWN)
    return {**about, "added": added, "per_thousand": bought, "kept": kept}


def _questions_in_words(worth: dict[str, Any]) -> Iterator[str]:
    """The same, line by line."""
    who = ", ".join(worth["judges"])
    yield f"Asked {who} about {worth['pairs']} pairs of train and {worth['held_in_pairs']} of the held-in split."
    if worth["added"] is None:
        yield "What the answers add was not measured (judge_report=false, or too few held-in pairs)."
        return
    for users, gains in worth["added"].items():
        for name, title in _SHOWN.items():
            gain = gains[name]
            if gain["low"] is not None:
                shown = f"{gain['value']:+.5f} [{gain['low']:+.5f}, {gain['high']:+.5f}]"
                yield f"  {title} gained by the answers, {users}: {shown}"
    bought = worth["per_thousand"]["ndcg@20"]
    if bought is not None:
        yield f"  A thousand questions bought {bought:+.5f} of NDCG@20 over all users."
    if not worth["kept"]:
        yield f"The answers of {who} add nothing that held-in pairs show: the judge goes without them."


def table_of(report: dict[str, Any]) -> Iterator[str]:
    """What the learned judge is worth, line by line."""
    ndcg = report["ndcg@20"]
    yield (
        f"On held-in pairs the learned judge's order has NDCG@20 {ndcg['judge']['value']:.4f}, the candidate source's "
        f"own {ndcg['candidate source']['value']:.4f}."
    )
    for row in report["groups"] or ():
        if row["group"] != "all":
            lost = row["lost"]["ndcg@20"]
            interval = "" if lost["low"] is None else f" [{lost['low']:+.4f}, {lost['high']:+.4f}]"
            name = f"{row['group']} ({row['features']} features)"
            yield f"  NDCG@20 lost without the {name}: {lost['value']:+.4f}{interval}"
    if report.get("asked") is not None:
        yield from _questions_in_words(report["asked"])
