"""What a run that is trained and tested leaves: `result.json`, and the lines that say what came out."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recbole.utils import dict2str

from recbole_dtlns.config.model_kinds import is_recommendable
from recbole_dtlns.config.run_config import Config
from recbole_dtlns.data.build import BuiltSplit
from recbole_dtlns.data.repeated_pairs import KEEP_ONE, is_split_by_rows
from recbole_dtlns.evaluation import result as results
from recbole_dtlns.evaluation.closing import closing_text
from recbole_dtlns.evaluation.final_test import both_masks
from recbole_dtlns.evaluation.leaks import TWO_PARTS, LeakChecks
from recbole_dtlns.false_negatives.identification.identified import Identification
from recbole_dtlns.false_negatives.report.overlap import looks_filtered
from recbole_dtlns.files.result_schema import Result
from recbole_dtlns.files.run_folder import CHECKPOINT, RESULT
from recbole_dtlns.files.run_log import DETAIL
from recbole_dtlns.training.assemble import Prepared
from recbole_dtlns.training.hardness.replay import hardness_fields

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainedRun:
    """A run after training and test.

    Attributes:
        config, split, identified, prepared, run_dir: of the run.
        best_result: RecBole's result on valid, by metric; None where valid was not read.
        tested: RecBole's result on test, by metric; None where test was not read.
        checks: its leak checks, begun before training.
    """

    config: Config
    split: BuiltSplit
    identified: Identification
    prepared: Prepared
    run_dir: Path
    best_result: Any
    tested: Any
    checks: LeakChecks

    @property
    def inferred_used(self) -> int | None:
        """Inferred positives that training used; None where no judge ran."""
        if self.identified.inferred is None:
            return None
        return 0 if self.prepared.used is None else len(self.prepared.used)


def write_run(run: TrainedRun, replays: bool) -> None:
    """Write `result.json` and say what came out.

    Args:
        run: after training and test; nothing of it is changed.
        replays: whether the best epoch's negatives are drawn again, for `hardness`.
    """
    result = _fields(run, replays)
    results.write_result(run.run_dir / RESULT, result)
    _tell(run, result)


def _fields(run: TrainedRun, replays: bool) -> Result:
    config, split, identified, prepared = run.config, run.split, run.identified, run.prepared
    trainer, step = prepared.trainer, prepared.trainer.step
    masks = both_masks(config, split, prepared, run.tested)
    hardness = hardness_fields(config, prepared, split, run.run_dir, replays=replays)
    shared = precision = None
    if run.tested is not None:
        run.checks.look_at_foreign(split, identified, config.settings["candidate_memory_gb"])
        shared, precision = results.overlap(split, prepared.used), results.precision(split, identified.inferred)
    return results.result_fields(
        config,
        config.resolved(),
        identified,
        results.data_counts(split.view, split, run.inferred_used),
        best_epoch=trainer.best_epoch,
        best_valid_result=results.metrics(run.best_result),
        test_result=results.metrics(run.tested),
        masks=masks,
        hardness=hardness,
        overlap=shared,
        precision=precision,
        reliability=results.reliability(split, identified.judged),
        noise=results.noise(split, prepared.used),
        checks=run.checks.finish(shared, readings=int(run.tested is not None) + int(masks is not None)),
        seconds={
            "training": round(trainer.seconds["training"], 3),
            "sampling": None if step is None else round(step.sampling_seconds, 3),
            "evaluation": round(trainer.seconds["evaluation"], 3),
        },
        threads=trainer.threads,
    )


def _tell(run: TrainedRun, result: Result) -> None:
    for check in result["checks"] or ():
        if not check["passed"]:
            by_rows = check["name"] == TWO_PARTS and is_split_by_rows(run.config)
            cure = f". RecBole splits repeated interactions so; {KEEP_ONE}." if by_rows else ""
            logger.warning("Leak check failed: %s: %s%s", check["name"], check["found"], cure)
    shared = result["overlap"]
    held_out: Mapping[str, Any] = shared or {}
    for name in ("valid", "test") if held_out else ():
        hits, chance = held_out[name], held_out[f"{name}_chance"]
        logger.info("Inferred positives that are in %s: %d (by chance %.1f).", name, hits, chance)
        if looks_filtered(hits, chance):
            logger.warning(
                "The overlap with %s is 0 where chance gives %.0f: looks filtered by held-out labels.", name, chance
            )
    for mark in result["marks"]:
        logger.warning("Marked: %s", mark)
    if run.best_result:
        logger.info("best valid: %s", dict2str(run.best_result), extra=DETAIL)
    if run.tested:
        logger.info("test result: %s", dict2str(run.tested), extra=DETAIL)
    recommends = is_recommendable(run.config) and (run.run_dir / CHECKPOINT).is_file()
    logger.info(closing_text(run.run_dir, result, recommends))
