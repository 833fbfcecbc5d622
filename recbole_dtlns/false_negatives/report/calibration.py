"""From raw scores to probabilities, fitted on held-in pairs."""

from __future__ import annotations

import logging

import numpy as np
from scipy import optimize, special

from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.decide import Calibration

logger = logging.getLogger(__name__)


def fit_calibration(raw: np.ndarray, positive: np.ndarray) -> Calibration:
    """Fit Platt's scaling: the logistic curve of least cross-entropy, with his smoothed targets.

    The targets are (P + 1) / (P + 2) for P positive pairs and 1 / (N + 2) for N negative ones, so that a judge without
    a fault does not get an infinite slope. Platt, Probabilistic Outputs for Support Vector Machines, 1999; Lin, Lin and
    Weng, A Note on Platt's Probabilistic Outputs, 2007, https://doi.org/10.1007/s10994-007-5018-6.

    Half of the pairs of a report are positive, so a probability means: against an unseen item as popular. A negative
    slope is kept, and said aloud.

    Args:
        raw: float [n]; what is not finite is left out.
        positive: bool [n].

    Raises:
        UserError: no positive or no negative pair has a score.
    """
    raw, positive = np.asarray(raw, dtype=np.float64), np.asarray(positive, dtype=bool)
    scored = np.isfinite(raw)
    raw, positive = raw[scored], positive[scored]
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    if n_positive == 0 or n_negative == 0:
        raise UserError(
            f"Calibration needs held-in pairs of both kinds with a score: found {n_positive} positive and {n_negative} "
            "negative ones. Let the judge answer more pairs, or decide without calibration (judge_decision=per_user)."
        )
    target = np.where(positive, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))
    middle, spread = raw.mean(), raw.std()
    if spread <= 1e-12 * max(1.0, abs(middle)):  # one score for all: nothing to learn from it
        return Calibration(0.0, float(special.logit(target.mean())))
    slope, intercept = _least_cross_entropy((raw - middle) / spread, target)
    calibration = Calibration(float(slope / spread), float(intercept - slope * middle / spread))
    if calibration.slope < 0:
        logger.warning(
            "The judge is wrong more often than right on %d held-in pairs: its calibration has the slope %.3g, so a "
            "higher score means a lower probability.",
            len(raw),
            calibration.slope,
        )
    return calibration


def _least_cross_entropy(score: np.ndarray, target: np.ndarray) -> tuple[float, float]:
    """Slope and intercept for scores of mean 0 and spread 1; the loss is convex and has one minimum."""

    def loss(line: np.ndarray) -> tuple[float, np.ndarray]:
        logit = line[0] * score + line[1]
        wrong = special.expit(logit) - target
        return float((np.logaddexp(0, logit) - target * logit).mean()), np.array([(wrong * score).mean(), wrong.mean()])

    minimum = optimize.minimize(loss, np.zeros(2), jac=True, method="BFGS", options={"gtol": 1e-8})
    return float(minimum.x[0]), float(minimum.x[1])
