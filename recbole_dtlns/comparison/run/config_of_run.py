"""The configuration of a run of a plan, as its own process will make it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recbole_dtlns.comparison.plan.cell_config import CellConfig
from recbole_dtlns.comparison.plan.plan import ComparisonPlan
from recbole_dtlns.comparison.run.runs import Run, own_keys


def run_config(plan: ComparisonPlan, run: Run, chosen: Mapping[str, Any]) -> CellConfig:
    """The configuration that the command of a run comes to; `chosen` as in `run_flags`.

    Raises:
        UserError: as `Config`.
    """
    return CellConfig(plan, run.cell, own_keys(plan, run, chosen))
