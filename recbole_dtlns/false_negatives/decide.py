"""From raw scores to probabilities and accepted pairs; another decision costs no new judging."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.budget import Budget
from recbole_dtlns.false_negatives.topk import position_in_run

KINDS = ("per_user", "threshold")
_FIVE = Budget(5)


@dataclass(frozen=True)
class DecisionSettings:
    """How verdicts become inferred positives.

    Attributes:
        kind: `threshold` accepts every pair from the threshold on, `per_user` the best of them for each user.
        threshold: least probability, 0 to 1.
        positives_per_user: how many `per_user` accepts.
    """

    kind: str = "per_user"
    threshold: float = 0.5
    positives_per_user: Budget = _FIVE

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UserError(f"judge_decision: found {self.kind!r}; expected one of {', '.join(KINDS)}.")
        if not 0 <= self.threshold <= 1:
            raise UserError(f"The threshold of judge_decision is {self.threshold}; expected a number from 0 to 1.")


@dataclass(frozen=True)
class Decision:
    """What was decided about each pair.

    Attributes:
        probability: raw clipped to 0 .. 1, float64 [n]; NaN where the pair has no verdict.
        accepted: bool [n]; False without a verdict.
    """

    probability: np.ndarray
    accepted: np.ndarray


def decide(
    users: np.ndarray,
    ranks: np.ndarray,
    raw: np.ndarray,
    tokens_order: np.ndarray,
    settings: DecisionSettings,
    history: np.ndarray,
) -> Decision:
    """Decide about pairs; ties among a user's best go to the better candidate rank, then to the earlier item token.

    Args:
        users: int64 [n], in any order.
        ranks: candidate ranks, int64 [n], 0 = best.
        raw: float64 [n], NaN = no verdict, never accepted.
        tokens_order: place of the item's token among all, int64 [n]; in a TrainView that is the item's number.
        settings: how to decide.
        history: training items of each user, int64 [U + 1]; index 0 is padding.

    Returns:
        The decision for each pair, in the order given. O(n log n).
    """
    probability = np.clip(np.asarray(raw, dtype=np.float64), 0.0, 1.0)
    accepted = probability >= settings.threshold
    if settings.kind == "per_user":
        open_pairs = np.flatnonzero(accepted)
        order = np.lexsort((tokens_order[open_pairs], ranks[open_pairs], -raw[open_pairs], users[open_pairs]))
        ordered = open_pairs[order]
        limit = settings.positives_per_user.of(history)[users[ordered]]
        accepted[ordered[position_in_run(users[ordered]) >= limit]] = False
    return Decision(probability, accepted)
