"""What a verdict costs: free generation, one prompt a pair, and a user's prefix shared by all candidates.

    python benchmarks/judging.py --llm_model=MODEL [--llm_quantization=nf4] [--candidates=20 --history=10]
    python benchmarks/judging.py --random=8B --llm_quantization=nf4 --device_map=cuda

MODEL is a hub name, a folder or a GGUF file. `--random` makes a Llama of that size with random weights, on the spot and
without a network, which says nothing about quality and everything about speed and memory. All ways are timed in turn in
one run on the same made-up users, whose codes are random paths as trees of 8,000 items have them. The last line is one
JSON object.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import psutil
import torch
from random_llama import SHAPES, random_llama
from scipy import sparse

from recbole_dtlns.false_negatives.judges.base import JudgeContext
from recbole_dtlns.false_negatives.judges.engine import Engine
from recbole_dtlns.llm.loading import LoadedModel, LoadSettings, load_model
from recbole_dtlns.llm.prompts import Prompt

ROUNDS = 3
WAYS = {  # name: (prompt, method, users, candidates asked about, pairs in one call); slow ways are given fewer pairs
    "generate": ("reference", "generate", 1, 2, 1),
    "generate in batches": ("reference", "generate", 1, 4, None),
    "one JSON prompt a pair": ("reference", "single", 1, 4, 1),
    "one compact prompt a pair": ("compact", "single", 1, 10, 1),
    "shared prefix, JSON": ("reference", "shared", 2, None, None),
    "shared prefix": ("compact", "shared", 8, None, None),
    "packed": ("compact", "packed", 8, None, None),
    "packed, a user at a time": ("compact", "packed", 8, None, 0),
}
"""A call of 0 pairs stands for all pairs of one user, None for everything at once."""


def users_and_codes(users: int, history: int, candidates: int) -> tuple[JudgeContext, np.ndarray, np.ndarray]:
    """Users with `history` items each and as many candidate pairs as asked for; codes of 4 to 6 digits from 0 to 3."""
    rng = np.random.default_rng(0)
    items = 8000
    co, se = (np.full((items + 1, 6), -1, dtype=np.int16) for _ in range(2))
    for codes in (co, se):
        lengths = rng.integers(4, 7, items)
        codes[1:] = np.where(np.arange(6) < lengths[:, None], rng.integers(0, 4, (items, 6)), -1)
    drawn = np.array([rng.choice(items, history + candidates, replace=False) + 1 for _ in range(users)])
    rows = np.repeat(np.arange(1, users + 1), history)
    columns = drawn[:, :history].reshape(-1)
    matrix = sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(users + 1, items + 1))
    asked = np.repeat(np.arange(1, users + 1), candidates)
    return JudgeContext(matrix, co, se), asked, drawn[:, history:].reshape(-1)


def synchronise(device: torch.device) -> None:
    """Wait for a GPU, so that a clock read on the CPU is right."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def memory_mb(device: torch.device) -> float:
    """Peak memory of the GPU since the last reset, or the process's resident memory now."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return psutil.Process().memory_info().rss / 2**20


def peak_flops(loaded: LoadedModel) -> float:
    """Floating-point operations a second of one large product in the model's compute type: the compute bound."""
    size = 8192 if loaded.device.type == "cuda" else 1536
    dtype = getattr(torch, loaded.about["compute_dtype"])
    left, right = (torch.randn(size, size, device=loaded.device).to(dtype) for _ in range(2))
    best = np.inf
    for _ in range(5):
        synchronise(loaded.device)
        begin = time.perf_counter()
        left @ right
        synchronise(loaded.device)
        best = min(best, time.perf_counter() - begin)
    return 2 * size**3 / best


def flops_of(loaded: LoadedModel, tokens: int, length: int) -> float:
    """Operations of reading tokens at about this context length: two a weight of the body, and the attention."""
    config = loaded.model.config.get_text_config()
    hidden, layers = config.hidden_size, config.num_hidden_layers
    head = getattr(config, "head_dim", None) or hidden // config.num_attention_heads
    attention = 2 * hidden * head * (config.num_attention_heads + config.num_key_value_heads)
    weights = layers * (attention + 3 * hidden * config.intermediate_size)
    return 2.0 * tokens * weights + 4.0 * tokens * length * layers * head * config.num_attention_heads


def measure(loaded: LoadedModel, history: int, candidates: int, wanted: list[str]) -> dict[str, dict[str, float]]:
    """Pairs a second, tokens a pair and memory of each way; the best of some rounds, in which the ways take turns."""
    fastest: dict[str, dict[str, float]] = {}
    engines = {name: Engine(loaded, Prompt.read(WAYS[name][0]), WAYS[name][1]) for name in wanted}
    for _ in range(ROUNDS):
        for name in wanted:
            _, _, n_users, n_asked, at_once = WAYS[name]
            n_asked = min(n_asked or candidates, candidates)
            context, users, items = users_and_codes(n_users, history, candidates)
            kept = np.tile(np.arange(candidates) < n_asked, n_users)
            users, items = users[kept], items[kept]
            if loaded.device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(loaded.device)
            before = engines[name].usage.prompt_tokens
            synchronise(loaded.device)
            begin = time.perf_counter()
            size = len(users) if at_once is None else at_once or candidates
            for start in range(0, len(users), size):
                engines[name].answer(context, users[start : start + size], items[start : start + size])
            synchronise(loaded.device)
            seconds = time.perf_counter() - begin
            tokens = engines[name].usage.prompt_tokens - before
            row = {"pairs_per_second": len(users) / seconds, "tokens_per_pair": tokens / len(users)}
            row |= {"memory_mb": memory_mb(loaded.device), "tokens_per_second": tokens / seconds}
            if name not in fastest or row["pairs_per_second"] > fastest[name]["pairs_per_second"]:
                fastest[name] = row
    return fastest


def main() -> None:
    """Load the model, print a row for each way, then the JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llm_model")
    parser.add_argument("--random", choices=list(SHAPES))
    parser.add_argument("--tokenizer", help="folder of a tokenizer, for --random; unset: the words of our prompts")
    parser.add_argument("--llm_quantization", choices=["nf4", "int8", "none"])
    parser.add_argument("--device_map")
    parser.add_argument("--cache_dir", type=Path, default=Path("saved/cache/benchmark"))
    parser.add_argument("--history", type=int, default=10)
    parser.add_argument("--candidates", type=int, default=20)
    parser.add_argument("--ways", nargs="*", choices=list(WAYS), default=list(WAYS))
    given = parser.parse_args()
    if (given.random is None) == (given.llm_model is None):
        parser.error("give either --llm_model=MODEL or --random=SIZE")
    if given.random:
        loaded = random_llama(given.random, given.llm_quantization, given.device_map, given.tokenizer)
    else:
        settings = LoadSettings(given.llm_model, quantization=given.llm_quantization, device_map=given.device_map)
        loaded = load_model(settings, given.cache_dir)
    bound = peak_flops(loaded)
    ways = measure(loaded, given.history, given.candidates, given.ways)
    print(f"{'way':<32} {'pairs/s':>9} {'tokens/pair':>12} {'memory MB':>10} {'share of compute bound':>23}")
    for name, row in ways.items():
        length = row["tokens_per_pair"] if "one" in name else 200 + 20 * given.history
        row["share_of_bound"] = flops_of(loaded, 1, int(length)) * row["tokens_per_second"] / bound
        print(
            f"{name:<32} {row['pairs_per_second']:>9.2f} {row['tokens_per_pair']:>12.1f} {row['memory_mb']:>10.0f} "
            f"{row['share_of_bound']:>22.0%}"
        )
    ratios = {
        f"{ours} / {other}": round(ways[ours]["pairs_per_second"] / ways[other]["pairs_per_second"], 2)
        for ours in ("packed", "shared prefix")
        for other in ways
        if ours in ways and other != ours
    }
    measured = {**loaded.about, "shape": given.random, "history": given.history, "candidates": given.candidates}
    measured |= {"weights_mb": round(loaded.memory_mb)}
    measured |= {"device": str(loaded.device), "threads": torch.get_num_threads(), "torch": torch.__version__}
    print(json.dumps({"ratios": ratios, "ways": ways, "bound_tflops": bound / 1e12, "measured": measured}))


if __name__ == "__main__":
    main()
