"""How the offline stage grows with the catalogue: seconds, peak memory and growth exponent of each part.

    OMP_NUM_THREADS=1 python benchmarks/scale.py --items=10000,100000
    OMP_NUM_THREADS=1 python benchmarks/scale.py --items=10000,100000 --learned

For each size a set with a heavy tail is generated: I items, 2 I users, 25 I draws of pairs (`--draws`). Item i has
popularity 1 / rank^0.8 and a place in a tree of 4 branches a level; a user has a home in that tree and takes items
from the subtrees around it, more often from small ones; history lengths follow Pareto's law with exponent 1.8. Each
size runs in a process of its own, one part after another, on the package's own functions. `seconds` is wall-clock,
`cpu` what this process computed, `peak_gb` the most memory that it held during the part, what it held before
included. The exponent of a part is the slope of log cpu seconds over log items between two sizes that follow each
other. The last line is one JSON object.

`--write=DATA` writes the set of the first size for the program itself: `--dataset=generated --data_path=DATA`.
`--learned` adds the learned judge: `held_in` makes trees, candidates and features of splits from which pairs were held
in, `features` those of all candidates, `fit` the boosted models, `probabilities` is what they say of all candidates.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import math
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

from recbole_dtlns.config.budget import Budget, BudgetOfSome
from recbole_dtlns.data.train_split import PAD, TrainSplit
from recbole_dtlns.false_negatives.candidates.item_knn import ItemKNN
from recbole_dtlns.false_negatives.candidates.ranking import Candidates
from recbole_dtlns.false_negatives.identification.held_in_pairs import Evidence
from recbole_dtlns.false_negatives.identification.learning import held_in_splits
from recbole_dtlns.false_negatives.judges.base import JudgeContext
from recbole_dtlns.false_negatives.judges.rule import RuleJudge
from recbole_dtlns.false_negatives.learned.model import fit_folds, folds_of_users
from recbole_dtlns.trees.index_tree import build_codes
from recbole_dtlns.trees.sources import item_graph
from recbole_dtlns.trees.spectral import spectral_embedding
from recbole_dtlns.trees.vectors import svd_vectors

USERS, BRANCHES, LEAF = 2, 4, 30
MEMORY_GB = 4.0  # the start value of candidate_memory_gb
TAIL, POPULARITY, SHORTEST = 1.8, 0.8, 5
VERSIONS = ("numpy", "scipy", "scikit-learn", "torch")


def generated_view(n_items: int, draws: int, seed: int = 0) -> TrainSplit:
    """Random pairs of `USERS` x n_items users, made as the head of this file says; O(pairs x log items).

    Tokens are numbers. Repeated pairs count once, so there are somewhat fewer than draws x n_items.
    """
    rng = np.random.default_rng(seed)
    n_users = USERS * n_items
    lengths = SHORTEST * rng.pareto(TAIL, n_users) + SHORTEST
    lengths = np.minimum(lengths * (draws * n_items / lengths.sum()), n_items / 10).astype(np.int64) + 1
    levels = max(1, round(math.log(n_items / LEAF, BRANCHES)))
    users = np.repeat(np.arange(n_users), lengths)
    level = np.minimum(rng.geometric(0.4, len(users)) - 1, levels)  # steps up from the leaf of the home
    width = LEAF * BRANCHES**level
    start = rng.integers(0, n_items, n_users)[users] // width * width
    mass = np.concatenate([[0], np.cumsum(1 / rng.permutation(np.arange(1, n_items + 1)) ** POPULARITY)])
    low, high = mass[start], mass[np.minimum(start + width, n_items)]
    items = np.searchsorted(mass, low + rng.random(len(users)) * (high - low), side="right") - 1
    matrix = sparse.csr_matrix(
        (np.ones(len(users), dtype=np.float32), (users + 1, np.minimum(items, n_items - 1) + 1)),
        shape=(n_users + 1, n_items + 1),
    )
    matrix.sum_duplicates()
    matrix.data[:] = 1
    numbered = [np.concatenate([[PAD], np.arange(count).astype(str)]) for count in (n_users, n_items)]
    return TrainSplit(*numbered, matrix, f"generated {n_items} {draws} {seed}")


def padded(*codes: np.ndarray) -> list[np.ndarray]:
    """Code tables int16 [I, D] with a row of -1 for padding in front: [I + 1, D] each."""
    return [np.pad(table, ((1, 0), (0, 0)), constant_values=-1) for table in codes]


class Again:
    """Makes trees and candidates of a reduced split as those of the whole one, without a cache; see `Rebuild`."""

    def __init__(self, topk: int) -> None:
        self._topk = topk

    def about(self, view: TrainSplit) -> dict[str, Any]:
        """Settings of the candidate source by name."""
        del view
        return {"source": {"ItemKNN": ItemKNN().settings()}}

    def candidates(self, view: TrainSplit, users: np.ndarray | None) -> Candidates:
        """By ItemKNN, of some users."""
        budget = Budget(self._topk) if users is None else BudgetOfSome(self._topk, chosen=users)
        return ItemKNN().fit(view).top(view, budget)

    def trees(self, view: TrainSplit) -> Any:
        """Both trees."""
        train = view.matrix[1:, 1:]
        vectors = spectral_embedding(item_graph(train)), svd_vectors(train)
        return self.named(*padded(*map(build_codes, vectors)))

    @staticmethod
    def named(co: np.ndarray, se: np.ndarray) -> Any:
        """Codes, int16 [I + 1, D] each, as `Trees` names them."""
        return SimpleNamespace(co=SimpleNamespace(codes=co), se=SimpleNamespace(codes=se))


def parts(view: TrainSplit, topk: int, learned: bool) -> dict[str, Callable[[dict[str, Any]], Any]]:
    """The parts of the offline stage in their order; each reads the results of earlier ones."""
    train = view.matrix[1:, 1:]

    def rule(results: dict[str, Any]) -> np.ndarray:
        candidates = results["candidates"]
        judge = RuleJudge(JudgeContext(view.matrix, *padded(results["codes_co"], results["codes_se"])))
        return judge.score(candidates.users, candidates.items)[0]

    again = Again(topk)

    def held_in(results: dict[str, Any]) -> Any:
        trees = again.named(*padded(results["codes_co"], results["codes_se"]))
        splits = lambda: held_in_splits(view)  # noqa: E731
        results["evidence"] = Evidence(view, again, results["candidates"], trees, splits, MEMORY_GB)
        return results["evidence"].parts

    def fit(results: dict[str, Any]) -> Any:
        split = results.pop("held_in")
        users, positive = (np.concatenate([getattr(part, name) for part in split]) for name in ("users", "positive"))
        values = np.concatenate([part.features.values for part in split])
        return fit_folds(values, positive, folds_of_users(users))[0]

    made = {
        "item_graph": lambda results: item_graph(train),
        "spectral": lambda results: spectral_embedding(results.pop("item_graph")),
        "codes_co": lambda results: build_codes(results.pop("spectral")),
        "svd": lambda results: svd_vectors(train),
        "codes_se": lambda results: build_codes(results.pop("svd")),
        "item_knn": lambda results: ItemKNN().fit(view),
        "candidates": lambda results: results.pop("item_knn").top(view, Budget(topk)),
        "rule": rule,
    }
    if not learned:
        return made
    return {
        **made,
        "held_in": held_in,
        "features": lambda results: results.pop("evidence").features,
        "fit": fit,
        "probabilities": lambda results: results["fit"].probability(results["features"].values),
    }


def measure(n_items: int, draws: int, topk: int, learned: bool, threads: int) -> dict[str, Any]:
    """Run every part on one generated set: size of the set, and seconds, cpu and peak_gb of each part."""
    view = generated_view(n_items, draws)
    history = view.history
    size = {"items": n_items, "users": view.n_users, "pairs": view.matrix.nnz, "longest": int(history.max())}
    measured: dict[str, Any] = {}
    results: dict[str, Any] = {}
    with threadpool_limits(1, "blas"), threadpool_limits(threads, "openmp"):
        for name, part in parts(view, topk, learned).items():
            forget_peak()
            begin, busy = time.perf_counter(), time.process_time()
            results[name] = part(results)
            taken = {"seconds": time.perf_counter() - begin, "cpu": time.process_time() - busy}
            measured[name] = {**{key: round(value, 2) for key, value in taken.items()}, "peak_gb": peak_gb()}
            print(f"{n_items:>9} items  {name:<12} {measured[name]}", flush=True)
    return {**size, "squares": int((history**2).sum()), "parts": measured}


def write_set(n_items: int, draws: int, folder: Path) -> Path:
    """Write the generated set of a size as an atomic file, folder/generated/generated.inter, its lines in any order."""
    pairs = generated_view(n_items, draws).matrix.tocoo()
    order = np.random.default_rng(1).permutation(pairs.nnz)
    path = folder / "generated" / "generated.inter"
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = np.stack([pairs.row, pairs.col], axis=1)[order]
    np.savetxt(path, columns, "u%d\ti%d", header="user_id:token\titem_id:token", comments="")
    return path


def forget_peak() -> None:
    """Let the peak of this process's memory start anew (Linux)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_gb() -> float:
    """The most memory held since then, in GiB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return round(int(status.split("VmHWM:")[1].split()[0]) / 2**20, 2)


def exponents(sizes: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Slope of log cpu seconds over log items of each part, for each two sizes that follow each other."""
    return {
        f"{small['items']} to {large['items']}": {
            name: round(
                math.log(max(large["parts"][name]["cpu"], 0.01) / max(small["parts"][name]["cpu"], 0.01))
                / math.log(large["items"] / small["items"]),
                2,
            )
            for name in small["parts"]
        }
        for small, large in pairwise(sizes)
    }


def main() -> None:
    """Measure each size in a process of its own and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", default="10000,100000", help="sizes of the catalogue, comma-separated")
    parser.add_argument("--draws", type=int, default=25, help="pairs drawn for each item; repeated ones count once")
    parser.add_argument("--threads", type=int, default=1, help="threads of the program, those of BLAS excepted")
    parser.add_argument("--topk", type=int, default=20, help="candidates of a user")
    parser.add_argument("--learned", action="store_true", help="the learned judge too")
    parser.add_argument("--minutes", type=float, default=20, help="a size that takes longer is ended and left out")
    parser.add_argument("--write", type=Path, help="write the set of the first size to this folder, and do no more")
    parser.add_argument("--alone", type=int, help=argparse.SUPPRESS)  # the child process of one size
    options = parser.parse_args()
    if options.alone:
        print(json.dumps(measure(options.alone, options.draws, options.topk, options.learned, options.threads)))
        return
    if options.write:
        print(write_set(int(options.items.split(",")[0]), options.draws, options.write))
        return
    sizes, failed = [], {}
    for n_items in map(int, options.items.split(",")):
        child = [sys.executable, __file__, f"--alone={n_items}", f"--draws={options.draws}", f"--topk={options.topk}"]
        child += [f"--threads={options.threads}", *(["--learned"] if options.learned else [])]
        with subprocess.Popen(child, stdout=subprocess.PIPE, text=True) as process:
            last, end = "", time.monotonic() + 60 * options.minutes
            for line in process.stdout or ():
                last = line
                if not line.startswith("{"):
                    print(line, end="", flush=True)
                if time.monotonic() > end:
                    process.kill()
        if process.returncode == 0:
            sizes.append(json.loads(last))
        else:
            failed[n_items] = f"ended with {process.returncode} after: {last.strip()}"
    print(
        json.dumps(
            {
                "exponents": exponents(sizes),
                "sizes": sizes,
                "failed": failed,
                "date": f"{datetime.now(UTC):%Y-%m-%d}",
                "machine": platform.platform(),
                "versions": {name: importlib.metadata.version(name) for name in VERSIONS},
                "threads": options.threads,
            }
        )
    )


if __name__ == "__main__":
    main()
