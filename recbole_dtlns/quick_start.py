"""The whole pipeline in one call: data -> identification -> training -> evaluation -> result.json."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recbole.utils import dict2str

from recbole_dtlns.config.model_kinds import is_recommendable
from recbole_dtlns.config.plugins import load_named
from recbole_dtlns.config.run_config import Config, raw_value
from recbole_dtlns.config.stock_faults import building, running
from recbole_dtlns.data.build import BuiltSplit, build_split
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.evaluation import result as results
from recbole_dtlns.evaluation.closing import closing_text
from recbole_dtlns.evaluation.final_test import both_masks, read_test
from recbole_dtlns.evaluation.leaks import LeakChecks
from recbole_dtlns.false_negatives.identification.stage import Identification, identify
from recbole_dtlns.false_negatives.identification.text import read_text
from recbole_dtlns.false_negatives.inferred import write_inferred
from recbole_dtlns.false_negatives.report.overlap import looks_filtered
from recbole_dtlns.files.origin import sidecar
from recbole_dtlns.files.result_schema import Result
from recbole_dtlns.files.run_folder import (
    CONFIG,
    DETAIL,
    INFERRED,
    LOG,
    RESULT,
    cache_folder,
    own_run_dir,
    refuse_other_run,
    run_identity,
    start_log,
    write_config,
)
from recbole_dtlns.files.saved_state import trusting
from recbole_dtlns.training.assemble import Prepared, check_split, prepare
from recbole_dtlns.training.hardness.replay import hardness_fields
from recbole_dtlns.training.preflight import check_before_work
from recbole_dtlns.training.trainer import CHECKPOINT, RESUME

logger = logging.getLogger(__name__)


@dataclass
class Inputs:
    """Where the keys of a run come from; the command line wins over the dict, the dict over the files."""

    model: Any = None
    dataset: str | None = None
    config_file_list: Sequence[str] | None = None
    config_dict: Mapping[str, Any] | None = None
    command_line: Mapping[str, str] | None = None

    def config(self) -> Config:
        """Read the plugins, then every key."""
        files = list(self.config_file_list or [])
        load_named(self.command_line, self.config_dict, named=raw_value("plugins", files), where=", ".join(files))
        return Config(self.model, self.dataset, self.config_file_list, self.config_dict, self.command_line)


def run_recbole_dtlns(
    model: Any = None,
    dataset: str | None = None,
    config_file_list: Sequence[str] | None = None,
    config_dict: Mapping[str, Any] | None = None,
    saved: bool = True,
    command_line: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Train and evaluate one RecBole model with DTL-NS; the counterpart of RecBole's `run_recbole`.

    Args:
        model: name or class of a RecBole model.
        dataset: name of the data set.
        config_file_list: YAML files.
        config_dict: keys of RecBole and of ours.
        saved: whether to keep the checkpoint of the best epoch and test that one.
        command_line: `--key=value` flags as raw text; `sys.argv` is never read.

    Returns:
        RecBole's keys: `best_valid_score`, `valid_score_bigger`, `best_valid_result`, `test_result`.

    Raises:
        UserError: bad input, found before any work where possible.
    """
    return run(Inputs(model, dataset, config_file_list, config_dict, command_line), saved=saved)


def objective_function(
    config_dict: Mapping[str, Any] | None = None, config_file_list: Sequence[str] | None = None, saved: bool = True
) -> dict[str, Any]:
    """One trial for RecBole's `HyperTuning`; test is never evaluated, so `test_result` is empty.

    Args:
        config_dict: keys of the trial, `model` and `dataset` among them or in a file.
        config_file_list: YAML files shared by all trials.
        saved: whether to keep the checkpoint of the best epoch.

    Returns:
        The keys of `run_recbole_dtlns`, and `model` as RecBole's own objective function has it.
    """
    inputs = Inputs(config_file_list=config_file_list, config_dict=config_dict)
    result = run(inputs, saved=saved, test=False)
    return {"model": inputs.model or raw_value("model", config_dict, config_file_list), **result}


def run(inputs: Inputs, saved: bool = True, test: bool = True) -> dict[str, Any]:
    """`run_recbole_dtlns`, optionally without reading test (`test_result` is then empty)."""
    began = time.perf_counter()
    config = inputs.config()
    test = test and config.settings.evaluate_test
    check_before_work(config)
    cache_dir, trust = cache_folder(config.settings.cache_dir, config.dataset), config.settings.trust_checkpoint
    with own_run_dir(config.settings.run_dir, run_name(config), cache_dir) as run_dir, trusting(trust):
        start_run(config, run_dir)
        return _run(config, run_dir, cache_dir, began, saved, test)


def _run(config: Config, run_dir: Path, cache_dir: Path, began: float, saved: bool, test: bool) -> dict[str, Any]:
    split = build_split(config, cache_dir)
    check_split(config, split)
    found = identify(split.view, config.settings, config.method, cache_dir, read_text(config))
    write_found(run_dir, split.view, found, config)
    if found.interrupted:
        raise KeyboardInterrupt
    with building(config):
        prepared = prepare(config, split, found.inferred, found.trees, online=found.online, lists=found.lists)
    logger.info(prepared.model, extra=DETAIL)
    trainer = prepared.trainer
    identity = run_identity(config.resolved(), split.split_hash, found.external)
    trainer.prepare(run_dir, identity, split.split_hash, split.real_train, began)
    checks = LeakChecks(config, split, prepared, found.inferred, run_dir)
    trainer.resume(prepared.train_data)
    with running(config):
        best_score, best_result = trainer.fit(
            prepared.train_data, prepared.valid_data, saved=saved, show_progress=config["show_progress"]
        )
        tested = read_test(config, prepared, run_dir, saved) if test else None
    trainer.tensorboard.close()
    fields = {
        "masks": both_masks(config, split, prepared, tested),
        "hardness": hardness_fields(config, prepared, split, run_dir, replays=test and saved),
    }
    write_run(run_dir, config, split, found, prepared, best_result, tested, checks, fields)
    return {
        "best_valid_score": best_score,
        "valid_score_bigger": config["valid_metric_bigger"],
        "best_valid_result": best_result,
        "test_result": {} if tested is None else tested,
    }


def run_name(config: Config) -> str:
    """What a fresh folder of a run is called: model, data set and sampler."""
    return f"{config['model']}-{config.dataset}-{(config.method.effective or 'none').replace(':', '-')}"


def start_run(config: Config, run_dir: Path) -> None:
    """Open the log of a run and write its configuration.

    Raises:
        UserError: the folder holds an unfinished run of another configuration.
    """
    method = config.method
    config["checkpoint_dir"] = str(run_dir)
    refuse_other_run(run_dir, config.resolved(), (run_dir / RESUME).is_file())
    start_log(run_dir / LOG, config["state"], config.settings.log)
    write_config(run_dir / CONFIG, config.resolved())
    logger.info("Run folder: %s", run_dir)
    for note in method.notes:
        logger.warning(note)
    logger.info(
        "%s on %s: negatives by %s, judge %s%s",
        *(config["model"], config.dataset, method.effective or "none", method.judge),
        f", inferred positives in the loss as {method.positives_loss}" if method.positives_loss else "",
    )


def write_found(run_dir: Path, view: TrainSplit, found: Identification, config: Config) -> None:
    """Write the inferred positives, so that they survive whatever training does; none may be left from before."""
    (run_dir / INFERRED).unlink(missing_ok=True)
    sidecar(run_dir / INFERRED).unlink(missing_ok=True)
    if found.inferred is not None:
        about = {"train_hash": view.train_hash, "settings": config.settings.as_dict(), "judge": config.method.judge}
        write_inferred(run_dir / INFERRED, found.inferred, about)


def write_run(
    run_dir: Path,
    config: Config,
    split: BuiltSplit,
    found: Identification,
    prepared: Prepared,
    best_result: Any,
    tested: Any,
    checks: LeakChecks,
    fields: dict[str, Any],
) -> None:
    """Write `result.json` and say what came out; the saved state to resume from is no longer needed."""
    trainer, step = prepared.trainer, prepared.trainer.step
    if trainer.refresher is not None:
        used = trainer.refresher.best
        prepared.extra = trainer.refresher.extra if used is None else used
    shared = precision = None
    if tested is not None:
        checks.look_at_foreign(split, found, config.settings.candidate_memory_gb)
        shared, precision = results.overlap(split, prepared.extra), results.precision(split, found.inferred)
    result = results.result_fields(
        config,
        config.resolved(),
        found,
        results.data_counts(split.view, split, _number_used(found, prepared)),
        best_epoch=trainer.best_epoch,
        best_valid_result=results.metrics(best_result),
        test_result=results.metrics(tested),
        overlap=shared,
        precision=precision,
        reliability=results.reliability(split, found.judged),
        noise=results.noise(split, prepared.extra),
        checks=checks.finish(shared, readings=int(tested is not None) + int(fields["masks"] is not None)),
        seconds={
            "training": round(trainer.seconds["training"], 3),
            "sampling": None if step is None else round(step.sampling_seconds, 3),
            "evaluation": round(trainer.seconds["evaluation"], 3),
        },
        **fields,
    )
    results.write_result(run_dir / RESULT, result)
    (run_dir / RESUME).unlink(missing_ok=True)
    _say(run_dir, result, shared, best_result, tested, is_recommendable(config) and (run_dir / CHECKPOINT).is_file())


def _number_used(found: Identification, prepared: Prepared) -> int | None:
    """Inferred positives that training used; None where no judge ran."""
    if found.inferred is None:
        return None
    return 0 if prepared.extra is None else len(prepared.extra)


def _say(run_dir: Path, result: Result, shared: Any, best_result: Any, tested: Any, recommends: bool) -> None:
    for check in result["checks"] or ():
        if not check["passed"]:
            logger.warning("Leak check failed: %s: %s", check["name"], check["found"])
    if shared is not None:
        for name in ("valid", "test"):
            hits, chance = shared[name], shared[f"{name}_chance"]
            logger.info("Inferred positives that are in %s: %d (by chance %.1f).", name, hits, chance)
            if looks_filtered(hits, chance):
                logger.warning(
                    "The overlap with %s is 0 where chance gives %.0f: looks filtered by held-out labels.", name, chance
                )
    for mark in result["marks"]:
        logger.warning("Marked: %s", mark)
    if best_result:
        logger.info("best valid: %s", dict2str(best_result), extra=DETAIL)
    if tested:
        logger.info("test result: %s", dict2str(tested), extra=DETAIL)
    logger.info(closing_text(run_dir, result, recommends))
