"""Fixes of what RecBole shows while it trains: where tensorboard's files go, and progress bars; see `compat`."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recbole_dtlns.compat.wrapping import wrap_once


def apply_display() -> None:
    """Put these fixes in force; calling it again changes nothing."""
    _keep_tensorboard_beside_the_log()
    _clear_bars_that_are_done()


def _keep_tensorboard_beside_the_log() -> None:
    """Reason: RecBole writes to `log_tensorboard/LOGNAME` in the working directory, so two runs share one folder.

    Affects: any stack. Goes when RecBole lets a run choose the folder. Without a log of ours the stock folder is used,
    but none for a run that is only loaded.
    """
    import recbole.trainer.trainer as module

    wrap_once(module, "get_tensorboard", _beside_the_log)


def _beside_the_log(stock: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(stock)
    def fixed(logger: Any) -> Any:
        from torch.utils.tensorboard import SummaryWriter

        from recbole_dtlns.files.run_log import RUN_LOG, tensorboard_is_off

        if tensorboard_is_off():
            return None
        for handler in logger.handlers:
            if hasattr(handler, "baseFilename") and getattr(handler, RUN_LOG, False):
                return SummaryWriter(str(Path(handler.baseFilename).parent / "tensorboard"))
        return stock(logger)

    return fixed


def _clear_bars_that_are_done() -> None:
    """Reason: the bar of each epoch and each evaluation stays on the terminal, coloured whatever `NO_COLOR` says.

    Affects: any stack. Goes when RecBole lets a run choose.
    """
    import recbole.trainer.trainer as module

    wrap_once(module, "tqdm", _cleared)


def _cleared(stock: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(stock, updated=())
    def bar(*arguments: Any, desc: str | None = None, **options: Any) -> Any:
        if desc is not None and os.environ.get("NO_COLOR"):
            desc = re.sub(r"\x1b\[[0-9;]*m", "", desc)
        return stock(*arguments, desc=desc, leave=False, **options)

    return bar
