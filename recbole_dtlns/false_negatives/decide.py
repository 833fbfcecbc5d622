"""From raw scores to probabilities and accepted pairs; another decision costs no new judging."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from recbole_dtlns.config.budget import Budget
from recbole_dtlns.config.choices import DECISIONS
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.candidates.topk import position_in_run

_FIVE = Budget(5)


@dataclass(frozen=True)
class Calibration:
    """Probability of "positive" from a raw score: 1 / (1 + exp(-(slope raw + intercept))), Platt's scaling.

    Slope 1 and intercept 0 turn log-odds into the probability that the judge itself states.
    """

    slope: float = 1.0
    intercept: float = 0.0

    def probability(self, raw: np.ndarray) -> np.ndarray:
        """float64 [n] -> float64 [n] from 0 to 1; NaN stays NaN."""
        return np.asarray(special.expit(self.slope * np.asarray(raw, dtype=np.float64) + self.intercept))


@dataclass(frozen=True)
class DecisionSettings:
    """How verdicts become inferred positives.

    Attributes:
        kind: `threshold` accepts every pair from the threshold on, `per_user` the best of them for each user,
            `calibrated` the same with probabilities fitted on held-in pairs, `rate` the best share of all judged pairs.
        threshold: least probability, 0 to 1; `rate` does not look at it.
        positives_per_user: how many `per_user` and `calibrated` accept.
        rate: share that `rate` accepts, 0 to 1.
    """

    kind: str = "per_user"
    threshold: float = 0.5
    positives_per_user: Budget = _FIVE
    rate: float = 0.2

    def __post_init__(self) -> None:
        if self.kind not in DECISIONS:
            raise UserError(f"judge_decision: found {self.kind!r}; expected one of {', '.join(DECISIONS)}.")
        for name, value in (("threshold", self.threshold), ("rate", self.rate)):
            if not 0 <= value <= 1:
                raise UserError(f"The {name} of judge_decision is {value}; expected a number from 0 to 1.")


@dataclass(frozen=True)
class Decision:
    """What was decided about each pair.

    Attributes:
        probability: float64 [n] from 0 to 1; NaN where the pair has no verdict.
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
    probability: np.ndarray | None = None,
) -> Decision:
    """Decide about pairs; the order is by probability, then raw score, candidate rank and item token (`rate`: user).

    Args:
        users: int64 [n], in any order.
        ranks: candidate ranks, int64 [n], 0 = best.
        raw: float64 [n], NaN = no verdict, never accepted.
        tokens_order: place of the item's token among all, int64 [n]; in a TrainSplit that is the item's number.
        settings: how to decide.
        history: training items of each user, int64 [U + 1]; index 0 is padding.
        probability: of "positive", float64 [n], NaN where raw is; None: `probability_of(raw, None)`.

    Returns:
        The decision for each pair, in the order given. O(n log n).
    """
    raw = np.asarray(raw, dtype=np.float64)
    probability = probability_of(raw, None) if probability is None else probability
    if settings.kind == "rate":
        order = np.lexsort((users, tokens_order, ranks, -raw, -probability))  # NaN sorts last
        judged = len(raw) - int(np.isnan(raw).sum())
        accepted = np.zeros(len(raw), dtype=bool)
        accepted[order[: round(settings.rate * judged)]] = True
        return Decision(probability, accepted)
    accepted = probability >= settings.threshold
    if settings.kind in {"per_user", "calibrated"}:
        chosen = np.flatnonzero(accepted)
        keys = (tokens_order, ranks, -raw, -probability, users)
        ordered = chosen[np.lexsort(tuple(key[chosen] for key in keys))]
        limit = settings.positives_per_user.of(history)[users[ordered]]
        accepted[ordered[position_in_run(users[ordered]) >= limit]] = False
    return Decision(probability, accepted)


def probability_of(raw: np.ndarray, calibration: Calibration | None) -> np.ndarray:
    """Probability of "positive", float64 [n]; without a calibration raw scores are taken for it, clipped to 0 .. 1."""
    return np.clip(raw, 0.0, 1.0) if calibration is None else calibration.probability(raw)
