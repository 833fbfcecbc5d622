"""Fixes of what RecBole shows while it trains: where tensorboard's files go, and progress bars; see `compat`."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

RUN_LOG = "_recbole_dtlns_run_log"  # set on the log handlers of a run of ours


def apply_display(wrap_once: Callable[..., None]) -> None:
    """Put these fixes in force; calling it again changes nothing.

    Args:
        wrap_once: replaces a function of a module or class by a wrapped one, unless that has been done.
    """
    _keep_tensorboard_beside_the_log(wrap_once)
    _clear_bars_that_are_done(wrap_once)


def _keep_tensorboard_beside_the_log(wrap_once: Callable[..., None]) -> None:
    """Reason: RecBole writes to `log_tensorboard/LOGNAME` in the working directory, so two runs share one folder.

    Affects: any stack. Goes when RecBole lets a run choose the folder. Without a log of ours the stock folder is used.
    """
    import recbole.trainer.trainer as module

    wrap_once(module, "get_tensorboard", _beside_the_log)


def _beside_the_log(stock: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(stock)
    def fixed(logger: Any) -> Any:
        from torch.utils.tensorboard import SummaryWriter

        for handler in logger.handlers:
            if hasattr(handler, "baseFilename") and getattr(handler, RUN_LOG, False):
                return SummaryWriter(str(Path(handler.baseFilename).parent / "tensorboard"))
        return stock(logger)

    return fixed


def _clear_bars_that_are_done(wrap_once: Callable[..., None]) -> None:
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
