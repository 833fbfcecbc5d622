"""All that is checked of a configuration before a run does any work; `doctor` and `compare` ask the same list."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from recbole_dtlns.config.judge_checks import check_judge
from recbole_dtlns.config.model_kinds import check_packages
from recbole_dtlns.config.processes import check_processes
from recbole_dtlns.config.run_config import Config
from recbole_dtlns.config.settings import Settings
from recbole_dtlns.config.stock_keys import check_transform
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.identification.text import check_text
from recbole_dtlns.training.proposals import check_exclude
from recbole_dtlns.trees.export import check_folder


def _check_files(config: Config) -> None:
    """Raise UserError for a file of verdicts, candidates, codes or vectors that will be read and is not there."""
    settings, method = config.settings, config.method
    named = []
    if method.declared.way == "read":
        named.append("judge_file")
    elif method.declared.way != "none" and settings.candidate_source == "file":
        named.append("candidate_file")
    if method.needs_trees:
        named += ["codes_co", "codes_se"]
        if settings.item_vectors not in {"auto", "svd", "text"} and settings.codes_se is None:
            named.append("item_vectors")
    for key in named:
        if settings[key] is not None and not Path(settings[key]).is_file():
            raise UserError(f"{key}: there is no file {settings[key]}. Give the path of an existing file.")


OFFLINE_CHECKS: tuple[Callable[[Config], None], ...] = (
    lambda config: check_judge(config.settings, config.method),
    _check_files,
    check_text,
    lambda config: check_folder("export_codes", config.settings.export_codes),
)
CHECKS: tuple[Callable[[Config], None], ...] = (
    lambda config: check_packages(config["model"]),
    check_transform,
    check_processes,
    *OFFLINE_CHECKS,
    check_exclude,
    lambda config: _refuse_shard(config.settings),
)


def check_before_work(config: Config, checks: Iterable[Callable[[Config], None]] = CHECKS) -> None:
    """Raise the first thing that keeps the run, or the offline stage alone (`OFFLINE_CHECKS`), from being made.

    Raises:
        UserError: packages, models, files or keys are missing, or do not fit each other.
    """
    for check in checks:
        check(config)


def missing_for(config: Config) -> list[str]:
    """All that keeps the run from being made, a text each."""
    missing = []
    for check in CHECKS:
        try:
            check(config)
        except UserError as error:
            missing.append(str(error))
    return missing


def _refuse_shard(settings: Settings) -> None:
    if settings.shard is not None:
        raise UserError("shard is for `identify`: judge every part there, then train without it on the same cache_dir.")
