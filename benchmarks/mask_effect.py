"""How much of a published gain is the evaluation mask, beside the prototype's figures.

    python run_recbole_dtlns.py compare --plan=benchmarks/plans/mask_effect.yaml --data_path=DATA \
        --judge_file=DATA/amazon-sports/train_enhanced_released.txt --run_dir=RUN_DIR
    python benchmarks/mask_effect.py RUN_DIR

Reads what `compare` left. The last line is one JSON object: each cell (mean over seeds of test Recall@20, NDCG@20) as a
ratio to the prototype's, and the gap between the masks in standard errors over seeds. Exit status 1 if a cell is more
than 10 % off, or the gap is not above three standard errors.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from pathlib import Path

from recbole_dtlns.comparison.run.records import Comparison, read_comparison

DATASET, MODEL = "amazon-sports", "LightGCN"
METRICS = ("recall@20", "ndcg@20")
HONEST, REFERENCE = "dtl_ns@file", "dtl_ns+reference@file"
# One seed of a prototype: MF of width 64, Adam 1e-3, batches of 2048, L2 1e-4, ten candidates, eval_mask=train.
PROTOTYPE = {
    "uniform": (0.1062, 0.0606),
    "dns": (0.1272, 0.0754),
    "mixgcf": (0.1260, 0.0766),
    HONEST: (0.1137, 0.0565),
    REFERENCE: (0.1551, 0.0970),
}


def values(comparison: Comparison, label: str, metric: str) -> list[float]:
    """Test values of a row, a seed each."""
    return [run.result["test_result"][metric] for run in comparison.seeds_of(DATASET, MODEL, label)]


def main() -> None:
    """Print the cells, then the JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run_dir", type=Path)
    comparison = read_comparison(parser.parse_args().run_dir)
    missing = [label for label in PROTOTYPE if len(values(comparison, label, METRICS[0])) < 2]
    if missing:
        sys.exit(f"Fewer than two finished seeds of {', '.join(missing)}: let compare finish first.")
    ratios, gaps = {}, {}
    for label, expected in PROTOTYPE.items():
        means = [statistics.mean(values(comparison, label, metric)) for metric in METRICS]
        ratios[label] = [round(mean / prototype, 3) for mean, prototype in zip(means, expected, strict=True)]
        print(f"{label}: {means[0]:.4f} / {means[1]:.4f}, prototype {expected[0]:.4f} / {expected[1]:.4f}")
    for metric in METRICS:
        pairs = zip(values(comparison, REFERENCE, metric), values(comparison, HONEST, metric), strict=True)
        differences = [reference - honest for reference, honest in pairs]
        error = statistics.stdev(differences) / math.sqrt(len(differences))
        gaps[metric] = {
            "gap": round(statistics.mean(differences), 4),
            "in_standard_errors": round(gap_in(differences, error), 1),
        }
    seeds = len(values(comparison, HONEST, METRICS[0]))
    about = f"MF on {DATASET}, {seeds} seeds, eval_mask=train, test Recall@20 and NDCG@20"
    print(json.dumps({"measured": about, "ratios_to_prototype": ratios, "reference_minus_honest": gaps}))
    near = all(0.9 <= ratio <= 1.1 for pair in ratios.values() for ratio in pair)
    sys.exit(0 if near and all(gap["in_standard_errors"] > 3 for gap in gaps.values()) else 1)


def gap_in(gaps: list[float], error: float) -> float:
    """Mean gap in standard errors; endless where all seeds agree to the digit."""
    return statistics.mean(gaps) / error if error else math.inf


if __name__ == "__main__":
    main()
