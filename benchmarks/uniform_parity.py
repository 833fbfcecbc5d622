"""Does `neg_sampler=uniform` train as well as RecBole's own uniform sampler? Both draw from the same distribution.

    python benchmarks/uniform_parity.py --seeds=5 --epochs=40

Trains BPR on ml-100k with both over the same seeds and compares the means of valid NDCG@10 at the best epoch. Test is
never read. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import tempfile

import numpy as np

from recbole_dtlns.quick_start import Inputs, run

SAMPLERS = ("recbole:uniform", "uniform")


def valid_ndcg(sampler: str, seed: int, epochs: int) -> float:
    """Best valid NDCG@10 of one run."""
    keys = {"neg_sampler": sampler, "seed": seed, "split_seed": 2020, "epochs": epochs, "valid_metric": "NDCG@10"}
    result = run(Inputs("BPR", "ml-100k", config_dict={**keys, "state": "ERROR"}), test=False)
    return float(result["best_valid_result"]["ndcg@10"])


def main() -> None:
    """Print a line a seed, then the JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=40)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    scores: dict[str, list[float]] = {sampler: [] for sampler in SAMPLERS}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for seed in range(2020, 2020 + options.seeds):
            for sampler in SAMPLERS:
                scores[sampler].append(valid_ndcg(sampler, seed, options.epochs))
            print(seed, {sampler: values[-1] for sampler, values in scores.items()}, flush=True)
    stock, ours = (np.array(scores[sampler]) for sampler in SAMPLERS)
    error = float(np.sqrt(stock.var(ddof=1) / len(stock) + ours.var(ddof=1) / len(ours)))
    print(
        json.dumps(
            {
                "measured": f"BPR on ml-100k, valid NDCG@10, {options.seeds} seeds, {options.epochs} epochs",
                "stock_mean": round(float(stock.mean()), 5),
                "ours_mean": round(float(ours.mean()), 5),
                "ratio": round(float(ours.mean() / stock.mean()), 4),
                "difference_in_standard_errors": round(float((ours.mean() - stock.mean()) / error), 2),
                "threads": os.environ.get("OMP_NUM_THREADS"),
            }
        )
    )


if __name__ == "__main__":
    main()
