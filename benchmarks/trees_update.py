"""How near `trees update` comes to a rebuild: items are held out, the trees are built, and the items placed.

    OMP_NUM_THREADS=1 python benchmarks/trees_update.py --dataset=ml-100k

A tenth of the items of train (--share) is held out with all of their pairs, in each of --draws draws. A line a tree has
means over the draws, and the last line is one JSON object:

- elsewhere: share of items that a rebuild places elsewhere at depth 1, 2, ..., of the placed and of the old ones, and
  between two rebuilds with other seeds of k-means;
- same leaf: of the items that share a leaf with a placed one, those that do so in the rebuild; the same for the rebuild
  with another seed, and by chance;
- nearness: mean similarity (`lcp_similarity`) of the held-out items to their ten strongest old neighbours in the item
  graph, placed and rebuilt; by chance: placed, to random old items.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from recbole_dtlns.data.build import read_training_part
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.files.cache import StageCache
from recbole_dtlns.quick_start import Inputs
from recbole_dtlns.trees.codes import read_codes
from recbole_dtlns.trees.export import CO_FILE, SE_FILE, export_codes
from recbole_dtlns.trees.growth import NEIGHBOURS, read_old_trees
from recbole_dtlns.trees.index_tree import SEED, build_codes
from recbole_dtlns.trees.item_graph import strongest_links
from recbole_dtlns.trees.similarity import lcp_similarity
from recbole_dtlns.trees.sources import graph_vectors, item_vectors
from recbole_dtlns.trees.stage import TreeSettings, build_trees
from recbole_dtlns.trees.update import update_trees

SETTINGS = TreeSettings(item_vectors="svd")


def without(view: TrainSplit, held_out: np.ndarray) -> TrainSplit:
    """The split without the pairs of some items, bool [I + 1]."""
    users, items = view.matrix.nonzero()
    kept = ~held_out[items]
    return TrainSplit.from_pairs(view.users[users[kept]], view.items[items[kept]])


def same_leaf(codes: np.ndarray, rebuilt: np.ndarray, rows: np.ndarray) -> float:
    """Of the pairs of an item of `rows` and another item in one leaf of `codes`, the share in one leaf of `rebuilt`."""
    together = (codes[rows][:, None] == codes).all(axis=2)
    together[np.arange(len(rows)), rows] = False
    still_together = (rebuilt[rows][:, None] == rebuilt).all(axis=2)
    return float(still_together[together].mean())


def measure(view: TrainSplit, share: float, seed: int, folder: Path) -> dict[str, dict[str, Any]]:
    """One draw: what is said above, of each tree."""
    rng = np.random.default_rng(seed)
    held_out = np.zeros(len(view.items), dtype=bool)
    held_out[1 + rng.choice(view.n_items, int(share * view.n_items), replace=False)] = True
    before, cache = without(view, held_out), StageCache(folder / "cache")
    export_codes(str(folder / f"old-{seed}"), build_trees(before, SETTINGS, cache), before.train_hash, {})
    new = folder / f"new-{seed}"
    report = update_trees(read_old_trees(folder / f"old-{seed}"), str(new), view, SETTINGS, cache)
    rebuilt = build_trees(view, SETTINGS, cache)
    sources = graph_vectors(view), item_vectors("svd", view, False, None)
    result = {}
    for name, file, built, source in zip(
        ("structural", "semantic"), (CO_FILE, SE_FILE), (rebuilt.co, rebuilt.se), sources, strict=True
    ):
        grown = read_codes(new / file, view.items).table.codes[1:]
        again, codes = build_codes(source.vectors(), seed=SEED + 1), built.codes[1:]
        placed = np.flatnonzero(held_out[1:] & (grown[:, 0] >= 0))
        old = np.flatnonzero(~held_out[1:])
        links = strongest_links(view.matrix[1:, 1:], placed, old, NEIGHBOURS)
        linked = np.repeat(placed, np.diff(links.indptr)), old[links.indices]
        anybody = rng.choice(old, len(linked[0]))
        result[name] = {
            "elsewhere": {key: report[name][key] for key in ("drift", "drift_of_new", "chance")},
            "left_out": report[name]["left_out"],
            "same_leaf": {
                "placed": same_leaf(grown, codes, placed),
                "another seed": same_leaf(again, codes, placed),
                "chance": float((codes[placed][:, None] == codes).all(axis=2).sum(axis=1).mean() - 1) / len(codes),
            },
            "nearness": {
                "placed": float(lcp_similarity(grown[linked[0]], grown[linked[1]]).mean()),
                "rebuilt": float(lcp_similarity(codes[linked[0]], codes[linked[1]]).mean()),
                "chance": float(lcp_similarity(grown[linked[0]], grown[anybody]).mean()),
            },
        }
    return result


def mean_of(draws: list[Any]) -> Any:
    """The mean over draws of objects of the same keys; of lists the first numbers, as many as all have."""
    if isinstance(draws[0], dict):
        return {key: mean_of([draw[key] for draw in draws]) for key in draws[0]}
    if isinstance(draws[0], list):
        return [round(float(np.mean(values)), 3) for values in zip(*draws, strict=False)]
    return round(float(np.mean(draws)), 3)


def main() -> None:
    """Print a line a tree, then the JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="ml-100k")
    parser.add_argument("--data_path")
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--draws", type=int, default=3)
    options = parser.parse_args()
    keys = {} if options.data_path is None else {"data_path": options.data_path}
    logging.disable(logging.WARNING)
    config = Inputs("BPR", options.dataset, config_dict={**keys, "judge": "rule"}).config()
    with tempfile.TemporaryDirectory() as folder:
        view = read_training_part(config, Path(folder) / "data")
        draws = [measure(view, options.share, seed, Path(folder)) for seed in range(options.draws)]
    means = mean_of(draws)
    for name, values in means.items():
        print(name, values, flush=True)
    description = (
        f"items placed into trees of {options.dataset}, {options.share} of them held out, {options.draws} draws"
    )
    print(json.dumps({"measured": description, "results": means}))


if __name__ == "__main__":
    main()
