"""All that is checked of a configuration before a run does any work; `doctor` and `compare` ask the same list."""

from __future__ import annotations

from collections.abc import Callable

from recbole_dtlns.config.method import check_judge
from recbole_dtlns.config.model_kinds import check_packages
from recbole_dtlns.config.run_config import Config
from recbole_dtlns.config.stock_keys import check_transform
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.identification.text import check_text
from recbole_dtlns.training.proposals import check_exclude

CHECKS: tuple[Callable[[Config], None], ...] = (
    lambda config: check_packages(config["model"]),
    check_transform,
    lambda config: check_judge(config.settings, config.method),
    check_text,
    check_exclude,
)


def check_before_work(config: Config) -> None:
    """Raise the first thing that keeps the run from being made.

    Raises:
        UserError: packages, models, files or keys are missing, or do not fit each other.
    """
    for check in CHECKS:
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
