"""The log of a run: every line in a file, those that matter on the console."""

from __future__ import annotations

import contextlib
import contextvars
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import colorlog
from recbole.utils.logger import RemoveColorFilter, log_colors_config

RUN_LOG = "_recbole_dtlns_run_log"
"""Attribute that is set on the log handlers of a run of ours."""
DETAIL = {"detail": True}
"""As `extra` of a log call: a line for run.log, shown on the console under `log=full` alone."""

_WITHOUT_TENSORBOARD = contextvars.ContextVar("_WITHOUT_TENSORBOARD", default=False)


@contextlib.contextmanager
def without_tensorboard() -> Iterator[None]:
    """Within it a trainer of RecBole is made without files for tensorboard: one that only evaluates, or has its own."""
    before = _WITHOUT_TENSORBOARD.set(True)
    try:
        yield
    finally:
        _WITHOUT_TENSORBOARD.reset(before)


def tensorboard_is_off() -> bool:
    """Whether a trainer is made within `without_tensorboard`."""
    return _WITHOUT_TENSORBOARD.get()


def _is_short(record: logging.LogRecord) -> bool:
    """Whether the short console shows a line: warnings, and what we say ourselves; RecBole logs as root."""
    return record.levelno >= logging.WARNING or (record.name != "root" and not getattr(record, "detail", False))


class _LogFile(logging.FileHandler):
    """A log file. On a full disk it loses lines and the run goes on; the console says so once."""

    _failed = False

    def handleError(self, record: logging.LogRecord) -> None:
        """Say what is wrong, once, in place of a traceback for each line."""
        if not self._failed:
            self._failed = True
            sys.stderr.write(f"recbole-dtlns: {self.baseFilename} cannot be written: {sys.exc_info()[1]}. It is cut.\n")


class _Kept(logging.Handler):
    """Keeps what is logged before there is a file for it. Where nothing else shows it, the console does at once."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record."""
        self.records.append(record)
        last = logging.lastResort
        if last is not None and record.levelno >= last.level and logging.getLogger().handlers == [self]:
            last.handle(record)


@contextlib.contextmanager
def keep_for_log() -> Iterator[None]:
    """End the log of an earlier run of this process, and keep what is logged within it for the next `start_log`.

    Around all that a run does: the warnings of its configuration come before this says where the log is.
    """
    _end_log()
    kept = _Kept()
    setattr(kept, RUN_LOG, True)
    logging.getLogger().addHandler(kept)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(kept)  # `start_log` has taken it, unless the run ended before


def _end_log() -> list[logging.LogRecord]:
    """Take our handlers from the root logger; returns what was kept for a log."""
    root = logging.getLogger()
    ours = [handler for handler in root.handlers if getattr(handler, RUN_LOG, False)]
    for handler in ours:
        root.removeHandler(handler)
        handler.close()
    return [record for handler in ours if isinstance(handler, _Kept) for record in handler.records]


def start_log(path: Path | None, state: str | None, console_log: str = "short") -> None:
    """Send the root logger to the console and to a file, and nowhere else.

    RecBole's own set-up adds handlers to those of an earlier run in the same process and writes below the working
    directory; this one replaces them. The file begins with what `keep_for_log` has kept.

    Args:
        path: the file, which takes every line; None: no file.
        state: RecBole's name of the lowest level that is kept.
        console_log: `short`, the console shows our lines and all warnings; `full`, RecBole's lines too.
    """
    level = getattr(logging, (state or "INFO").upper(), logging.INFO)
    kept, root = _end_log(), logging.getLogger()
    console: logging.Handler = logging.StreamHandler()
    if sys.stderr.isatty() and not os.environ.get("NO_COLOR"):
        form = "%(log_color)s%(asctime)-15s %(levelname)s  %(message)s"
        console.setFormatter(colorlog.ColoredFormatter(form, "%d %b %H:%M", log_colors=log_colors_config))
    else:
        console.setFormatter(logging.Formatter("%(asctime)-15s %(levelname)s  %(message)s", "%d %b %H:%M"))
        console.addFilter(RemoveColorFilter())
    if console_log == "short":
        console.addFilter(_is_short)
    handlers = [console]
    if path is not None:
        file = _LogFile(path, encoding="utf-8")
        file.setFormatter(logging.Formatter("%(asctime)-15s %(levelname)s  %(message)s", "%a %d %b %Y %H:%M:%S"))
        file.addFilter(RemoveColorFilter())
        file.setLevel(level)
        for record in kept:
            if record.levelno >= level:
                file.handle(record)
        handlers.append(file)
    for handler in handlers:
        handler.setLevel(level)
        setattr(handler, RUN_LOG, True)
        root.addHandler(handler)
    root.setLevel(level)
