"""The same row in two comparisons, for settings that no row can have: test differences over users, and of each seed.

    python benchmarks/between_comparisons.py FIRST SECOND --row=ml-100k/BPR/dtl_ns@learned

Values of each user are averaged over the seeds that both have. The last line is one JSON object: second minus first,
the mean over users with its 95 % interval, and the mean of each seed.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np


def users_of(run: Path, metric: str) -> np.ndarray:
    """Test values of a run, float64 [U], sorted by the tokens of the users."""
    with np.load(run / "per_user.npz", allow_pickle=False) as columns:
        return np.asarray(columns[metric][np.argsort(columns["users"])], dtype=np.float64)


def difference(first: Path, second: Path, metric: str) -> dict[str, object]:
    """Second minus first for two folders of `seed-N` runs of the same users."""
    seeds = sorted({path.parent.name for path in first.glob("seed-*/per_user.npz")})
    seeds = [seed for seed in seeds if (second / seed / "per_user.npz").is_file()]
    gains = np.stack([users_of(second / seed, metric) - users_of(first / seed, metric) for seed in seeds])
    users = gains.mean(axis=0)
    half = 1.96 * users.std(ddof=1) / np.sqrt(len(users))
    interval = [round(float(users.mean() + sign * half), 4) for sign in (-1, 1)]
    of_seeds = dict(zip(seeds, gains.mean(axis=1).round(4).tolist(), strict=True))
    return {"mean": round(float(users.mean()), 4), "interval": interval, "seeds": of_seeds}


def main() -> None:
    """Print the JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--row", required=True)
    parser.add_argument("--metrics", default="recall@20,ndcg@20")
    options = parser.parse_args()
    folders = options.first / "runs" / options.row, options.second / "runs" / options.row
    if not all(any(folder.glob("seed-*/per_user.npz")) for folder in folders):
        parser.error(f"one of {folders[0]} and {folders[1]} has no finished run")
    results = {metric: difference(*folders, metric) for metric in options.metrics.split(",")}
    print(json.dumps({"measured": f"{options.row}: {options.second} minus {options.first}", "results": results}))


if __name__ == "__main__":
    main()
