"""Leak checks before and after a run, with their outcome for `result.json` and the report (docs/evaluation.md)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from recbole_dtlns.config.run_config import Config
from recbole_dtlns.data.augmented import is_stored, positives_matrix
from recbole_dtlns.data.build import BuiltSplit
from recbole_dtlns.data.mask import honest_masks, mask_differences, masked_pairs
from recbole_dtlns.data.pair_codes import pair_codes
from recbole_dtlns.data.split_files import PARTS
from recbole_dtlns.data.tokens import internal_ids, positions, token_pairs
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.evaluation.held_out_bound import KNOWS_HELD_OUT, TrainHeads
from recbole_dtlns.false_negatives.candidates.topk import position_in_run
from recbole_dtlns.false_negatives.identification.identified import Identification
from recbole_dtlns.false_negatives.inferred import InferredPositives
from recbole_dtlns.false_negatives.report.overlap import looks_filtered
from recbole_dtlns.files.result_schema import MASK_CHECKS, LeakCheck, Overlap
from recbole_dtlns.files.run_folder import INFERRED
from recbole_dtlns.training.assemble import Prepared
from recbole_dtlns.wording import counted

LIST_HEAD = 5
TWO_PARTS = f"no pair stands in two of {', '.join(PARTS)}"
_READINGS = ("test is not read", "test is read once", "test is read once under each mask")


class LeakChecks:
    """What must hold of a run; made before training, finished after it.

    Args:
        config: of the run.
        split: the real split, and the training part in use.
        prepared: loaders and trainer, before training.
        inferred: inferred positives of the offline stage, if any.
        run_dir: holds `inferred_positives.tsv`.

    Attributes:
        outcomes: of each check so far.
    """

    def __init__(
        self,
        config: Config,
        split: BuiltSplit,
        prepared: Prepared,
        inferred: InferredPositives | None,
        run_dir: Path,
    ) -> None:
        self.outcomes: list[LeakCheck] = []
        self._prepared, self._run_dir = prepared, run_dir
        self._parts(split)
        self._masks(config, split)
        if inferred is not None:
            self._inferred(split, inferred)
        self._before = self._digest()

    def finish(self, overlap: Overlap | None, readings: int) -> list[LeakCheck]:
        """All outcomes, those after training included.

        Args:
            overlap: of the inferred positives with held-out pairs; None without inferred positives or without test.
            readings: of test: 1, 2 for a run that reads it under two masks, 0 for a trial of a search.
        """
        same = self._digest() == self._before
        self._add(
            "after",
            "masks and inferred positives are as before training",
            same,
            "unchanged" if same else "changed during training",
        )
        read = self._prepared.trainer.times_evaluated[id(self._prepared.test_data._dataset)]
        self._add("after", _READINGS[readings], read == readings, counted(read, "reading"))
        counts: Mapping[str, Any] = overlap or {}
        for part in ("valid", "test") if overlap else ():
            hits, chance = counts[part], counts[f"{part}_chance"]
            filtered = looks_filtered(int(hits), chance)
            tally = f"{hits:.0f} are in {part}, by chance {chance:.1f}"
            self._add("after", f"inferred positives were not filtered by {part}", not filtered, tally)
        return self.outcomes

    def look_at_foreign(self, split: BuiltSplit, stage: Identification, memory_gb: float) -> None:
        """Compare what came out of inputs made elsewhere with the heads of train-only sources of equal size.

        Nothing happens without such inputs. What is looked at: the inferred positives, and the first pairs of each
        user by the judge's probability where these are ranked or learned as lists.
        """
        pairs = _pairs_used(split.view, stage) if stage.external else None
        if pairs is None:
            return
        heads = TrainHeads(split.view, *pairs, memory_gb)
        for name, part in zip(PARTS[1:], split.parts[1:], strict=True):
            users, items = token_pairs(part)
            knowledge = heads.explain(positions(split.view.users, users), positions(split.view.items, items))
            tally = (
                f"{knowledge.hits} of {knowledge.pairs} are in {name}; {knowledge.head} of the head of "
                f"{knowledge.source} are, and up to {knowledge.bound:.0f} could be explained"
            )
            if knowledge.looks_held_out:
                tally += f": looks like the held-out set ({name})"
            self._add("after", f"{KNOWS_HELD_OUT}{name}", not knowledge.looks_held_out, tally)

    def _add(self, when: str, name: str, passed: bool, tally: str) -> None:
        self.outcomes.append({"when": when, "name": name, "passed": bool(passed), "found": tally})

    def _parts(self, split: BuiltSplit) -> None:
        """Count the pairs that stand in two parts. RecBole may split repeated interactions so."""
        codes = pair_codes([token_pairs(part) for part in (split.real_train, split.valid, split.test)])
        sizes = [len(np.unique(part_codes)) for part_codes in codes]
        shared = sum(sizes) - len(np.unique(np.concatenate(codes)))
        self._add("before", TWO_PARTS, shared == 0, counted(shared, "pair"))

    def _masks(self, config: Config, split: BuiltSplit) -> None:
        loaders = (self._prepared.valid_data, self._prepared.test_data)
        for part, loader, allowed in zip(PARTS[1:], loaders, honest_masks(config, split), strict=True):
            differences = mask_differences(loader, allowed)
            if differences is None:  # RecBole masks nothing in sequential and in sampled rankings
                continue
            foreign, missing = differences
            tally = f"{foreign} further pairs are left out, {missing} are not"
            self._add("before", MASK_CHECKS[part], foreign == missing == 0, tally)

    def _inferred(self, split: BuiltSplit, inferred: InferredPositives) -> None:
        view = split.view
        train = positives_matrix(split.train)
        users = internal_ids(split.dataset, "user", inferred.users)
        items = internal_ids(split.dataset, "item", inferred.items)
        seen = int(is_stored(train, users, items).sum())
        strangers = int((~(np.isin(inferred.users, view.users[1:]) & np.isin(inferred.items, view.items[1:]))).sum())
        name = "inferred positives are unseen pairs of train's own users and items"
        tally = f"{seen} of {len(inferred)} are in train, {strangers} have a user or an item that train lacks"
        self._add("before", name, seen == strangers == 0, tally)

    def _digest(self) -> str:
        digest = hashlib.sha256()
        for loader in (self._prepared.valid_data, self._prepared.test_data):
            masked = masked_pairs(loader)
            digest.update(b"" if masked is None else masked.tobytes())
        path = self._run_dir / INFERRED
        digest.update(path.read_bytes() if path.is_file() else b"")
        return digest.hexdigest()


def _pairs_used(view: TrainSplit, stage: Identification) -> tuple[np.ndarray, np.ndarray] | None:
    """Users and items, int64 [n] each, in the view's numbering; None where there are none."""
    parts = []
    if stage.inferred is not None:
        parts.append((positions(view.users, stage.inferred.users), positions(view.items, stage.inferred.items)))
    if stage.lists is not None and stage.judged is not None:
        judged = stage.judged
        order = np.lexsort((-np.nan_to_num(judged.probability, nan=-1.0), judged.users))
        first = order[position_in_run(judged.users[order]) < LIST_HEAD]
        parts.append((judged.users[first], judged.items[first]))
    if not parts:
        return None
    users, items = (np.concatenate([part[side] for part in parts]).astype(np.int64) for side in (0, 1))
    in_train = (users > 0) & (items > 0)
    return (users[in_train], items[in_train]) if in_train.any() else None
