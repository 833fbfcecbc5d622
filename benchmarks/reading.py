"""Seconds to read and split a data set by RecBole's code alone, and by ours: files checked, `compat/reading.py`.

    python benchmarks/scale.py --items=100000 --write=DATA
    OMP_NUM_THREADS=1 python benchmarks/reading.py --dataset=generated --data_path=DATA

Both are measured in turns (--rounds=N), in processor seconds, and must give the same parts. The last line is one JSON
object with the medians and their ratio.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import logging
import statistics
import time
from pathlib import Path
from unittest import mock

from recbole.data import create_dataset
from recbole.data.dataset import Dataset
from recbole.utils import init_seed

from recbole_dtlns.config.run_config import Config

REPLACED = ("_load_feat", "split_by_ratio", "_filter_by_inter_num")


def read_once(dataset: str, data_path: str | None, fast: bool) -> tuple[float, int, str]:
    """Processor seconds, pairs, and a hash of train, valid and test."""
    keys = {"state": "ERROR"} if data_path is None else {"state": "ERROR", "data_path": data_path}
    config = Config("BPR", dataset, config_dict=keys)
    init_seed(config["seed"], True)  # the split is at random
    with contextlib.ExitStack() as patches:
        if not fast:
            for name in REPLACED:
                patches.enter_context(mock.patch.object(Dataset, name, getattr(Dataset, name).__wrapped__))
        began = time.process_time()
        parts = create_dataset(config).build()
        seconds = time.process_time() - began
    content = hashlib.sha256()
    for part in parts:
        for values in part.inter_feat.interaction.values():
            content.update(values.numpy().tobytes())
    return seconds, sum(map(len, parts)), content.hexdigest()


def main() -> None:
    """Print a line a reading, then the JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="ml-100k")
    parser.add_argument("--data_path")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    data_path = None if options.data_path is None else str(Path(options.data_path).resolve())
    logging.disable(logging.WARNING)
    seconds: dict[str, list[float]] = {"recbole": [], "ours": []}
    contents, pairs = set(), 0
    for _ in range(options.rounds):
        for name, times in seconds.items():
            taken, pairs, content = read_once(options.dataset, data_path, name == "ours")
            times.append(taken)
            contents.add(content)
            print(f"{name}: {taken:.2f} s", flush=True)
    if len(contents) > 1:
        raise SystemExit("The parts differ.")
    medians = {name: round(statistics.median(times), 3) for name, times in seconds.items()}
    measured = f"processor seconds to read and split {pairs} pairs of {options.dataset}, median of {options.rounds}"
    print(json.dumps({"measured": measured, **medians, "ours/recbole": round(medians["ours"] / medians["recbole"], 3)}))


if __name__ == "__main__":
    main()
