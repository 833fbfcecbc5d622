"""What the learned judge's own settings are worth on valid: its order of the candidates as a recommender.

    OMP_NUM_THREADS=1 python benchmarks/learned_judge.py --dataset=amazon-sports --data_path=DATA

Each variation (--only=NAME,NAME for some) fits the judge again on held-in training pairs and ranks valid by its order
alone (`JudgedOrder`). Test is never read. Beside it stand the processor seconds of the fit and its boosted trees. With
--deals=N users are dealt to the folds in N ways: means over them, and what one deal differs by (`ndcg@20 sd`). The last
line is one JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import logging
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

from recbole_dtlns.false_negatives.identification import learning
from recbole_dtlns.false_negatives.learned import model, scorers
from recbole_dtlns.false_negatives.learned.scorers import SCORERS
from recbole_dtlns.quick_start import Inputs, run

SHOWN = ("recall@20", "ndcg@20", "fit, processor seconds", "boosted trees")
PLAIN = {"max_leaf_nodes": 31, "max_features": 1.0, "max_iter": 300}
VARIATIONS: dict[str, dict[str, Any]] = {
    "today": {},
    "31 leaves at rate 0.1": {"booster": PLAIN, "rate": 0.1},
    "rate 0.05": {"rate": 0.05},
    "rate 0.1": {"rate": 0.1},
    "rate 0.2": {"rate": 0.2},
    "rate 0.3": {"rate": 0.3},
    "all features at each split": {"booster": {"max_features": 1.0}},
    "l2 of 10": {"booster": {"l2_regularization": 10.0}},
    "every pair is read": {"negatives": 10**9},  # rates and models of a fold stay
    "two draws": {"draws": 2},
    "ten draws": {"draws": 10},
    "two draws of a quarter": {"draws": 2, "parts": 4},
    "one of 20 held in": {"parts": 20},
    **{f"without {name}": {"without": name} for name in SCORERS},
    "100 candidates": {"keys": {"candidate_topk": 100}},
    "EASE of 500": {"keys": {"candidate_config": {"l2": 500}}},
    "heads of EASE and LowPass": {
        "keys": {"candidate_source": "EASE,LowPass", "candidate_config": {"LowPass": {"rank": 256}}}
    },
}


def valid_result(
    dataset: str, data_path: str | None, cache: str, variation: dict[str, Any], deal: int
) -> dict[str, float]:
    """Valid metrics of the judge's order under one variation and one deal of users to folds, and what its fit took."""
    keys: dict[str, Any] = {"judge": "learned", "judge_report": False, "cache_dir": cache, "state": "ERROR"}
    if data_path is not None:
        keys["data_path"] = data_path
    booster = {**model.SETTINGS, **variation.get("booster", {})}
    draws, parts = variation.get("draws", learning.DRAWS), variation.get("parts", learning.PARTS)
    negatives = variation.get("negatives", model.NEGATIVES)
    seconds: list[float] = []
    trees: list[int] = []

    def timed(*arguments: Any, **options: Any) -> Any:
        began = time.process_time()
        fitted = model.fit_folds(*arguments, **options)
        seconds.append(time.process_time() - began)
        trees.extend(fitted[0].sizes)
        return fitted

    changes = [
        *((model, "SETTINGS", booster), (model, "NEGATIVES", negatives)),
        *((model, name, variation.get("rate", getattr(model, name))) for name in ("RATE", "RATE_OF_RARE")),
        *((learning, "DRAWS", draws), (learning, "PARTS", parts), (learning, "fit_folds", timed)),
        (scorers, "SCORERS", {name: make for name, make in SCORERS.items() if name != variation.get("without")}),
        (learning, "folds_of_users", functools.partial(model.folds_of_users, seed=deal)),
        (learning, "VERSION", f"{learning.VERSION} {variation} {deal}"),  # so that the cache keeps them apart
    ]
    with contextlib.ExitStack() as patches:
        for where, name, value in changes:
            patches.enter_context(mock.patch.object(where, name, value))
        result = run(Inputs("JudgedOrder", dataset, config_dict={**keys, **variation.get("keys", {})}), test=False)
    metrics = {name: float(value) for name, value in result["best_valid_result"].items()}
    return {**metrics, "fit, processor seconds": sum(seconds), "boosted trees": sum(trees)}


def means(results: list[dict[str, float]]) -> dict[str, float]:
    """Means over deals of what is shown, and the standard deviation of NDCG@20 over them."""
    shown = {name: round(statistics.fmean(result[name] for result in results), 4) for name in SHOWN}
    if len(results) > 1:
        shown["ndcg@20 sd"] = round(statistics.stdev(result["ndcg@20"] for result in results), 4)
    return shown


def main() -> None:
    """Print a line a variation, then the JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="ml-100k")
    parser.add_argument("--data_path")
    parser.add_argument("--only", help="names of variations, with commas between; unset: all")
    parser.add_argument("--deals", type=int, default=1, help="ways in which users are dealt to folds")
    options = parser.parse_args()
    names = list(VARIATIONS) if options.only is None else options.only.split(",")
    unknown = [name for name in names if name not in VARIATIONS]
    if unknown:
        parser.error(f"there is no variation {unknown[0]!r}; give some of {', '.join(VARIATIONS)}")
    data_path = None if options.data_path is None else str(Path(options.data_path).resolve())
    logging.disable(logging.WARNING)
    accuracy: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for name in names:
            of_one = functools.partial(valid_result, options.dataset, data_path, f"{folder}/cache", VARIATIONS[name])
            accuracy[name] = means([of_one(deal) for deal in range(options.deals)])
            print(name, accuracy[name], flush=True)
    measured = f"the learned judge's order on valid of {options.dataset}, {options.deals} deals"
    print(json.dumps({"measured": measured, "results": accuracy}))


if __name__ == "__main__":
    main()
