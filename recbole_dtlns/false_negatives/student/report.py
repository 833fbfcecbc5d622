"""How well a student imitates its teacher, on users that it was not fitted on."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score


@dataclass(frozen=True)
class StudentReport:
    """Numbers on held-out labels; None where they mean nothing (no held-out pairs, or only one kind of label).

    A student that calls everything positive has an agreement of `positive_share`, a balanced accuracy of 0.5 and a
    negative recall of 0: read those, not the agreement.

    Attributes:
        labelled_users: users with an answer of the teacher that the student could learn from.
        labelled_pairs: their answered pairs.
        held_out_pairs: how many of those the numbers are measured on; the student in use has learned from them too.
        cut: margin from which a pair is positive; it may be infinite, for a threshold of 0 or 1.
        positive_share: held-out pairs that the teacher calls positive.
        agreement: held-out pairs that the student calls as the teacher does.
        balanced_accuracy: mean of the shares of positives and of negatives that the student finds.
        negative_recall: share of the teacher's negatives that the student finds.
        auc: chance that the student puts a positive above a negative.
        cascade_agreement: agreement after the least certain share is answered by the teacher.
        cascade_negative_recall: negative recall after that.
        notes: what a reader must know about these numbers.
    """

    labelled_users: int
    labelled_pairs: int
    held_out_pairs: int
    cut: float
    positive_share: float | None = None
    agreement: float | None = None
    balanced_accuracy: float | None = None
    negative_recall: float | None = None
    auc: float | None = None
    cascade_agreement: float | None = None
    cascade_negative_recall: float | None = None
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The attributes as JSON values; an infinite cut is None, as JSON has no infinity."""
        return asdict(self) | {"cut": self.cut if math.isfinite(self.cut) else None}


def least_certain(predicted: np.ndarray, cut: float, count: int) -> np.ndarray:
    """Positions of the predictions nearest to the cut, rising, int64 [count]; ties: the earlier one. O(n log n)."""
    return np.sort(np.argsort(np.abs(predicted - cut), kind="stable")[:count])


def imitation(margins: np.ndarray, predicted: np.ndarray, cut: float, share: float) -> dict[str, float | None]:
    """Compare a student with its teacher.

    Args:
        margins: the teacher's, float64 [n], no NaN.
        predicted: the student's for the same pairs, float64 [n].
        cut: margin from which a pair is positive.
        share: of these pairs, the least certain, that the teacher answers in the cascade.

    Returns:
        The numbers from `positive_share` on of a `StudentReport`, by name.
    """
    label, answer = margins >= cut, predicted >= cut
    cascade = answer.copy()
    sent = least_certain(predicted, cut, round(share * len(predicted)))
    cascade[sent] = label[sent]
    both = bool(label.any() and not label.all())
    return {
        "positive_share": _share(label),
        "agreement": _share(answer == label),
        "balanced_accuracy": float((answer[label].mean() + (~answer[~label]).mean()) / 2) if both else None,
        "negative_recall": _share(~answer[~label]),
        "auc": float(roc_auc_score(label, predicted)) if both else None,
        "cascade_agreement": _share(cascade == label),
        "cascade_negative_recall": _share(~cascade[~label]),
    }


def _share(flags: np.ndarray) -> float | None:
    return float(flags.mean()) if len(flags) else None
