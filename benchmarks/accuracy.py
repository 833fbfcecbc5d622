"""Accuracy of samplers side by side: trials on valid, then several seeds, test read once a seed.

    python benchmarks/accuracy.py benchmarks/plans/ml-100k-bpr.yaml [--data_path=DATA] [--out=FOLDER] [--jobs=2]

A plan names data sets, models, rows, the number of trials and the seeds. A row is a sampler; `NAME+tree` puts the tree
view on it, `NAME+pos` gives it the inferred positives of the rule judge. The first trial has the start values,
the others are drawn from the `search` ranges of properties/sampler/NAME.yaml, the same number for every row; the best
on valid goes on to all seeds. Trials never read test. The split is the same for all runs. A run that has a result.json
in FOLDER is not repeated. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import ast
import itertools
import json
import random
import statistics
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch
import yaml

from recbole_dtlns.quick_start import Inputs, run
from recbole_dtlns.run_folder import RESULT
from recbole_dtlns.samplers import SAMPLERS
from recbole_dtlns.settings import Settings
from recbole_dtlns.shipped import PROPERTIES

METRICS = ("recall@20", "ndcg@20")
SPLIT_SEED = 2020


def row_keys(row: str) -> dict[str, Any]:
    """Configuration of a row: `mixgcf+tree+pos` -> sampler, view and judge."""
    name, *added = row.split("+")
    keys: dict[str, Any] = {"neg_sampler": name, "judge": "rule" if "pos" in added or name == "dtl_ns" else "none"}
    if "tree" in added:
        keys["tree_view"] = True
    return keys


def trial_keys(row: str, number: int) -> dict[str, Any]:
    """Values of the n-th trial: the start values for 0, then distinct draws from the ranges of the sampler's YAML."""
    if number == 0:
        return {}
    name = row.split("+")[0]
    ranges = yaml.safe_load((PROPERTIES / "sampler" / f"{name}.yaml").read_text())["search"]
    if "+tree" in row:  # the weights of the view, in the order of its own file
        view = yaml.safe_load((PROPERTIES / "sampler" / "dtl_ns.yaml").read_text())["search"]
        ranges = {**{key: text for key, text in view.items() if key in ranges or key.startswith("alpha_")}, **ranges}
    if not ranges:
        return {}
    choices = {key: ast.literal_eval(text.removeprefix("choice ")) for key, text in ranges.items()}
    start = Settings().as_dict()
    draw, seen = random.Random(row), [{key: start[key] for key in choices}]
    while len(seen) <= number:
        found = {key: draw.choice(values) for key, values in choices.items()}
        without_view = found.get("alpha_co") == found.get("alpha_se") == 0
        too_many = found.get("dns_mn_m", 1) > found.get("neg_candidates", start["neg_candidates"])
        if found not in seen and not without_view and not too_many:
            seen.append(found)
    return seen[number]


def one_run(folder: Path, keys: dict[str, Any], test: bool) -> dict[str, Any]:
    """`result.json` of one run, which is made unless it is there."""
    if not (folder / RESULT).is_file():
        torch.set_num_threads(1)
        keys = {**keys, "run_dir": str(folder), "show_progress": False, "state": "WARNING", "split_seed": SPLIT_SEED}
        run(Inputs(config_dict=keys), saved=test, test=test)
    result: dict[str, Any] = json.loads((folder / RESULT).read_text())
    return result


def run_row(dataset: str, model: str, row: str, plan: dict[str, Any], base: dict[str, Any]) -> dict[str, Any]:
    """Trials, then all seeds of one row."""
    out = Path(base["cache_dir"]).parent / dataset / model / row
    base = {**base, **plan.get("fixed", {}), "model": model, "dataset": dataset, **row_keys(row)}
    drawn = [trial_keys(row, number) for number in range(plan["trials"])]
    drawn = [keys for number, keys in enumerate(drawn) if keys not in drawn[:number]]
    scores = [0.0]
    if len(drawn) > 1:
        trials = [
            one_run(out / f"trial-{number}", {**base, **keys, "seed": plan["seeds"][0]}, test=False)
            for number, keys in enumerate(drawn)
        ]
        scores = [trial["best_valid_result"]["ndcg@20"] for trial in trials]
    best = drawn[scores.index(max(scores))]
    seeds = [one_run(out / f"seed-{seed}", {**base, **best, "seed": seed}, test=True) for seed in plan["seeds"]]
    return {
        "dataset": dataset,
        "model": model,
        "row": row,
        "chosen": best,
        "trials": len(drawn),
        "best_epoch": [result["best_epoch"] for result in seeds],
        "valid": {metric: [result["best_valid_result"][metric] for result in seeds] for metric in METRICS},
        "test": {metric: [result["test_result"][metric] for result in seeds] for metric in METRICS},
        "training_seconds": round(sum(result["seconds"]["training"] for result in seeds), 1),
    }


def cell(values: list[float]) -> str:
    """Mean, with the standard deviation over seeds where there are several."""
    spread = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.4f}{spread}".replace("0.", ".")


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown, in the order of the plan."""
    titles = ("data set", "model", "negatives", "chosen on valid", "valid NDCG@20", "test Recall@20", "test NDCG@20")
    lines = [f"| {' | '.join(titles)} |", "| --- " * len(titles) + "|"]
    for found in rows:
        chosen = ", ".join(f"{key} {value}" for key, value in found["chosen"].items()) or "start values"
        cells = [cell(found["valid"]["ndcg@20"]), *(cell(found["test"][metric]) for metric in METRICS)]
        lines.append(f"| {found['dataset']} | {found['model']} | `{found['row']}` | {chosen} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Run the plan, print the table, then the JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plan", type=Path)
    parser.add_argument("--data_path")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--rows", help="only these rows of the plan, separated by commas")
    given = parser.parse_args()
    plan = yaml.safe_load(given.plan.read_text())
    out = (given.out or Path("saved/accuracy") / given.plan.stem).absolute()
    rows = given.rows.split(",") if given.rows else plan["rows"]
    unknown = [row for row in rows if row.split("+")[0] not in SAMPLERS or row not in plan["rows"]]
    if unknown:
        parser.error(f"unknown rows: {', '.join(unknown)}")
    shared = {"cache_dir": str(out / "cache"), **({"data_path": given.data_path} if given.data_path else {})}
    with ProcessPoolExecutor(given.jobs) as pool:
        cells = itertools.product(plan["datasets"], plan["models"], rows)
        waiting = [pool.submit(run_row, *cell, plan, shared) for cell in cells]
        found = [one.result() for one in waiting]
    print(table(found))
    about = (
        f"{plan['models']} on {plan['datasets']}, {plan['trials']} trials, seeds {plan['seeds']}, split {SPLIT_SEED}"
    )
    print(json.dumps({"measured": about, "rows": found}))


if __name__ == "__main__":
    main()
