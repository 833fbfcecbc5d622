"""`result.json`: what a run was, what it found and what it cost."""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recbole_dtlns.config.run_config import Config
from recbole_dtlns.data.augmented import InferredIds, is_stored, positives_matrix
from recbole_dtlns.data.build import BuiltSplit
from recbole_dtlns.data.noise import HIDDEN
from recbole_dtlns.data.tokens import internal_ids
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.evaluation.held_out_bound import KNOWS_HELD_OUT
from recbole_dtlns.evaluation.per_user import PER_USER
from recbole_dtlns.false_negatives.identification.stage import Identification, JudgedPairs
from recbole_dtlns.false_negatives.inferred import InferredPositives
from recbole_dtlns.false_negatives.learned.measures import reliability as reliability_of
from recbole_dtlns.false_negatives.report.overlap import overlap_with
from recbole_dtlns.files.epoch_log import EPOCHS
from recbole_dtlns.files.machine import machine
from recbole_dtlns.files.origin import sidecar
from recbole_dtlns.files.run_checksums import write_with_checksums
from recbole_dtlns.files.run_folder import EXAMPLES, INFERRED, plain
from recbole_dtlns.files.versions import versions
from recbole_dtlns.training.hardness.log import HARDNESS

AFTERWARDS = ("masks", "overlap", "precision", "reliability", "noise", "hardness", "checks")
"""Fields that only a trained and tested model fills."""


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far, in MB."""
    status = Path("/proc/self/status")
    if status.is_file():  # ru_maxrss of a process begins with what its parent held
        peak = next(line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM"))
        return round(int(peak.split()[1]) / 2**10, 1)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10), 1)


def data_counts(view: TrainSplit, split: BuiltSplit | None, inferred: int | None) -> dict[str, Any]:
    """The `data` field: counts without padding, and the identity of the split."""
    if split is None:
        counts = {
            "users": view.n_users,
            "items": view.n_items,
            "train": int(view.matrix.nnz),
            "valid": None,
            "test": None,
        }
    else:
        seen = split.statistics
        counts = {name: getattr(seen, name) for name in ("users", "items", "train", "valid", "test")}
    return {
        **counts,
        "inferred_positives": inferred,
        "train_hash": view.train_hash,
        "split_hash": None if split is None else split.split_hash,
    }


def overlap(split: BuiltSplit, extra: InferredIds | None) -> dict[str, float] | None:
    """Inferred positives that are held out, beside what chance would give; None without inferred positives."""
    if extra is None:
        return None
    train = split.train
    counts = np.diff(positives_matrix(train).indptr)
    found: dict[str, float] = {}
    for name, part in (("valid", split.valid), ("test", split.test)):
        users, items = part.inter_feat[part.uid_field].numpy(), part.inter_feat[part.iid_field].numpy()
        hits, chance = overlap_with(users, items, extra.users, extra.items, train.item_num - 1, counts)
        found[name], found[f"{name}_chance"] = hits, round(chance, 3)
    return found


def noise(split: BuiltSplit, extra: InferredIds | None) -> dict[str, Any] | None:
    """The noise in train; None without.

    `recovered` is how many inferred positives are hidden pairs, `recovered_chance` what random unseen items would give;
    both are None where nothing is hidden or nothing is inferred.
    """
    if split.noise is None:
        return None
    found: dict[str, Any] = {**split.noise, "recovered": None, "recovered_chance": None}
    if extra is None or split.noise["kind"] != HIDDEN:
        return found
    train = positives_matrix(split.train)
    users, items = (positives_matrix(split.real_train) - train).nonzero()
    counts = np.diff(train.indptr)
    hits, chance = overlap_with(users, items, extra.users, extra.items, train.shape[1] - 1, counts)
    return {**found, "recovered": hits, "recovered_chance": round(chance, 3)}


def precision(split: BuiltSplit, inferred: InferredPositives | None) -> list[dict[str, Any]] | None:
    """How many inferred positives of each tenth of probability are held-out pairs; None without inferred positives.

    A lower bound of their precision: what the held-out parts do not hold may still be right.
    """
    if inferred is None:
        return None
    users = internal_ids(split.dataset, "user", inferred.users)
    items = internal_ids(split.dataset, "item", inferred.items)
    tenth = np.clip((inferred.probability * 10).astype(int), 0, 9)
    counts = {"pairs": np.bincount(tenth, minlength=10)}
    for name, part in (("valid", split.valid), ("test", split.test)):
        held = is_stored(positives_matrix(part), users, items)
        counts[name] = np.bincount(tenth[held], minlength=10)
    return [
        {"low": low / 10, "high": (low + 1) / 10, **{name: int(values[low]) for name, values in counts.items()}}
        for low in range(10)
        if counts["pairs"][low]
    ]


def reliability(split: BuiltSplit, judged: JudgedPairs | None) -> dict[str, list[dict[str, Any]]] | None:
    """What the judge's probabilities of all candidates are worth: by bins, the share that is in valid.

    None without a judge. A candidate that is not in valid may be a positive all the same, so `found` is a lower bound.
    """
    if judged is None:
        return None
    users = internal_ids(split.dataset, "user", split.view.users)[judged.users]
    items = internal_ids(split.dataset, "item", split.view.items)[judged.items]
    held = is_stored(positives_matrix(split.valid), users, items)
    return {"valid": reliability_of(judged.probability, held)}


def identification_fields(found: Identification) -> dict[str, Any]:
    """The fields that the offline stage fills."""
    trees = found.trees
    return {
        "identification": found.counts,
        "judging": found.judging,
        "candidate_source": found.candidate_source,
        "trees": None
        if trees is None
        else {
            "items": int((trees.co.lengths > 0).sum()),
            "leaves_co": trees.co.n_leaves,
            "leaves_se": trees.se.n_leaves,
            "depth_co": trees.co.depth,
            "depth_se": trees.se.depth,
            "item_vectors": trees.vector_origin,
            "agreement": None if trees.agreement != trees.agreement else round(trees.agreement, 4),
        },
        "external": found.external,
        "cached": found.cached,
    }


def configuration_fields(config: Config) -> dict[str, Any]:
    """The fields that say what was asked for."""
    settings, method = config.settings, config.method
    excludes = method.base is not None and settings.tree_exclude is not None
    effective = f"{method.effective}+exclude" if excludes else method.effective
    return {
        "model": config["model"],
        "dataset": config.dataset,
        "neg_sampler": method.sampler,
        "neg_sampler_effective": effective,
        "judge": method.judge,
        "positives_loss": method.positives_loss,
        "protocol": settings.protocol,
        "eval_mask": settings.eval_mask,
        "seed": config["seed"],
        "split_seed": config.split_seed,
    }


def marks(config: Config, external: list[dict[str, Any]], checks: Sequence[Mapping[str, Any]] = ()) -> list[str]:
    """What every table with this run must say beside its numbers.

    Args:
        config: of the run.
        external: its inputs made elsewhere.
        checks: outcomes of its leak checks.
    """
    copies = [check["name"].removeprefix(KNOWS_HELD_OUT) for check in checks if _is_copy(check)]
    found = [f"looks like the held-out set ({', '.join(copies)})"] if copies else []
    if config.settings.protocol == "reference":
        found.append("reference protocol (uses test labels)")
    if config.method.effective == "recbole:popularity":
        found.append("uses held-out counts")
    found += [mark for entry in external for mark in entry.get("marks", [])]
    foreign = [str(entry["kind"]) for entry in external if entry["foreign"]]
    other = [entry for entry in external if not entry["foreign"]]
    unknown = [str(entry["kind"]) for entry in other if entry.get("train_hash") is None]
    known = [str(entry["kind"]) for entry in other if entry.get("train_hash") is not None]
    if foreign:
        found.append(f"made from another training split: {', '.join(foreign)}")
    if unknown:
        found.append(f"origin unknown: {', '.join(unknown)}")
    if known:
        found.append(f"made elsewhere: {', '.join(known)}")
    return found


def _is_copy(check: Mapping[str, Any]) -> bool:
    return not check["passed"] and str(check["name"]).startswith(KNOWS_HELD_OUT)


def result_fields(
    config: Config,
    resolved: Mapping[str, Any],
    found: Identification,
    data: Mapping[str, Any],
    best_epoch: int | None = None,
    best_valid_result: Mapping[str, float] | None = None,
    test_result: Mapping[str, float] | None = None,
    seconds: Mapping[str, float | None] | None = None,
    **afterwards: Any,
) -> dict[str, Any]:
    """Everything that `result.json` holds; None for what did not run.

    Args:
        config: of the run.
        resolved: every key with its value, from before anything was read.
        found: what the offline stage found.
        data: see `data_counts`.
        best_epoch, best_valid_result, test_result: of training and evaluation.
        seconds: of `training`, `sampling` and `evaluation`.
        afterwards: of the fields in `AFTERWARDS` those that are known.
    """
    return {
        **configuration_fields(config),
        "best_epoch": best_epoch,
        "best_valid_result": best_valid_result,
        "test_result": test_result,
        "data": data,
        **identification_fields(found),
        "marks": marks(config, found.external, afterwards.get("checks") or ()),
        **dict.fromkeys(AFTERWARDS),
        **afterwards,
        "seconds": {**found.seconds, **(seconds or dict.fromkeys(("training", "sampling", "evaluation")))},
        "peak_memory_mb": peak_memory_mb(),
        "versions": versions(),
        "machine": machine(config["device"]),
        "config": plain(resolved),
    }


def write_result(path: Path, fields: Mapping[str, Any]) -> None:
    """Write the fields as JSON, whole or not at all, with checksums of all that the run left beside it.

    Numpy numbers become plain ones.
    """
    content = (json.dumps(fields, indent=1, default=_plain, ensure_ascii=False) + "\n").encode()
    others = (EPOCHS, HARDNESS, PER_USER, INFERRED, EXAMPLES, sidecar(Path(INFERRED)).name)
    write_with_checksums(path, content, others)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else str(value)


def metrics(result: Mapping[str, Any] | None) -> dict[str, float] | None:
    """A RecBole result with plain floats."""
    return None if result is None else {name: float(value) for name, value in result.items()}
