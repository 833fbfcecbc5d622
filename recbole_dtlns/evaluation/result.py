"""`result.json`: what a run was, what it found and what it cost."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from recbole_dtlns.config.plugins import loaded_content
from recbole_dtlns.config.run_config import Config
from recbole_dtlns.data.augmented import InferredIds, is_stored, positives_matrix
from recbole_dtlns.data.build import BuiltSplit
from recbole_dtlns.data.noise import HIDDEN
from recbole_dtlns.data.tokens import internal_ids
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.evaluation.held_out_bound import KNOWS_HELD_OUT
from recbole_dtlns.evaluation.per_user import PER_USER
from recbole_dtlns.false_negatives.identification.identified import Identification, JudgedPairs
from recbole_dtlns.false_negatives.inferred import InferredPositives
from recbole_dtlns.false_negatives.learned.measures import reliability as reliability_of
from recbole_dtlns.false_negatives.report.overlap import overlap_with
from recbole_dtlns.files.epoch_log import EPOCHS, HARDNESS
from recbole_dtlns.files.machine import machine, peak_memory_mb
from recbole_dtlns.files.origin import sidecar
from recbole_dtlns.files.result_schema import (
    SCHEMA_VERSION,
    Configured,
    Data,
    External,
    Identified,
    Noise,
    Overlap,
    PrecisionBin,
    Reliability,
    ReliabilityBin,
    Result,
    Seconds,
    Tested,
)
from recbole_dtlns.files.run_checksums import write_with_checksums
from recbole_dtlns.files.run_folder import EXAMPLES, INFERRED, plain
from recbole_dtlns.files.versions import versions


def data_counts(view: TrainSplit, split: BuiltSplit | None, inferred: int | None) -> Data:
    """The `data` field: counts without padding, and the identity of the split."""
    valid = test = split_hash = None
    users, items, train = view.n_users, view.n_items, int(view.matrix.nnz)
    if split is not None:
        counts, split_hash = split.statistics, split.split_hash
        users, items, train, valid, test = counts.users, counts.items, counts.train, counts.valid, counts.test
    return {
        "users": users,
        "items": items,
        "train": train,
        "valid": valid,
        "test": test,
        "inferred_positives": inferred,
        "train_hash": view.train_hash,
        "split_hash": split_hash,
    }


def overlap(split: BuiltSplit, extra: InferredIds | None) -> Overlap | None:
    """Inferred positives that are held out, beside what chance would give; None without inferred positives."""
    if extra is None:
        return None
    train = split.train
    counts = np.diff(positives_matrix(train).indptr)
    (valid, valid_chance), (test, test_chance) = (
        overlap_with(
            part.inter_feat[part.uid_field].numpy(),
            part.inter_feat[part.iid_field].numpy(),
            *(extra.users, extra.items, train.item_num - 1, counts),
        )
        for part in (split.valid, split.test)
    )
    return {
        "valid": valid,
        "valid_chance": round(valid_chance, 3),
        "test": test,
        "test_chance": round(test_chance, 3),
    }


def noise(split: BuiltSplit, extra: InferredIds | None) -> Noise | None:
    """The noise in train; None without.

    `recovered` is how many inferred positives are hidden pairs, `recovered_chance` what random unseen items would give;
    both are None where nothing is hidden or nothing is inferred.
    """
    if split.noise is None:
        return None
    fields = cast(Noise, {**split.noise, "recovered": None, "recovered_chance": None})
    if extra is None or fields["kind"] != HIDDEN:
        return fields
    train = positives_matrix(split.train)
    users, items = (positives_matrix(split.real_train) - train).nonzero()
    counts = np.diff(train.indptr)
    recovered, chance = overlap_with(users, items, extra.users, extra.items, train.shape[1] - 1, counts)
    return {**fields, "recovered": recovered, "recovered_chance": round(chance, 3)}


def precision(split: BuiltSplit, inferred: InferredPositives | None) -> list[PrecisionBin] | None:
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
        held_out = is_stored(positives_matrix(part), users, items)
        counts[name] = np.bincount(tenth[held_out], minlength=10)
    return [
        {
            "low": low / 10,
            "high": (low + 1) / 10,
            "pairs": int(counts["pairs"][low]),
            "valid": int(counts["valid"][low]),
            "test": int(counts["test"][low]),
        }
        for low in range(10)
        if counts["pairs"][low]
    ]


def reliability(split: BuiltSplit, judged: JudgedPairs | None) -> Reliability | None:
    """What the judge's probabilities of all candidates are worth: by bins, the share that is in valid.

    None without a judge. A candidate that is not in valid may be a positive all the same, so `found` is a lower bound.
    """
    if judged is None:
        return None
    users = internal_ids(split.dataset, "user", split.view.users)[judged.users]
    items = internal_ids(split.dataset, "item", split.view.items)[judged.items]
    in_valid = is_stored(positives_matrix(split.valid), users, items)
    return {"valid": cast(list[ReliabilityBin], reliability_of(judged.probability, in_valid))}


def identification_fields(stage: Identification) -> Identified:
    """The fields that the offline stage fills."""
    trees = stage.trees
    return {
        "identification": stage.counts,
        "judging": stage.judging,
        "candidate_source": stage.candidate_source,
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
        "external": stage.external,
        "cached": stage.cached,
    }


def configuration_fields(config: Config) -> Configured:
    """The fields that say what was asked for."""
    settings, method = config.settings, config.method
    excludes = method.base is not None and settings.tree_exclude is not None
    effective = f"{method.effective}+exclude" if excludes else method.effective
    loaded = loaded_content(settings.plugins)
    return {
        "schema_version": SCHEMA_VERSION,
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
        "plugins": [{"file": Path(name).name, "sha256": content} for name, content in loaded] or None,
    }


def marks(config: Config, external: Sequence[External], checks: Sequence[Mapping[str, Any]] = ()) -> list[str]:
    """What every table with this run must say beside its numbers.

    Args:
        config: of the run.
        external: its inputs made elsewhere.
        checks: outcomes of its leak checks.
    """
    copies = [check["name"].removeprefix(KNOWS_HELD_OUT) for check in checks if _is_copy(check)]
    texts = [f"looks like the held-out set ({', '.join(copies)})"] if copies else []
    if config.settings.protocol == "reference":
        texts.append("reference protocol (uses test labels)")
    if config.method.effective == "recbole:popularity":
        texts.append("uses held-out counts")
    texts += [mark for entry in external for mark in entry["marks"] or []]
    foreign = [entry["kind"] for entry in external if entry["foreign"]]
    own = [entry for entry in external if not entry["foreign"]]
    unknown = [entry["kind"] for entry in own if entry["train_hash"] is None]
    same_split = [entry["kind"] for entry in own if entry["train_hash"] is not None]
    by_origin = {"made from another training split": foreign, "origin unknown": unknown, "made elsewhere": same_split}
    return texts + [f"{origin}: {', '.join(kinds)}" for origin, kinds in by_origin.items() if kinds]


def _is_copy(check: Mapping[str, Any]) -> bool:
    return not check["passed"] and str(check["name"]).startswith(KNOWS_HELD_OUT)


def result_fields(
    config: Config,
    resolved: Mapping[str, Any],
    stage: Identification,
    data: Data,
    best_epoch: int | None = None,
    best_valid_result: dict[str, float] | None = None,
    test_result: dict[str, float] | None = None,
    seconds: Mapping[str, float | None] | None = None,
    threads: int | None = None,
    **afterwards: Any,
) -> Result:
    """Everything that `result.json` holds; None for what did not run.

    Args:
        config: of the run.
        resolved: every key with its value, from before anything was read.
        stage: the outcome of the offline stage.
        data: see `data_counts`.
        best_epoch, best_valid_result, test_result: of training and evaluation.
        seconds: of `training`, `sampling` and `evaluation`.
        threads: of torch in training; None: as many as torch has.
        afterwards: of the fields of `Tested` those that are known.
    """
    tested = cast(Tested, {**dict.fromkeys(Tested.__annotations__), **afterwards})
    spent = {**stage.seconds, **(seconds or {})}
    return {
        **configuration_fields(config),
        "best_epoch": best_epoch,
        "best_valid_result": best_valid_result,
        "test_result": test_result,
        "data": data,
        **identification_fields(stage),
        "marks": marks(config, stage.external, tested["checks"] or ()),
        **tested,
        "seconds": cast(Seconds, {name: spent.get(name) for name in Seconds.__annotations__}),
        "peak_memory_mb": peak_memory_mb(),
        "versions": versions(),
        "machine": machine(config["device"], threads),
        "config": plain(resolved),
    }


def write_result(path: Path, fields: Result) -> None:
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
