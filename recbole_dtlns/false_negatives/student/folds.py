"""What a student says of users that it has not learnt from."""

from __future__ import annotations

import numpy as np

from recbole_dtlns.false_negatives.student.model import SURE, Student


def out_of_fold(features: np.ndarray, margins: np.ndarray, users: np.ndarray, folds: int = 5) -> np.ndarray:
    """Predict each pair by a student of the other users' pairs.

    Args:
        features: float32 [n, F].
        margins: the teacher's raw scores, float64 [n], NaN = no answer. Where all are 0 or 1 (no and yes), they are
            learnt as log-odds of -SURE and SURE, in every fold alike.
        users: int64 [n]; users are spread over the folds in the order of their numbers.
        folds: students that are fitted.

    Returns:
        float64 [n], all on one scale: log-odds for 0 and 1, else the teacher's. NaN where the other users' pairs all
        have one score, so that there is nothing to learn.
    """
    fold = np.unique(users, return_inverse=True)[1] % folds
    labelled = ~np.isnan(margins)
    if np.isin(margins[labelled], [0, 1]).all():
        margins = np.where(labelled, (2 * margins - 1) * SURE, np.nan)
    predicted = np.full(len(margins), np.nan)
    for number in range(folds):
        learnt, asked = labelled & (fold != number), fold == number
        if asked.any() and len(np.unique(margins[learnt])) > 1:
            predicted[asked] = Student.fit(features[learnt], margins[learnt]).predict(features[asked])
    return predicted
