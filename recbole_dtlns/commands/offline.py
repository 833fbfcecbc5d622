"""The offline stage as a run of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from recbole_dtlns.commands.identify_parts import Spread, check_parts
from recbole_dtlns.config.config_files import raw_value
from recbole_dtlns.config.processes import processes_of
from recbole_dtlns.config.run_config import Config
from recbole_dtlns.data.build import read_training_part
from recbole_dtlns.errors import UserError
from recbole_dtlns.evaluation import result as results
from recbole_dtlns.evaluation.closing import seconds_text
from recbole_dtlns.evaluation.model_source import RecBoleModels
from recbole_dtlns.false_negatives.identification.identified import write_identified
from recbole_dtlns.false_negatives.identification.stage import identify
from recbole_dtlns.false_negatives.identification.text import read_text
from recbole_dtlns.false_negatives.judges.base import Usage
from recbole_dtlns.files.run_folder import (
    CONFIG,
    EXAMPLES,
    INFERRED,
    LOG,
    RESULT,
    cache_folder,
    own_run_dir,
    write_config,
)
from recbole_dtlns.files.run_log import keep_for_log, start_log
from recbole_dtlns.files.saved_state import trusting
from recbole_dtlns.quick_start import Inputs
from recbole_dtlns.training.preflight import OFFLINE_CHECKS, check_before_work
from recbole_dtlns.training.resume import RESUME

logger = logging.getLogger(__name__)


@keep_for_log()
def run_identification(inputs: Inputs, spread: Spread | None = None) -> Path:
    """The offline stage alone: no model, no valid or test pairs, no metrics. Returns the run folder.

    With `spread` parts of the users are judged on a cluster; trees, candidates and the decision are made here.
    """
    named = inputs.model or raw_value("model", inputs.command_line, inputs.config_dict, inputs.config_file_list)
    config = replace(inputs, model=named or "BPR").config()
    if config.method.judge == "none":
        raise UserError("identify needs a judge: set --judge=rule, llm, ... (or leave neg_sampler at dtl_ns).")
    if config.settings.candidate_checkpoint is not None:
        raise UserError(
            "identify reads train alone, but the model of a candidate_checkpoint is loaded with the whole split it was "
            "trained on. Use it in a training run, or train one here with --candidate_source=MODEL."
        )
    if config.settings.noise_rate > 0:
        raise UserError(
            f"noise_rate={config.settings.noise_rate}: identify reads train alone, and noise is made with the whole "
            "split, for experiments. Use it in a training run or in `compare`, which identify for themselves."
        )
    check_before_work(config, OFFLINE_CHECKS)
    if spread is not None:
        check_parts(config, spread)
    name = f"identify-{config.dataset}-{config.method.judge}"
    cache_dir = cache_folder(config.settings.cache_dir, config.dataset)
    with ExitStack() as stack:
        run_dir = stack.enter_context(own_run_dir(config.settings.run_dir, name, cache_dir))
        stack.enter_context(trusting(config.settings.trust_checkpoint))
        judge_parts = None if spread is None else stack.enter_context(spread.over(config, run_dir, cache_dir))
        _identify(config, run_dir, cache_dir, judge_parts)
    return run_dir


def _identify(config: Config, run_dir: Path, cache_dir: Path, judge_parts: Callable[[], Usage] | None) -> None:
    if (run_dir / RESUME).is_file():
        raise UserError(
            f"{run_dir} holds a training run that is not finished, and identify would write over it. Repeat the "
            "command that began it, or choose another run_dir."
        )
    start_log(run_dir / LOG, config["state"], config.settings.log)
    config["checkpoint_dir"] = str(run_dir)
    resolved = config.resolved()
    write_config(run_dir / CONFIG, resolved)
    if processes_of(config.settings).size > 1:
        logger.warning("identify works in one process: nproc and world_size are for training. Use --shard or --engine.")
    view = read_training_part(config, cache_dir)
    logger.info("Training split: %d users, %d items, %d pairs.", view.n_users, view.n_items, view.matrix.nnz)
    text = read_text(config)
    identified = identify(view, config.settings, config.method, cache_dir, text, RecBoleModels(), judge_parts)
    write_identified(run_dir, view, identified, config, text)
    if identified.interrupted:  # without a result the same command takes up the same folder
        raise KeyboardInterrupt
    counts = results.data_counts(view, None, None if identified.inferred is None else len(identified.inferred))
    fields = results.result_fields(config, resolved, identified, counts)
    fields["model"] = None
    results.write_result(run_dir / RESULT, fields)
    written = [name for name in (INFERRED, EXAMPLES, RESULT, CONFIG, LOG) if (run_dir / name).is_file()]
    logger.info("%s", seconds_text(fields["seconds"], identified.cached))
    logger.info("Wrote to %s: %s.", run_dir, ", ".join(written))
