"""The optional packages of the language model: asked for with a clear message, and kept quiet."""

from __future__ import annotations

import importlib.util
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from recbole_dtlns.errors import UserError

_INT8_LOGGER = "bitsandbytes.autograd._functions"


def need_packages(*names: str) -> None:
    """Refuse early when an optional package is absent.

    Raises:
        UserError: a package cannot be found; the message has the pip line.
    """
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"A language model needs {', '.join(missing)}, not installed here. Install with "
            "`pip install 'recbole-dtlns[llm]'`, or take judge=rule, which needs no language model."
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Hide the chatter of a load, then put everything back.

    Hidden: progress bars where stderr is no terminal, hints about the optional package `kernels`, and the loading
    report. What matters in that report (missing weights) is read from the returned data instead.
    """
    from transformers.utils import logging as hf_logging

    bnb_logger = logging.getLogger("bitsandbytes")
    bnb_level, hf_level, bars = bnb_logger.level, hf_logging.get_verbosity(), hf_logging.is_progress_bar_enabled()
    bnb_logger.setLevel(logging.ERROR)
    hf_logging.set_verbosity_error()
    if not sys.stderr.isatty():
        hf_logging.disable_progress_bar()
    try:
        yield
    finally:
        bnb_logger.setLevel(bnb_level)
        hf_logging.set_verbosity(hf_level)
        if bars:
            hf_logging.enable_progress_bar()


def _no_cast_notice(record: logging.LogRecord) -> bool:
    return "inputs will be cast" not in str(record.msg)


def hide_int8_cast_notice() -> None:
    """Drop one message of bitsandbytes: every int8 layer logs at every forward that it casts its input to float16."""
    logger = logging.getLogger(_INT8_LOGGER)
    if _no_cast_notice not in logger.filters:
        logger.addFilter(_no_cast_notice)
