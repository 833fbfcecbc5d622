"""Where a run saves time: drawing candidates, propagating over the graph, and ranking all items in an evaluation.

    python benchmarks/speed.py [--users=15000 --items=8400 --pairs=170000]

Each part is timed against RecBole's own way and, but for ranking, the plain way, in turn and in this one process, on
random data of the given size with Zipf-like popularity. The last line is one JSON object of ratios (below 1: ours is
faster). "rates" says what bounds the propagation: bytes a second that it moves, as a share of what the machine copies,
between tables of the model's size, which may lie in a cache, and between arrays of half a gigabyte, which do not.
"""

from __future__ import annotations

import argparse
import functools
import json
import time
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import torch
from recbole.evaluator.collector import Collector
from recbole.sampler import Sampler
from scipy import sparse

import recbole_dtlns  # noqa: F401  puts the fixes to RecBole in force
from recbole_dtlns.samplers.parts.proposal import FreeItems
from recbole_dtlns.training.collecting import collect_from_the_best
from recbole_dtlns.training.propagation import SymmetricPropagation

BATCH, CANDIDATES, WIDTH, ROUNDS = 2048, 10, 64, 7
EVALUATED = 1000  # users of one batch of an evaluation


def median_times(ways: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median seconds of each way; the ways take turns so that a slow moment hits all."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(ROUNDS + 1):
        for name, way in ways.items():
            begin = time.perf_counter()
            way()
            if number:  # the first round warms up
                taken[name].append(time.perf_counter() - begin)
    return {name: float(np.median(values)) for name, values in taken.items()}


def interactions(n_users: int, n_items: int, n_pairs: int) -> sparse.csr_matrix:
    """Random pairs, popularity falling as 1 / rank^0.8; row and column 0 are padding."""
    rng = np.random.default_rng(0)
    share = 1 / np.arange(1, n_items) ** 0.8
    rows = rng.integers(1, n_users, n_pairs)
    columns = rng.choice(np.arange(1, n_items), n_pairs, p=share / share.sum())
    matrix = sparse.csr_matrix((np.ones(n_pairs, dtype=np.float32), (rows, columns)), shape=(n_users, n_items))
    matrix.data[:] = 1
    return matrix


def recboles_sampler(matrix: sparse.csr_matrix) -> Sampler:
    """RecBole's own training sampler over the pairs."""
    rows, columns = matrix.nonzero()
    feat = {"u": torch.as_tensor(rows), "i": torch.as_tensor(columns)}
    data = SimpleNamespace(
        uid_field="u", iid_field="i", user_num=matrix.shape[0], item_num=matrix.shape[1], inter_feat=feat
    )
    return Sampler(["train"], [data]).set_phase("train")


def rejection(matrix: sparse.csr_matrix, users: torch.Tensor) -> Callable[[], torch.Tensor]:
    """The plain way: draw, look each pair up in a Python set, draw again."""
    seen = [set(matrix.indices[a:b].tolist()) for a, b in zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True)]

    def draw() -> torch.Tensor:
        drawn = np.random.randint(1, matrix.shape[1], (len(users), CANDIDATES))
        for row, user in enumerate(users.tolist()):
            for place in range(CANDIDATES):
                while drawn[row, place] in seen[user]:
                    drawn[row, place] = np.random.randint(1, matrix.shape[1])
        return torch.as_tensor(drawn)

    return draw


def drawing(matrix: sparse.csr_matrix) -> dict[str, float]:
    """Seconds for CANDIDATES candidates of a batch of users."""
    users = torch.as_tensor(np.random.default_rng(1).integers(1, matrix.shape[0], BATCH))
    free, stock, generator = FreeItems(matrix), recboles_sampler(matrix), torch.Generator()
    array = users.numpy()
    return median_times(
        {
            "ours": lambda: free.draw(users, CANDIDATES, generator),
            "recbole": lambda: stock.sample_by_user_ids(array, array, CANDIDATES),
            "plain": rejection(matrix, users),
        }
    )


def propagating(matrix: sparse.csr_matrix) -> dict[str, float]:
    """Seconds for one product with the adjacency and its backward pass."""
    both = sparse.bmat([[None, matrix], [matrix.T, None]]).tocoo()
    places = torch.as_tensor(np.array([both.row, both.col]))
    adjacency = torch.sparse_coo_tensor(places, torch.as_tensor(both.data), both.shape).coalesce()
    compressed = adjacency.to_sparse_csr()
    ours = SymmetricPropagation(adjacency)
    table = torch.randn(both.shape[0], WIDTH, requires_grad=True)

    def step(product: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[], None]:
        return lambda: product(table).sum().backward()

    return median_times(
        {
            "ours": lambda: [ours.product(table.detach()) for _ in range(2)],  # the gradient is one more product
            "recbole": step(lambda dense: torch.sparse.mm(adjacency, dense)),
            "plain": step(lambda dense: compressed @ dense),
        }
    )


def moving(matrix: sparse.csr_matrix, seconds: float) -> dict[str, float]:
    """Billions of bytes a second of a product with the adjacency that takes so long, and of a copy.

    For each of 2 E entries a product reads a row of the table, a column and a value; it writes a table.
    """
    table = sum(matrix.shape) * WIDTH * 4
    moved = 2 * matrix.nnz * (WIDTH * 4 + 8) + table
    rates = {"propagating": moved / seconds}
    for name, size in (("copying a table", table), ("copying memory", 1 << 29)):
        source, target = torch.ones(size // 4), torch.empty(size // 4)
        copying = functools.partial(target.copy_, source)
        rates[name] = 2 * size / median_times({name: copying})[name]  # read and written
    return {name: rate / 1e9 for name, rate in rates.items()}


def ranking(matrix: sparse.csr_matrix) -> dict[str, float]:
    """Seconds to score all items for a batch of an evaluation and to collect what Recall and NDCG read."""
    users, items = torch.randn(EVALUATED, WIDTH), torch.randn(matrix.shape[1], WIDTH)
    rows, columns = (torch.as_tensor(ids.astype(np.int64)) for ids in matrix[:EVALUATED].nonzero())

    def collecting(change: Callable[[Collector], None]) -> Callable[[], object]:
        keys = {"metrics": ["Recall", "NDCG"], "topk": [20], "device": "cpu", "eval_args": {"mode": "full"}}
        collector = Collector(keys)
        change(collector)

        def batch() -> object:
            collector.eval_batch_collect(users @ items.T, None, rows, columns)
            return collector.get_data_struct()

        return batch

    return median_times({"ours": collecting(collect_from_the_best), "recbole": collecting(lambda _: None)})


def main() -> None:
    """Print the seconds of each part, then the JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("users", 15_000), ("items", 8_400), ("pairs", 170_000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    size = parser.parse_args()
    matrix = interactions(size.users, size.items, size.pairs)
    ratios = {}
    for name, part in (("drawing", drawing), ("propagating", propagating), ("ranking", ranking)):
        seconds = part(matrix)
        print(name, {way: f"{1000 * value:.2f} ms" for way, value in seconds.items()})
        ratios[name] = {f"ours/{way}": round(seconds["ours"] / seconds[way], 3) for way in seconds if way != "ours"}
        if name == "propagating":
            rates = moving(matrix, seconds["ours"] / 2)
    about = f"{matrix.nnz} pairs of {size.users} x {size.items}, batch {BATCH}, {CANDIDATES} candidates, width {WIDTH}"
    print("rates", {name: f"{rate:.1f} GB/s" for name, rate in rates.items()})
    shares = {name: round(rates["propagating"] / rate, 2) for name, rate in rates.items() if name != "propagating"}
    print(
        json.dumps(
            {"ratios": ratios, "propagating, share of": shares, "measured": about, "threads": torch.get_num_threads()}
        )
    )


if __name__ == "__main__":
    main()
