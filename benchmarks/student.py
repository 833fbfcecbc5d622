"""How well a student imitates the published answers of Llama-3.1-8B, by how many users it has labels of.

    python benchmarks/student.py --data_path=DATA [--dataset=amazon-sports --rounds=3]

DATA/amazon-sports holds the authors' files: train.txt, structural_paths.txt, semantic_paths.txt, candidate_items.txt
and train_enhanced_released.txt, which is train and the candidates that the model accepted. Held-out pairs were removed
from the last one, so the labels of candidates in valid.txt and test.txt are unknown: these two files serve to leave
such candidates out, and for nothing else.

First what these labels are: how often they are positive by prefix overlap with the history, and how well the rule and
the candidate's own path tokens tell them apart. Then the students: means over rounds, each with other labelled users,
measured on users whose labels no student saw. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from recbole_dtlns.data.plain_text import read_pairs
from recbole_dtlns.data.tokens import positions
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.false_negatives.candidates.candidate_file import read_candidates
from recbole_dtlns.false_negatives.candidates.ranking import Candidates
from recbole_dtlns.false_negatives.judges import JudgeContext
from recbole_dtlns.false_negatives.student.features import feature_names, pair_features
from recbole_dtlns.false_negatives.student.model import SURE, Student, student_scores
from recbole_dtlns.false_negatives.student.report import imitation
from recbole_dtlns.trees.codes import read_codes

USERS, SHARES, TEST_USERS = (15, 50, 150, 500), (0.1, 0.2, 0.3, 0.5), 2500
FIGURES = ("auc", "balanced_accuracy", "negative_recall", "agreement")


def labelled(folder: Path) -> tuple[JudgeContext, Candidates, np.ndarray]:
    """Histories and codes, the candidates whose label is known, and their labels, bool [n]."""
    view = TrainSplit.from_pairs(*_tokens(folder / "train.txt"))
    co, se = (
        read_codes(folder / f"{tree}_paths.txt", view.items, True).table.codes for tree in ("structural", "semantic")
    )
    candidates = read_candidates(folder / "candidate_items.txt", view, allow_foreign=True).candidates

    def among(*names: str) -> np.ndarray:
        """Which candidates stand in one of the files, bool [n]."""
        files = [_tokens(folder / name) for name in names]
        keys = [_keys(view, positions(view.users, users), positions(view.items, items)) for users, items in files]
        return np.isin(_keys(view, candidates.users, candidates.items), np.concatenate(keys))

    has_label = ~among("valid.txt", "test.txt")
    labels = among("train_enhanced_released.txt")
    return JudgeContext(view.matrix, co, se), candidates.take(has_label), labels[has_label]


def _tokens(path: Path) -> tuple[np.ndarray, np.ndarray]:
    users, items = read_pairs(path, "pairs")
    return users.astype(str), items.astype(str)


def _keys(view: TrainSplit, users: np.ndarray, items: np.ndarray) -> np.ndarray:
    return users * (view.n_items + 1) + items


def published(
    context: JudgeContext, features: np.ndarray, labels: np.ndarray, users: np.ndarray
) -> dict[str, float | dict[str, float]]:
    """What the labels are: shares positive, and AUC of the rule and of a model that sees the candidate's path alone."""
    names = feature_names(context)
    column = {name: features[:, place] for place, name in enumerate(names)}
    longest = np.maximum(column["co_max"], column["se_max"])
    shares = {f"{int(length)}": round(float(labels[longest == length].mean()), 3) for length in np.unique(longest)}
    rule = np.maximum(column["co_relative_max"], column["se_relative_max"])
    path = features[:, [place for place, name in enumerate(names) if "_digit_" in name]]
    test = np.isin(users, np.random.default_rng(0).permutation(np.unique(users))[-TEST_USERS:])
    margins = np.where(labels, SURE, -SURE)
    tokens = Student.fit(path[~test], margins[~test]).predict(path[test])
    return {
        "positive": round(float(labels.mean()), 4),
        "positive by largest LCP": shares,
        "AUC of the rule": round(float(roc_auc_score(labels, rule)), 3),
        "AUC of the candidate's path tokens alone": round(float(roc_auc_score(labels[test], tokens)), 3),
    }


def one_round(
    features: np.ndarray, labels: np.ndarray, users: np.ndarray, seed: int
) -> tuple[list[dict[str, float]], float]:
    """Figures by labelled users, and seconds of the fit with 150."""
    order = np.random.default_rng(seed).permutation(np.unique(users))
    test = np.isin(users, order[-TEST_USERS:])
    margins = np.where(labels, SURE, -SURE)
    rows, seconds = [], 0.0
    for count in USERS:
        fitted = np.isin(users, order[:count])
        begin = time.perf_counter()
        student = Student.fit(features[fitted], margins[fitted], seed)
        seconds = time.perf_counter() - begin if count == 150 else seconds
        predicted = student.predict(features[test])
        row = {"users": float(count), "pairs": float(fitted.sum())}
        for part, model in zip(("linear", "boosted"), student.models, strict=True):
            row[f"auc, {part} alone"] = float(roc_auc_score(labels[test], model.decision_function(features[test])))
        for share in SHARES:
            numbers = imitation(margins[test], predicted, 0.0, share)
            row |= {name: numbers[name] for name in FIGURES}
            row[f"recall, {share:.0%} sent"] = numbers["cascade_negative_recall"]
            row[f"agreement, {share:.0%} sent"] = numbers["cascade_agreement"]
        rows.append(row)
    return rows, seconds


def speed(context: JudgeContext, candidates: Candidates, student: Student) -> dict[str, float]:
    """Pairs per second of the features alone and of online scores."""
    users, items = candidates.users[:50_000], candidates.items[:50_000]
    begin = time.perf_counter()
    pair_features(context, users, items)
    middle = time.perf_counter()
    student_scores(student, context, users, items)
    end = time.perf_counter()
    return {
        "features_pairs_per_second": round(len(users) / (middle - begin)),
        "student_pairs_per_second": round(len(users) / (end - middle)),
    }


def main() -> None:
    """Print the table, then the JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_path", type=Path, required=True)
    parser.add_argument("--dataset", default="amazon-sports")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    context, candidates, labels = labelled(given.data_path / given.dataset)
    features = pair_features(context, candidates.users, candidates.items)
    described = published(context, features, labels, candidates.users)
    print(described)
    rounds = [one_round(features, labels, candidates.users, seed) for seed in range(given.rounds)]
    rows = [
        {name: float(np.mean([figures[place][name] for figures, _ in rounds])) for name in rounds[0][0][place]}
        for place in range(len(USERS))
    ]
    print(f"{'':22}" + "".join(f"{count:>9}" for count in USERS))
    for name in list(rows[0])[1:]:
        print(f"{name:22}" + "".join(f"{row[name]:>9.0f}" if name == "pairs" else f"{row[name]:>9.3f}" for row in rows))
    few = np.isin(candidates.users, np.unique(candidates.users)[:150])
    student = Student.fit(features[few], np.where(labels[few], SURE, -SURE))
    rates = speed(context, candidates, student)
    about = (
        f"{len(labels)} labelled candidates of {given.dataset}, {labels.mean():.4f} positive (= the agreement "
        f"of calling all positive); {TEST_USERS} test users, mean of {given.rounds} rounds"
    )
    fit_seconds = round(float(np.median([seconds for _, seconds in rounds])), 2)
    figures = [{name: round(value, 4) for name, value in row.items()} for row in rows]
    print(
        json.dumps(
            {
                "published": described,
                "figures": figures,
                **rates,
                "fit_seconds_150_users": fit_seconds,
                "measured": about,
            }
        )
    )


if __name__ == "__main__":
    main()
