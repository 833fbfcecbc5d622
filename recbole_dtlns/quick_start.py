"""The whole pipeline in one call: data -> identification -> training -> evaluation -> result.json."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recbole_dtlns.config.config_files import names_of_files, python_keys, raw_value
from recbole_dtlns.config.eval_modes import sampled_warning
from recbole_dtlns.config.plugins import load_named, loaded_content
from recbole_dtlns.config.processes import processes_of
from recbole_dtlns.config.run_config import Config
from recbole_dtlns.config.stock_faults import building, running
from recbole_dtlns.data.build import build_split
from recbole_dtlns.evaluation.final_test import read_test
from recbole_dtlns.evaluation.leaks import LeakChecks
from recbole_dtlns.evaluation.model_source import RecBoleModels
from recbole_dtlns.evaluation.trained_run import TrainedRun, write_run
from recbole_dtlns.false_negatives.identification.identified import write_identified
from recbole_dtlns.false_negatives.identification.stage import identify
from recbole_dtlns.false_negatives.identification.text import read_text
from recbole_dtlns.files.run_folder import (
    CONFIG,
    LOG,
    cache_folder,
    own_run_dir,
    refuse_other_run,
    run_identity,
    write_config,
)
from recbole_dtlns.files.run_log import DETAIL, keep_for_log, start_log
from recbole_dtlns.files.saved_state import trusting
from recbole_dtlns.processes.group import decided_by_first, first_on_machine, leave_group, require_same_run, this_rank
from recbole_dtlns.processes.launch import run_in_processes
from recbole_dtlns.training.assemble import check_split, prepare
from recbole_dtlns.training.preflight import check_before_work
from recbole_dtlns.training.resume import RESUME, RunPlace

logger = logging.getLogger(__name__)


@dataclass
class Inputs:
    """Where the keys of a run come from; the command line wins over the dict, the dict over the files."""

    model: Any = None
    dataset: str | None = None
    config_file_list: Sequence[str] | None = None
    config_dict: Mapping[str, Any] | None = None
    command_line: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        self.config_file_list = names_of_files(self.config_file_list)
        self.config_dict = python_keys(self.config_dict)

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


@keep_for_log()
def run(inputs: Inputs, saved: bool = True, test: bool = True) -> dict[str, Any]:
    """`run_recbole_dtlns`, optionally without reading test (`test_result` is then empty).

    Where several processes train, this starts them; each of them calls it again. Only rank 0 knows test.
    """
    began = time.perf_counter()
    config = inputs.config()
    check_before_work(config)
    processes = processes_of(config.settings)
    if processes.size > 1 and this_rank().is_alone:
        result: dict[str, Any] = run_in_processes(processes, run, (inputs, saved, test))
        return result
    test = test and config.settings.evaluate_test
    cache_dir, trust = cache_folder(config.settings.cache_dir, config.dataset), config.settings.trust_checkpoint
    folder = this_rank().folder
    owned = nullcontext(folder) if folder else own_run_dir(config.settings.run_dir, run_name(config), cache_dir)
    with owned as run_dir, trusting(trust):
        start_run(config, run_dir)
        return _run(config, RunPlace(run_dir, began=began), cache_dir, saved, test)


def _run(config: Config, place: RunPlace, cache_dir: Path, saved: bool, test: bool) -> dict[str, Any]:
    run_dir = place.run_dir
    with first_on_machine():
        split = build_split(config, cache_dir)
    check_split(config, split)

    text = read_text(config)
    identified = decided_by_first(
        lambda: identify(split.view, config.settings, config.method, cache_dir, text, models=RecBoleModels())
    )
    write_identified(run_dir, split.view, identified, config, text)
    if identified.interrupted:
        raise KeyboardInterrupt

    plugins = [content for _, content in loaded_content(config.settings.plugins)]
    identity = run_identity(config.resolved(), split.split_hash, identified.external, plugins)
    require_same_run(identity)
    place = replace(place, identity=identity, split_hash=split.split_hash)
    with building(config):
        prepared = prepare(
            config,
            split,
            identified.inferred,
            identified.trees,
            online=identified.online,
            lists=identified.lists,
            place=place,
        )
    logger.info(prepared.model, extra=DETAIL)
    trainer = prepared.trainer
    checks = LeakChecks(config, split, prepared, identified.inferred, run_dir)

    with running(config):
        best_score, best_result = trainer.fit(
            prepared.train_data, prepared.valid_data, saved=saved, show_progress=config["show_progress"]
        )
        if not _goes_on_after_training(config):
            return _returned(config, best_score, best_result, None)
        tested = read_test(config, prepared, run_dir, saved) if test else None
    trainer.tensorboard.close()

    trained = TrainedRun(config, split, identified, prepared, run_dir, best_result, tested, checks)
    write_run(trained, replays=test and saved)
    (run_dir / RESUME).unlink(missing_ok=True)
    return _returned(config, best_score, best_result, tested)


def _goes_on_after_training(config: Config) -> bool:
    """Whether this process tests and writes the result: rank 0, which is then a run of one process."""
    goes_on = this_rank().is_first
    leave_group()
    config["single_spec"] = True
    return goes_on


def _returned(config: Config, best_score: float, best_result: Any, tested: Any) -> dict[str, Any]:
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
    if sampled := sampled_warning(config["eval_args"]):
        logger.warning(sampled)
    logger.info(
        "%s on %s: negatives by %s, judge %s%s.",
        *(config["model"], config.dataset, method.effective or "none", method.judge),
        f", inferred positives in the loss as {method.positives_loss}" if method.positives_loss else "",
    )
