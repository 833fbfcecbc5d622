"""What a run would do, step by step in its order, and what that would cost."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from recbole_dtlns.config.budget import Budget

Steps = list[tuple[str, str]]


def run_steps(config: Any, rows: int | None) -> Steps:
    """(name, what it does and costs) of each step, in the order in which a run takes them.

    Args:
        config: of the run.
        rows: interactions in the files, or in train where it is a file of its own; None where they are not here yet.
    """
    steps = [*_data_step(config), *_offline_steps(config), _training_step(config, rows)]
    reads_test = config.settings.evaluate_test
    steps.append(("test", "read once, at the end" if reads_test else "not read (evaluate_test=false)"))
    return [(f"{number}. {name}", about) for number, (name, about) in enumerate(steps, start=1)]


def _data_step(config: Any) -> Steps:
    kind, folder = config.location.kind, config.location.folder
    origins = {"download": f"downloaded to {folder}", "bundled": f"bundled with RecBole, {folder}"}
    return [("data", origins.get(kind, f"{kind} files in {folder}"))]


def _offline_steps(config: Any) -> Iterator[tuple[str, str]]:
    settings, method = config.settings, config.method
    judge = method.declared
    judged = judge.way not in {"none", "read"}
    if judged:
        wanted = _of_each_user(settings.candidates_of(judge))
        limit = f", up to {settings['candidate_memory_gb']:g} GiB" if "EASE" in settings.candidate_source else ""
        yield "candidates", f"{wanted} by {settings.candidate_source}{limit}"
    if method.needs_trees:
        ready = [key for key in ("codes_co", "codes_se") if getattr(settings, key) is not None]
        yield "trees", f"read from {' and '.join(ready)}" if len(ready) == 2 else "structural and semantic, from train"
    if judged:
        yield "judge", f"{method.judge} {judge.about}"
    elif judge.way == "read":
        yield "judge", f"verdicts of {settings['judge_file']}"


def _training_step(config: Any, rows: int | None) -> tuple[str, str]:
    """The most that training can take; a run that stops early takes less."""
    method = config.method
    view = " under the tree view" if method.tree_view else ""
    negatives = f"negatives by {method.effective}" if method.effective else "no negatives"
    base = f" ({method.base}{view})" if method.base not in {None, method.effective} else ""
    positives = f", inferred positives as {method.positives_loss}" if method.positives_loss else ""
    batches = ""
    if rows is not None:
        count = math.ceil(rows / int(config["train_batch_size"]))
        batches = f" of at most {count:,} batch{'es' * (count != 1)}"
    stop = (
        f"stops after {config['stopping_step']} without gain on valid" if config["eval_step"] > 0 else "valid not read"
    )
    budget = f"at most {config['epochs']} epochs{batches}, {stop}"
    return "training", f"{config['model']} on {config['device']}, {negatives}{base}{positives}; {budget}"


def _of_each_user(budget: Budget) -> str:
    return f"{budget} of each user"
