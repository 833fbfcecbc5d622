"""The student: a linear and a boosted model of the teacher's margins, averaged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from recbole_dtlns.data.blocks import blocks
from recbole_dtlns.false_negatives.judges.base import JudgeContext
from recbole_dtlns.false_negatives.student.features import pair_features

SURE = 6.0
"""Log-odds of an answer that is only yes or no: a probability of 0.9975."""

_BLOCK = 1 << 15
_CATEGORIES = 32
_TAIL = 0.005
_BOOSTED = {
    "learning_rate": 0.05,
    "max_iter": 200,
    "max_leaf_nodes": 7,
    "l2_regularization": 1.0,
    "max_features": 0.3,
    "early_stopping": False,
}


@dataclass(frozen=True)
class Student:
    """A fitted student; made by `fit`.

    With few labels the linear model is the better one, with many the boosted one; their mean is near the better one
    throughout (`benchmarks/student.py`).

    Attributes:
        models: fitted scikit-learn models whose outputs are averaged; none where all labels were alike.
        method: the name of their method that gives log-odds.
        constant: the one label that there was, used without models.
        limit: predictions stay within -limit .. limit.
        width: features that it was fitted on.
    """

    models: tuple[Any, ...]
    method: str
    constant: float
    limit: float
    width: int

    @property
    def log_odds(self) -> bool:
        """Whether the labels were -SURE and SURE: it was fitted as a classifier and gives the log-odds of SURE."""
        return self.method == "decision_function"

    @classmethod
    def fit(cls, features: np.ndarray, margins: np.ndarray, seed: int = 0) -> Student:
        """Learn margins; where they are exactly -SURE and SURE (yes and no), the log-odds of SURE.

        Any other margins, two different ones too, are regressed: predictions are on the scale of the margins. The
        outermost half per cent on either side is pulled in: a few extreme answers must not bend the fit.

        Args:
            features: float32 [n, F], finite; see `pair_features`.
            margins: the teacher's answers, float64 [n]; NaN = no answer, left out.
            seed: of the boosted model's choice of features.

        Raises:
            ValueError: no margin at all, an infinite one, or another number of margins than of rows.
        """
        margins = np.asarray(margins, dtype=np.float64)
        if len(margins) != len(features):
            raise ValueError(f"Found {len(margins)} margins for {len(features)} rows of features.")
        answered = ~np.isnan(margins)
        features, margins = features[answered], margins[answered]
        if not len(margins) or not np.isfinite(margins).all():
            raise ValueError("A student needs at least one margin, and finite ones.")
        distinct = np.unique(margins)
        width = features.shape[1]
        if len(distinct) == 1:
            return cls((), "", float(distinct[0]), np.inf, width)
        if np.array_equal(distinct, [-SURE, SURE]):
            logistic = _linear(features, LogisticRegression(C=0.1, max_iter=500))
            models = (logistic, HistGradientBoostingClassifier(**_BOOSTED, random_state=seed))
            fitted = tuple(model.fit(features, margins == SURE) for model in models)
            return cls(fitted, "decision_function", 0.0, SURE, width)
        targets = np.clip(margins, *np.quantile(margins, [_TAIL, 1 - _TAIL]))
        models = (_linear(features, Ridge(alpha=10.0)), HistGradientBoostingRegressor(**_BOOSTED, random_state=seed))
        return cls(tuple(model.fit(features, targets) for model in models), "predict", 0.0, np.inf, width)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Margins (log-odds) of pairs: float32 [n, F] -> float64 [n].

        Raises:
            ValueError: another number of features than it was fitted on.
        """
        if features.shape[1] != self.width:
            raise ValueError(f"Found {features.shape[1]} features; the student was fitted on {self.width}.")
        predicted = np.full(len(features), self.constant)
        for start in range(0, len(features) if self.models else 0, _BLOCK):
            block = features[start : start + _BLOCK]
            outputs = [getattr(model, self.method)(block) for model in self.models]
            predicted[start : start + _BLOCK] = np.clip(np.mean(outputs, axis=0), -self.limit, self.limit)
        return predicted


def student_scores(student: Student, context: JudgeContext, users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """The student's margins of any pairs, int64 [n] each -> float64 [n]; in blocks of bounded memory.

    This is the online judge: no teacher is asked. `context` must hold codes of the depths that it was fitted on.
    """
    raw = np.zeros(len(users))
    for start, stop in blocks(np.ones(len(users), dtype=np.int64), _BLOCK):
        raw[start:stop] = student.predict(pair_features(context, users[start:stop], items[start:stop]))
    return raw


def _linear(features: np.ndarray, model: LogisticRegression | Ridge) -> Pipeline:
    """A linear model that reads columns of a few whole numbers (digits, LCPs) as categories, the others as numbers."""
    whole = [number for number, column in enumerate(features.T) if _is_category(column)]
    others = [number for number in range(features.shape[1]) if number not in set(whole)]
    return make_pipeline(
        ColumnTransformer(
            [("whole", OneHotEncoder(handle_unknown="ignore"), whole), ("others", StandardScaler(), others)]
        ),
        model,
    )


def _is_category(column: np.ndarray) -> bool:
    return bool((column == np.round(column)).all()) and len(np.unique(column)) <= _CATEGORIES
