"""Seconds an epoch and peak memory of every sampler, as ratios to RecBole's own uniform and dynamic sampling.

    python benchmarks/samplers.py [--datasets=ml-100k,amazon-sports --data_path=DATA --models=BPR,LightGCN,NGCF]
                                  [--samplers=dns,dtl_ns --steps=20 --candidates=10]

RecBole's samplers run through RecBole's own loader, loss and propagation; no sampler has inferred positives, so all
train on the same pairs. All of them train a few batches in turn, in one process, so that a slow moment hits all; a
ratio is the median over the turns. The time of a batch holds the loader's work and the optimiser's; what a sampler does
at the end of an epoch is added. Every sampler, RecBole's too, has `train_batch_size` positives and as many negatives in
a batch. Samplers with a memory are timed after an epoch of training, in a later one. Peak memory is that of a process
of its own for each, over as many batches. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import itertools
import json
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recbole_dtlns.config.run_config import Config
from recbole_dtlns.data.build import build_split
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.identification.stage import identify
from recbole_dtlns.files.machine import peak_memory_mb
from recbole_dtlns.samplers import SAMPLERS
from recbole_dtlns.training.assemble import prepare

STOCK = ("recbole:uniform", "recbole:dynamic")
LATER = 50  # epoch in which samplers with a memory are timed: warm-ups are over
TURN = 4  # batches that a sampler trains before the next has its turn


class Training:
    """One model with one sampler, trained batch by batch as RecBole's trainer does.

    Args:
        model, dataset, sampler: names.
        options: of the command line.
        folder: for trees and whatever else a run leaves.
        more: further keys of the configuration.
    """

    def __init__(
        self, model: str, dataset: str, sampler: str, options: argparse.Namespace, folder: Path, **more: Any
    ) -> None:
        keys = {"neg_sampler": sampler, "judge": "none", "neg_candidates": options.candidates, "state": "ERROR", **more}
        if options.data_path and (Path(options.data_path) / dataset).is_dir():
            keys["data_path"] = options.data_path
        config = Config(model, dataset, config_dict={**keys, "checkpoint_dir": str(folder)})
        cache = folder / dataset
        split = build_split(config, cache)
        identified = identify(split.view, config.settings, config.method, cache)
        prepared = prepare(config, split, identified.inferred, identified.trees)
        self.model, self.step, self.loader = prepared.model, prepared.trainer.step, prepared.train_data
        self.optimizer = prepared.trainer.optimizer
        if sampler == "recbole:dynamic":
            self.loader.get_model(self.model)
        self.loss = self.model.calculate_loss
        if self.step is not None:
            self.step.epoch_begin(0)
            self.loss = functools.partial(self.step, self.loss)
        self.n_batches, self._batches = len(self.loader), self._endless()
        self.model.train()
        if self.step is not None and self.step.state_dict()["sampler"]:  # memories and caches of a run under way
            self.train(self.n_batches)
            for epoch in range(2):
                self.step.epoch_end(epoch)
            self.step.epoch_begin(LATER)

    def _endless(self) -> Iterator[Any]:
        while True:
            yield from self.loader

    def train(self, n: int) -> float:
        """Train n batches; seconds that each took."""
        started = time.perf_counter()
        for batch in itertools.islice(self._batches, n):
            self.optimizer.zero_grad()
            losses = self.loss(batch.to(self.model.device))
            loss = sum(losses) if isinstance(losses, tuple) else losses
            loss.item()  # as RecBole's trainer, which adds it up
            loss.backward()
            self.optimizer.step()
        self.wait()
        return (time.perf_counter() - started) / n

    def end(self) -> float:
        """Seconds of what the sampler does at the end of an epoch."""
        started = time.perf_counter()
        if self.step is not None:
            self.step.epoch_end(0)
        self.wait()
        return time.perf_counter() - started

    def wait(self) -> None:
        """Until a GPU has done what it was given, so that a clock read on the CPU is right."""
        if self.model.device.type == "cuda":
            torch.cuda.synchronize(self.model.device)


def trainings(model: str, dataset: str, options: argparse.Namespace, folder: Path) -> dict[str, Training]:
    """RecBole's two samplers and those asked for, as far as they run on the model."""
    made = {}
    for sampler in (*STOCK, *options.samplers):
        try:
            made[sampler] = Training(model, dataset, sampler, options, folder)
        except UserError as error:
            print(f"{model} {dataset} {sampler}: left out. {error}")
    return made


def epoch_seconds(runs: dict[str, Training], steps: int) -> dict[str, np.ndarray]:
    """Seconds an epoch of each sampler, one number for each turn."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(max(1, steps // TURN) + 1):
        for name, run in runs.items():
            seconds = run.train(TURN)
            if number:  # the first turn warms up
                taken[name].append(seconds)
    return {name: np.array(taken[name]) * run.n_batches + run.end() for name, run in runs.items()}


def peak_memory(model: str, dataset: str, sampler: str, options: argparse.Namespace) -> float:
    """MB that a process needs which trains this alone."""
    own = ["--memory_of", model, dataset, sampler, "--steps", str(options.steps), "--candidates"]
    command = [sys.executable, __file__, *own, str(options.candidates), "--data_path", options.data_path]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return float(lines[-1])


def peak_memory_here(options: argparse.Namespace, folder: Path) -> float:
    """Train in this process and return its peak in MB."""
    training = Training(*options.memory_of, options, folder)
    training.train(options.steps)
    training.end()
    return peak_memory_mb()


def compare(model: str, dataset: str, options: argparse.Namespace, folder: Path) -> dict[str, dict[str, float]]:
    """Print a line a sampler; ratios of seconds and memory to those of RecBole's samplers."""
    runs = trainings(model, dataset, options, folder)
    seconds = epoch_seconds(runs, options.steps)
    memory = {name: peak_memory(model, dataset, name, options) for name in runs} if options.memory else {}
    ratios: dict[str, dict[str, float]] = {}
    for name in runs:
        ratios[name] = {}
        for stock in STOCK:
            ratios[name][f"seconds/{stock}"] = round(float(np.median(seconds[name] / seconds[stock])), 3)
            if memory:
                ratios[name][f"memory/{stock}"] = round(memory[name] / memory[stock], 3)
        about = f"{np.median(seconds[name]):7.2f} s an epoch"
        about += f", {memory[name]:6.0f} MB" if memory else ""
        print(f"{model} {dataset} {name}: {about}, {ratios[name]}", flush=True)
    return ratios


def read_options() -> argparse.Namespace:
    """The command line, lists split."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="BPR,LightGCN,NGCF")
    parser.add_argument("--datasets", default="ml-100k,amazon-sports")
    parser.add_argument("--samplers", default=",".join(SAMPLERS))
    parser.add_argument("--data_path", default="", help="folder of the data sets that RecBole does not bring along")
    parser.add_argument("--steps", type=int, default=20, help="batches that each sampler trains")
    parser.add_argument("--candidates", type=int, default=10)
    parser.add_argument("--no_memory", dest="memory", action="store_false", help="measure seconds alone")
    parser.add_argument("--memory_of", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    for name in ("models", "datasets", "samplers"):
        setattr(options, name, getattr(options, name).split(","))
    options.data_path = str(Path(options.data_path).resolve()) if options.data_path else ""
    return options


def main() -> None:
    """Print a line a run, then the JSON object."""
    options = read_options()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        if options.memory_of:
            print(peak_memory_here(options, Path(name)))
            return
        ratios = {
            f"{model} {dataset}": compare(model, dataset, options, Path(name))
            for dataset in options.datasets
            for model in options.models
        }
    about = f"{options.steps} batches a sampler, in turns of {TURN}, {options.candidates} candidates, judge none"
    print(json.dumps({"ratios": ratios, "measured": about, "threads": torch.get_num_threads()}))


if __name__ == "__main__":
    main()
